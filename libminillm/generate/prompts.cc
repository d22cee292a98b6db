#include "libminillm/generate/prompts.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/data_form.h"
#include "libminillm/data/json_records.h"
#include "libminillm/data/line_reader.h"
#include "libminillm/data/tokenizer.h"  // is_valid_utf8

namespace minillm {
namespace {

std::string text_field(const Json& object, const char* key, const std::string& where) {
  MINILLM_CHECK(object.is_object() && object.contains(key) && object[key].is_string(),
                "{}: expected an object with the text \"{}\"", where, key);
  return object[key];
}

Prompt parse_prompt(const Json& row, const std::string& where) {
  MINILLM_CHECK(row.is_object() && row.contains("prompt"),
                "{}: expected {{\"prompt\": ...}}, got {}", where, row.type_name());
  Prompt prompt;
  if (row.contains("system")) prompt.push_back({Role::kSystem, text_field(row, "system", where)});
  if (!row["prompt"].is_array()) {
    prompt.push_back({Role::kUser, text_field(row, "prompt", where)});
    return prompt;
  }
  for (const Json& message : row["prompt"]) {
    const std::string role = text_field(message, "role", where);
    const std::string content = text_field(message, "content", where);
    try {
      prompt.push_back({parse_role(role), content});
    } catch (const Error& e) {
      throw Error(fmt::format("{}: {}", where, e.what()));
    }
  }
  MINILLM_CHECK(!prompt.empty() && prompt.back().role == Role::kUser,
                "{}: expected the prompt to end with a user message", where);
  return prompt;
}

std::vector<std::string> parse_expected(const Json& row, const std::string& where) {
  std::vector<std::string> texts;
  if (!row.contains("expect")) return texts;
  for (const Json& text : row["expect"].is_array() ? row["expect"] : Json::array({row["expect"]})) {
    MINILLM_CHECK(text.is_string() && !text.get<std::string>().empty(),
                  "{}: \"expect\": expected a text or a list of texts, got {}", where, text.dump());
    texts.push_back(text);
  }
  return texts;
}

}  // namespace

Role parse_role(std::string_view name) {
  for (const Role role : {Role::kSystem, Role::kUser, Role::kAssistant})
    if (name == role_name(role)) return role;
  throw Error(fmt::format("role: expected 'system', 'user' or 'assistant', got '{}'", name));
}

std::vector<Prompt> read_prompts(const std::string& path) {
  std::vector<Prompt> prompts;
  for (ExpectingPrompt& row : read_expecting_prompts(path))
    prompts.push_back(std::move(row.prompt));
  return prompts;
}

std::vector<ExpectingPrompt> read_expecting_prompts(const std::string& path) {
  std::vector<ExpectingPrompt> prompts;
  if (holds_records(path)) {
    for_each_record(path, [&](const RawRecord& record) {
      const std::string where = fmt::format("'{}':{}", path, record.line);
      Json row;
      try {
        row = record.parse();
      } catch (const BadRecord& bad) {
        throw Error(fmt::format("{}: {}: {}", where, bad.reason, bad.detail));
      }
      ExpectingPrompt& prompt = prompts.emplace_back();
      prompt.prompt = parse_prompt(row, where);
      prompt.expected = parse_expected(row, where);
      if (row.contains("kind")) prompt.kind = text_field(row, "kind", where);
      if (row.contains("value")) prompt.value = text_field(row, "value", where);
    });
  } else {
    LineReader reader(path);
    for (std::string_view line; reader.next(line);) {
      if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
      MINILLM_CHECK(is_valid_utf8(line), "'{}':{}: not valid UTF-8", path, reader.line_number());
      prompts.push_back({{{Role::kUser, std::string(line)}}, {}});
    }
  }
  MINILLM_CHECK(!prompts.empty(), "prompts '{}': the file has no prompt", path);
  return prompts;
}

std::string raw_text(const Prompt& prompt) {
  std::string text;
  for (const Message& message : prompt) {
    if (!text.empty()) text += '\n';
    text += message.content;
  }
  return text;
}

}  // namespace minillm
