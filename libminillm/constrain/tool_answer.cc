#include "libminillm/constrain/tool_answer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "libminillm/constrain/json_schema.h"
#include "libminillm/constrain/regex.h"
#include "libminillm/constrain/token_trie.h"
#include "libminillm/core/check.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/data/chat_template.h"

namespace minillm {
namespace {

using Json = nlohmann::ordered_json;
using Rule = Grammar::Rule;

// A text, and the same where a space in front of it is not part of it.
struct Texts {
  Rule text, after_space;
};

class ToolAnswerRules {
 public:
  ToolAnswerRules(const Tokenizer& tokenizer, const ToolAnswer& answer)
      : tokenizer_(tokenizer), answer_(answer) {
    const ChatTemplate* const format = tokenizer.chat_template();
    MINILLM_CHECK(format != nullptr, "tokenizer: {}", tokenizer.chat_template_problem());
    MINILLM_CHECK(format->tools != nullptr, "chat template '{}': cannot write tools", format->id);
    format_ = format->tools;
  }

  Grammar grammar() {
    const Rule calls = this->calls();
    Texts answers = {calls, grammar_.after_space(calls)};
    if (!answer_.must_call) {
      const Texts text = this->text();
      const bool both = format_->takes_text && !answer_.schema;
      const auto answer = [&](Rule text_rule, Rule calls_rule) {
        return both ? grammar_.sequence({text_rule, grammar_.choice({grammar_.empty(), calls})})
                    : grammar_.choice({text_rule, calls_rule});
      };
      answers = {answer(text.text, calls), answer(text.after_space, answers.after_space)};
    }
    MINILLM_CHECK(grammar_.finish(answers.text, answers.after_space),
                  "schema: no finite text can satisfy it");
    return std::move(grammar_);
  }

 private:
  // Of the template, marks and all. Some tokenizers put a space after a control piece.
  Rule written(const std::string& text) {
    TurnBody body(format_);
    body.written(text);
    Rule all = grammar_.empty();
    for (const TurnPart& part : body.parts()) {
      if (!part.control || tokenizer_.control(part.text) < 0) {
        all = grammar_.sequence({all, grammar_.literal(part.text)});
        continue;
      }
      const Rule mark = grammar_.literal(TokenTrie::mark_bytes(tokenizer_, part.text));
      all = grammar_.sequence({all, mark});
      if (tokenizer_.adds_leading_space())
        all = grammar_.sequence({all, grammar_.words({"", " "})});
    }
    return all;
  }

  Rule calls() {
    std::vector<Rule> of_tools;
    for (const Tool& tool : answer_.tools) of_tools.push_back(call(tool));
    const Rule one = grammar_.sequence(
        {written(format_->call_begin), grammar_.choice(of_tools), written(format_->call_end)});
    const Rule more = grammar_.sequence({written(format_->calls_between), one});
    const bool many = answer_.takes_many && format_->takes_many && !answer_.must_call;
    return grammar_.sequence({written(format_->calls_begin), one,
                              grammar_.repeat(more, 0, many ? Grammar::kUnlimited : 0),
                              written(format_->calls_end)});
  }

  // {"name": ..., "arguments": ...}, in this order; a space may follow each comma and colon.
  Rule call(const Tool& tool) {
    const auto key = [&](const std::string& before, const std::string& name) {
      const std::string text = before + Json(name).dump() + ":";
      return grammar_.words({text, text + " "});
    };
    const Rule comma = grammar_.words({",", ", "});
    Rule id = grammar_.empty();
    if (format_->writes_ids)
      id = grammar_.choice(
          {id, grammar_.sequence({comma, key("", "id"),
                                  grammar_.automaton(compile_regex("\"[a-zA-Z0-9]{9}\""))})});
    return grammar_.sequence({key("{", "name"), grammar_.literal(Json(tool.name).dump()), comma,
                              key("", format_->arguments_key), arguments(tool), id,
                              grammar_.literal("}")});
  }

  Rule arguments(const Tool& tool) {
    const std::string subject = "tool '" + tool.name + "'";
    const Json declared = parse_ordered_json(tool.declaration, subject);
    const auto found = declared.find("function");
    const Json function = found == declared.end() ? Json::object() : *found;
    const bool held = answer_.must_call || function.value("strict", Json()) == true;
    Json parameters = {{"type", "object"}};
    if (held) {
      parameters = function.value("parameters", Json());
      if (!parameters.is_object() || parameters.empty())
        parameters = {
            {"type", "object"}, {"properties", Json::object()}, {"additionalProperties", false}};
    }
    try {
      return add_json_schema(grammar_, parameters.dump(), JsonSpacing::kSpaced);
    } catch (const Error& error) {
      throw Error(fmt::format("{}: {}", subject, error.what()));
    }
  }

  // That is not read as a call.
  Texts text() {
    if (answer_.schema) {
      const Rule rule = add_json_schema(grammar_, *answer_.schema, JsonSpacing::kCompact);
      return {rule, grammar_.after_space(rule)};
    }
    ByteAutomaton text = compile_regex("[\\s\\S]*");
    const std::string begin = format_->calls_begin + format_->call_begin;
    const auto mark = std::ranges::find_if(format_->marks, [&](const std::string& candidate) {
      return begin.find(candidate) != begin.npos;
    });
    if (mark != format_->marks.end())
      text = without_part(text, TokenTrie::mark_bytes(tokenizer_, *mark));
    else
      text = compile_regex("\\s*([^\\s{][\\s\\S]*)?");  // an answer of JSON is a call
    return {grammar_.automaton(text), grammar_.automaton(without_space(text))};
  }

  const Tokenizer& tokenizer_;
  const ToolAnswer& answer_;
  const ToolFormat* format_;
  Grammar grammar_;
};

}  // namespace

Grammar tool_answer_grammar(const Tokenizer& tokenizer, const ToolAnswer& answer) {
  return ToolAnswerRules(tokenizer, answer).grammar();
}

}  // namespace minillm
