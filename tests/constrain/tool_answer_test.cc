#include "libminillm/constrain/tool_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "libminillm/constrain/constraint.h"
#include "libminillm/core/rng.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/data/tool_calls.h"
#include "tests/data/control_pieces.h"
#include "tests/data/test_tokenizer.h"
#include "tests/data/tool_conversation.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

using minillm_testing::add_tool;
using minillm_testing::control_piece;
using minillm_testing::show_ids;
using minillm_testing::test_tokenizer;
using minillm_testing::tokenizer_for_all_templates;

Tool tool(const std::string& name, const std::string& parameters, bool strict) {
  return {name, R"({"type": "function", "function": {"name": ")" + name + R"(", "strict": )" +
                    (strict ? "true" : "false") + R"(, "parameters": )" + parameters + "}}"};
}

const Tool kFind =
    tool("find", R"({"type": "object", "properties": {"kind": {"enum": ["goat", "cow"]},
    "n": {"type": "integer", "minimum": 3, "maximum": 9}}, "required": ["kind", "n"]})",
         true);

// Every template that writes tools, with tokenizers whose marks are control pieces and letters,
// with a space in front of texts and without.
std::vector<Tokenizer> tokenizers() {
  std::string marked = test_tokenizer().bytes();
  for (const std::string_view mark : kToolMarks) marked += control_piece(std::string(mark));
  std::vector<Tokenizer> all;
  for (const Tokenizer& base : {test_tokenizer(), Tokenizer::from_bytes(marked, "test"),
                                tokenizer_for_all_templates(test_tokenizer(), false),
                                tokenizer_for_all_templates(test_tokenizer(), true)})
    for (const char* id : {"chatml-space-v1", "qwen-2.5", "llama-3.1", "mistral-v3", "smollm-3"}) {
      const ChatTemplate& format = chat_template_named(id);
      const auto& header = format.turn(Role::kUser).header;
      if (std::all_of(header.begin(), header.end(), [&](const TurnFormat::Part& part) {
            return !part.control || base.control(part.text) >= 0;
          }))
        all.push_back(base.with_chat_template(format));
    }
  return all;
}

TokenConstraint constraint(const Tokenizer& tokenizer, const ToolAnswer& answer) {
  return {CompiledConstraint::of_tool_answer(answer, std::make_shared<const TokenTrie>(tokenizer)),
          tokenizer.end_tokens(), /*after_space=*/true};
}

// Whether the tokens are allowed one after another, and may end.
bool allows(const Tokenizer& tokenizer, const ToolAnswer& answer, const Message& message) {
  TokenConstraint held = constraint(tokenizer, answer);
  for (const Token token : render_answer(tokenizer, message)) {
    const auto ends = tokenizer.end_tokens();
    if (std::find(ends.begin(), ends.end(), token) != ends.end()) break;
    if (!held.allowed().contains(token)) return false;
    held.accept(token);
  }
  return held.may_end();
}
Message says(const std::string& text, std::vector<ToolCall> calls = {}) {
  Message message{Role::kAssistant, text};
  message.calls = std::move(calls);
  return message;
}
const ToolCall kGoats = {"find", R"({"kind": "goat", "n": 4})", "abcdefghi"};
const ToolCall kGoat = {"find", R"({"kind": "goat", "n": 1})", "abcdefghi"};
const ToolCall kAdd = {"add", R"({"a": 2, "b": 3})", "abcdefghi"};

TEST(ToolAnswer, AllowsWhatTheTemplateWrites) {
  for (const Tokenizer& tokenizer : tokenizers()) {
    const ToolFormat& format = *tokenizer.chat_template()->tools;
    SCOPED_TRACE(tokenizer.chat_template()->id);
    const ToolAnswer any = {.tools = {kFind, add_tool()}};
    EXPECT_TRUE(allows(tokenizer, any, says("", {kGoats})));
    EXPECT_TRUE(allows(tokenizer, any, says("", {kAdd})));
    EXPECT_TRUE(allows(tokenizer, any, says("the goat")));
    EXPECT_FALSE(allows(tokenizer, any, says("", {kGoat}))) << "find is strict";
    EXPECT_TRUE(allows(tokenizer, any, says("", {{"add", R"({"b": [1.0, {}]})", "abcdefghi"}})))
        << "add is not";
    EXPECT_FALSE(allows(tokenizer, any, says("", {{"rm", "{}", "abcdefghi"}})));
    if (format.takes_text) {
      EXPECT_TRUE(allows(tokenizer, any, says("See:", {kGoats})));
    }
    if (format.takes_many) {
      EXPECT_TRUE(allows(tokenizer, any, says("", {kGoats, kAdd})));
      EXPECT_FALSE(
          allows(tokenizer, {.tools = {kFind}, .takes_many = false}, says("", {kGoats, kGoats})));
    }

    const ToolAnswer must = {.tools = {kFind, add_tool()}, .must_call = true};
    EXPECT_TRUE(allows(tokenizer, must, says("", {kGoats})));
    EXPECT_FALSE(allows(tokenizer, must, says("the goat")));
    if (format.takes_many) {
      EXPECT_FALSE(allows(tokenizer, must, says("", {kGoats, kGoats})));
    }
    EXPECT_FALSE(allows(tokenizer, must, says("", {{"add", R"({"b": 1})", "abcdefghi"}})))
        << "what must be called is held to its parameters";

    ToolAnswer either = {.tools = {kFind}};
    either.schema = R"({"enum": ["a", "b"]})";
    EXPECT_TRUE(allows(tokenizer, either, says("", {kGoats})));
    // Where template and tokenizer both put a space there, the second is part of the text.
    const std::string b = show_ids(tokenizer, render_answer(tokenizer, says("b")));
    if (b.starts_with("  ")) continue;
    EXPECT_TRUE(allows(tokenizer, either, says("\"b\"")));
    EXPECT_FALSE(allows(tokenizer, either, says("the goat")));
    if (format.takes_text) {
      EXPECT_FALSE(allows(tokenizer, either, says("\"b\"", {kGoats})));
    }
  }
}

