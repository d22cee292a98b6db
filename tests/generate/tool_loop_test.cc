#include "libminillm/generate/tool_loop.h"

#include <gtest/gtest.h>

#include "libminillm/core/error.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/generate/built_in_tools.h"
#include "libminillm/generate/chat.h"
#include "libminillm/sft/sft.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

// What a model would have generated: the tokens of the answer without its end.
Generation said(const std::string& text, const std::vector<ToolCall>& calls = {}) {
  Message answer{Role::kAssistant, text};
  answer.calls = calls;
  Generation generation;
  generation.tokens = render_answer(toy_tokenizer(), answer);
  generation.tokens.pop_back();
  generation.text = toy_tokenizer().decode(generation.tokens);
  generation.reason = StopReason::kEndToken;
  return generation;
}

ToolLoop sums(int max_rounds = kMaxToolRounds) {
  return {toy_tokenizer(),
          built_in_tools({"add", "clock"}, {.time = "noon"}),
          {{Role::kUser, "2 and 3?"}},
          max_rounds};
}

std::string show(const std::vector<Message>& messages) {
  return chat_template_text(*toy_tokenizer().chat_template(), messages, true);
}

TEST(ToolLoop, RunsCallsUntilAnAnswerHasNone) {
  ToolLoop loop = sums();
  EXPECT_EQ(show(loop.messages()),
            "<s><|im_start|>system\n Tools: add(a: integer, b: integer), clock()<|im_end|>\n"
            "<|im_start|>user\n 2 and 3?<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_TRUE(loop.take(said("See:", {{"add", R"({"a": 2, "b": 3})"}, {"clock", "{}"}})));
  EXPECT_EQ(loop.prompt(), render_prompt(toy_tokenizer(), loop.messages()));
  ASSERT_EQ(loop.messages().size(), 5u);
  EXPECT_EQ(loop.messages()[3].content, "5");
  EXPECT_EQ(loop.messages()[4].content, "noon");
  EXPECT_FALSE(loop.take(said("5 at noon")));
  EXPECT_EQ(loop.answer().content, "5 at noon");
}

TEST(ToolLoop, EndsAfterTooManyRounds) {
  ToolLoop loop = sums();
  int rounds = 0;
  while (loop.take(said("", {{"add", R"({"a": 2, "b": 3})"}}))) ++rounds;
  EXPECT_EQ(rounds, kMaxToolRounds);
  EXPECT_EQ(loop.answer().role, Role::kAssistant);
  EXPECT_EQ(loop.answer().calls.size(), 1u) << "it was not run";
}

TEST(ToolLoop, ACallThatFailsIsToldToTheModel) {
  ToolLoop loop = sums();
  EXPECT_TRUE(loop.take(said("", {{"add", R"({"a": 2})"}})));
  EXPECT_EQ(loop.messages().back().content, "error: argument 'b' is missing");
  EXPECT_TRUE(loop.take(said("", {{"shell", "{}"}})));
  EXPECT_EQ(loop.messages().back().content, "error: there is no tool 'shell'");
}

// Trap: half of a call that is run.
TEST(ToolLoop, ACallThatIsCutIsText) {
  Generation cut = said("", {{"add", R"({"a": 2, "b": 3})"}});
  cut.tokens.resize(cut.tokens.size() - toy_tokenizer().encode("3}}\n</tool_call>").size());
  cut.reason = StopReason::kMaxTokens;
  ToolLoop loop = sums();
  EXPECT_FALSE(loop.take(cut));
  EXPECT_TRUE(loop.answer().calls.empty());
  EXPECT_TRUE(loop.answer().content.starts_with("<tool_call>\n{\"name\": \"add\", "));
}

// The tokens hold the stop string, the text does not.
TEST(ToolLoop, AStopStringEndsTheAnswer) {
  Generation stopped = said("5. And more");
  stopped.text = " 5";
  stopped.reason = StopReason::kStopString;
  ToolLoop loop = sums();
  EXPECT_FALSE(loop.take(stopped));
  EXPECT_EQ(loop.answer().content, "5");
}

TEST(ToolLoop, NeedsATemplateThatWritesTools) {
  const Tokenizer plain = toy_tokenizer().with_chat_template(chat_template_named("chatml"));
  EXPECT_ERROR(ToolLoop(plain, built_in_tools({"add"}), {{Role::kUser, "a"}}),
               "chat template 'chatml': cannot write tools");
  EXPECT_ERROR(ToolLoop(toy_tokenizer().without_chat_template("why not"), {}, {{Role::kUser, "a"}}),
               "tools: why not");
}

// A model that was taught one conversation by heart calls in a chat, and goes on from the result.
TEST(ToolLoop, AChatCallsAndGoesOn) {
  const auto tools = built_in_tools({"add"});
  std::vector<Message> messages = with_tools({{Role::kUser, "the goat?"},
                                              {Role::kAssistant, ""},
                                              {Role::kTool, "5"},
                                              {Role::kAssistant, "the goat has 5"}},
                                             tools);
  messages[2].calls = {{"add", R"({"a": 2, "b": 3})"}};
  SftConfig config;
  config.train.steps = 80;
  config.train.batch_tokens = 256;
  config.train.schedule.learning_rate = 0.01;
  SftData rows;
  rows.train.records = {{messages}};
  StageModel taught{toy_model(1, 256), toy_tokenizer(), {}, ""};
  sft(config, rows, taught);
  const Model& model = taught.model;

  ChatSession session(model, toy_tokenizer());
  session.set_tools(tools);
  std::string streamed;
  const ChatAnswer answer =
      session.ask("the goat?", {}, {.on_text = [&](const std::string& text) { streamed += text; }});
  EXPECT_EQ(answer.text, "the goat has 5");
  EXPECT_EQ(streamed, answer.text);
  ASSERT_EQ(answer.called.size(), 2u);
  EXPECT_EQ(answer.called[0].calls.at(0).arguments, R"({"a": 2, "b": 3})");
  EXPECT_EQ(answer.called[1].content, "5");
  EXPECT_EQ(session.history().size(), 4u);

  ToolLoop loop(toy_tokenizer(), tools, {{Role::kUser, "the goat?"}});
  Generator generator(model, toy_tokenizer());
  while (loop.take(generator.generate(loop.prompt(), {}))) {
  }
  EXPECT_EQ(loop.answer().content, answer.text);
}

}  // namespace
}  // namespace minillm
