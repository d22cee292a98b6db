#include "libminillm/generate/chat.h"

#include <gtest/gtest.h>

#include <iterator>

#include "libminillm/data/chat_template.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

Model chat_model() { return toy_model(1, 200); }  // a context of 200: three or four turns

GenerationConfig short_answers() {
  GenerationConfig config;
  config.max_tokens = 6;
  return config;
}

TEST(Chat, StripsExactlyTheTemplatesSpace) {
  EXPECT_EQ(strip_template_space(" cooper"), "cooper");
  EXPECT_EQ(strip_template_space("  cooper "), " cooper ");
  EXPECT_EQ(strip_template_space("cooper"), "cooper");
  EXPECT_EQ(strip_template_space(""), "");
}

TEST(ChatSession, AsksWithSystemPromptAndHistory) {
  const Model model = chat_model();
  ChatSession session(model, toy_tokenizer());
  session.set_system("a goat");
  const ChatAnswer first = session.ask("the name", short_answers());
  const ChatAnswer second = session.ask("the lane", short_answers());
  ASSERT_EQ(first.dropped_turns, 0);
  ASSERT_EQ(second.dropped_turns, 0);

  // The same conversation, rendered by hand.
  const std::vector<Message> messages = {{Role::kSystem, "a goat"},
                                         {Role::kUser, "the name"},
                                         {Role::kAssistant, first.text},
                                         {Role::kUser, "the lane"}};
  GenerationConfig second_turn = short_answers();
  second_turn.stream = 1;
  Generator generator(model, toy_tokenizer());
  EXPECT_EQ(generator.generate(render_prompt(toy_tokenizer(), messages), second_turn).text,
            second.generation.text);
  ASSERT_EQ(session.history().size(), 4u);
  EXPECT_EQ(session.history()[3].content, strip_template_space(second.generation.text));

  session.reset();
  EXPECT_TRUE(session.history().empty());
  EXPECT_EQ(session.system(), "a goat");
}

TEST(ChatSession, DoesNotReadItsHistoryAgain) {
  const Model model = chat_model();
  ChatSession session(model, toy_tokenizer());
  session.set_system("the goat has a name and the lane has a mason");
  Index known = 0;  // at least: what was read for the answer before
  for (int turn = 0; turn < 3; ++turn) {
    const Generation answer = session.ask("the name", short_answers()).generation;
    ASSERT_EQ(answer.reason, StopReason::kMaxTokens);
    EXPECT_GE(answer.cached_tokens, known) << "turn " << turn;
    const std::vector<Message> messages = [&] {
      std::vector<Message> all = {{Role::kSystem, session.system()}};
      all.insert(all.end(), session.history().begin(), session.history().end() - 1);
      return all;
    }();
    known = std::ssize(render_prompt(toy_tokenizer(), messages));
  }
  session.set_system("a goat");
  EXPECT_LT(session.ask("the name", short_answers()).generation.cached_tokens, known / 2);
}

TEST(ChatSession, StreamsWhatItShows) {
  const Model model = chat_model();
  ChatSession session(model, toy_tokenizer());
  for (int turn = 0; turn < 3; ++turn) {
    std::string streamed;
    const ChatAnswer answer =
        session.ask("the goat", short_answers(),
                    {.on_text = [&](const std::string& text) { streamed += text; }});
    EXPECT_EQ(streamed, answer.text);
  }
}

TEST(ChatSession, DropsTheOldestTurnsWhenTheContextIsShort) {
  const Model model = chat_model();
  ChatSession session(model, toy_tokenizer());
  session.set_system("the goat");
  Generator generator(model, toy_tokenizer());
  int dropped = 0;
  for (int turn = 0; turn < 12; ++turn) {
    const std::vector<Message> before = session.history();
    const ChatAnswer answer = session.ask("the name of the mason", short_answers());
    dropped += answer.dropped_turns;
    ASSERT_EQ(session.history().size(), 2u * static_cast<size_t>(turn + 1 - dropped));

    // The remaining history is what was asked with.
    std::vector<Message> asked = {{Role::kSystem, "the goat"}};
    asked.insert(asked.end(), session.history().begin(), session.history().end() - 1);
    GenerationConfig config = short_answers();
    config.stream = static_cast<uint64_t>(turn);
    EXPECT_EQ(generator.generate(render_prompt(toy_tokenizer(), asked), config).text,
              answer.generation.text);

    // One more turn would not have fit.
    if (answer.dropped_turns == 0) continue;
    const auto longer = before.begin() + 2 * (answer.dropped_turns - 1);
    asked.insert(asked.begin() + 1, longer, longer + 2);
    EXPECT_GT(std::ssize(render_prompt(toy_tokenizer(), asked)) + config.max_tokens, 200);
  }
  EXPECT_GT(dropped, 0);
}

TEST(ChatSession, RefusesAQuestionThatCannotFitAndKeepsTheHistory) {
  const Model model = chat_model();
  ChatSession session(model, toy_tokenizer());
  session.ask("the name", short_answers());
  EXPECT_ERROR(session.ask(std::string(200, 'x'), short_answers()), "message: too long");
  EXPECT_EQ(session.history().size(), 2u);
}

TEST(ChatTemplate, IsTakenFromTheLastStageThatTaughtOne) {
  EXPECT_EQ(taught_chat_template(std::nullopt), "");
  TrainerState state;
  state.lineage.resize(3);
  EXPECT_EQ(taught_chat_template(state), "");
  state.lineage[1].hashes["template"] = "other-v1";
  EXPECT_EQ(taught_chat_template(state), "other-v1");
  state.lineage[2].hashes["template"] = kChatTemplateId;
  EXPECT_EQ(taught_chat_template(state), kChatTemplateId);
}

TEST(ChatTemplate, AnotherOneIsRefused) {
  check_chat_template("", toy_tokenizer());
  check_chat_template(kChatTemplateId, toy_tokenizer());
  EXPECT_ERROR(check_chat_template("other-v1", toy_tokenizer()), "expected 'other-v1'");
}

}  // namespace
}  // namespace minillm