// Whatever is drawn among the allowed tokens is read as what was asked for.
TEST(ToolAnswer, WhatIsDrawnIsReadAsACallOrAText) {
  std::map<bool, int> kinds;
  for (const Tokenizer& tokenizer : tokenizers()) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      SCOPED_TRACE(tokenizer.chat_template()->id + " " + std::to_string(seed));
      ToolAnswer answer = {.tools = {kFind}, .must_call = seed % 2 == 0, .takes_many = false};
      answer.schema = R"({"enum": ["a", "bcd"]})";
      TokenConstraint held = constraint(tokenizer, answer);
      Rng rng(seed);
      std::vector<Token> said;
      while (!held.must_end()) {
        std::vector<Token> choices;
        for (Token id = 0; id < tokenizer.vocab_size(); ++id)
          if (held.allowed().contains(id)) choices.push_back(id);
        ASSERT_FALSE(choices.empty());
        ASSERT_LT(said.size(), 500U);
        said.push_back(rng.pick(choices));
        held.accept(said.back());
      }
      const Message read = read_answer(tokenizer, said);
      kinds[read.calls.empty()] += 1;
      if (read.calls.empty()) {
        EXPECT_FALSE(answer.must_call);
        EXPECT_THAT(read.content, testing::AnyOf("\"a\"", "\"bcd\"")) << show_ids(tokenizer, said);
        continue;
      }
      EXPECT_EQ(read.content, "");
      ASSERT_EQ(read.calls.size(), 1U) << show_ids(tokenizer, said);
      const auto arguments = nlohmann::json::parse(read.calls[0].arguments);
      EXPECT_THAT(arguments["kind"].get<std::string>(), testing::AnyOf("goat", "cow"));
      EXPECT_THAT(arguments["n"].get<int>(), testing::AllOf(testing::Ge(3), testing::Le(9)));
    }
  }
  EXPECT_GT(kinds[true], 5) << "no text was drawn";
  EXPECT_GT(kinds[false], 5);
}

// Text cannot begin what a reader takes for a call.
TEST(ToolAnswer, ATextBeginsNoOtherCall) {
  for (const Tokenizer& tokenizer : tokenizers()) {
    const ToolFormat& format = *tokenizer.chat_template()->tools;
    const std::string begin = format.calls_begin + format.call_begin;
    const bool letters =
        begin.empty() || TokenTrie::mark_bytes(tokenizer, "<tool_call>").size() > 2;
    if (!letters || format.writes_ids) continue;
    TokenConstraint held = constraint(tokenizer, {.tools = {kFind}});
    const std::string forged = begin + R"({"name": "rm")";
    bool allowed = true;
    for (const Token token : tokenizer.encode(forged)) {
      allowed = allowed && held.allowed().contains(token);
      if (allowed) held.accept(token);
    }
    EXPECT_FALSE(allowed) << tokenizer.chat_template()->id;
  }
}

TEST(ToolAnswer, SaysWhatItCannotHold) {
  EXPECT_ERROR(
      tool_answer_grammar(test_tokenizer().with_chat_template(chat_template_named("zephyr")), {}),
      "chat template 'zephyr': cannot write tools");
  const Tokenizer tokenizer =
      test_tokenizer().with_chat_template(chat_template_named("chatml-space-v1"));
  EXPECT_ERROR(tool_answer_grammar(tokenizer, {.tools = {tool("f", R"({"not": {}})", true)}}),
               "tool 'f': schema: $: keyword 'not'");
  EXPECT_NO_THROW(tool_answer_grammar(tokenizer, {.tools = {tool("f", R"({"not": {}})", false)}}));
  EXPECT_ERROR(tool_answer_grammar(tokenizer, {.tools = {{"f", "{"}}}), "tool 'f'");
  EXPECT_ERROR(
      tool_answer_grammar(
          tokenizer,
          {.tools = {tool("f", R"({"type": "string", "minLength": 3, "maxLength": 2})", true)},
           .must_call = true}),
      "schema: ");
}

}  // namespace
}  // namespace minillm
