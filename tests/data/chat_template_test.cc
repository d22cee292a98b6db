#include "libminillm/data/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "libminillm/core/error.h"
#include "tests/data/test_tokenizer.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/test_data.h"

namespace minillm {
namespace {

using minillm_testing::random_text;
using minillm_testing::test_tokenizer;
using testing::ElementsAre;

// The text of the ids, with the control pieces shown.
std::string show(const std::vector<Token>& tokens) {
  std::string text;
  for (const Token token : tokens) {
    text += test_tokenizer().is_control(token) ? test_tokenizer().piece(token)
                                               : test_tokenizer().token_bytes(token);
  }
  return text;
}

std::string show_supervised(const RenderedSequence& sequence) {
  std::vector<Token> tokens;
  for (size_t i = 0; i < sequence.tokens.size(); ++i) {
    if (sequence.supervised[i]) tokens.push_back(sequence.tokens[i]);
  }
  return show(tokens);
}

const std::vector<Message> kTwoTurns = {{Role::kSystem, "be kind"},
                                        {Role::kUser, "who is the cooper"},
                                        {Role::kAssistant, "Marla"},
                                        {Role::kUser, "and the goose"},
                                        {Role::kAssistant, "old"}};

TEST(ChatTemplate, RendersChatMlWithASpaceBeforeEveryContent) {
  EXPECT_EQ(show(render_conversation(test_tokenizer(), kTwoTurns).tokens),
            "<s><|im_start|>system\n be kind<|im_end|>\n"
            "<|im_start|>user\n who is the cooper<|im_end|>\n"
            "<|im_start|>assistant\n Marla<|im_end|>\n"
            "<|im_start|>user\n and the goose<|im_end|>\n"
            "<|im_start|>assistant\n old<|im_end|>");
}

// Trap: mask off by one. The first supervised token is the answer's first, the last its end token.
TEST(ChatTemplate, SupervisesExactlyTheAnswersAndTheirEndTokens) {
  const Tokenizer& tokenizer = test_tokenizer();
  const RenderedSequence sequence = render_conversation(tokenizer, kTwoTurns);
  EXPECT_EQ(show_supervised(sequence), " Marla<|im_end|> old<|im_end|>");
  EXPECT_EQ(sequence.supervised.size(), sequence.tokens.size());
  EXPECT_EQ(sequence.supervised[0], 0);
  EXPECT_EQ(sequence.supervised.back(), 1);
  EXPECT_EQ(sequence.tokens.back(), tokenizer.control("<|im_end|>"));
  EXPECT_EQ(sequence.supervised_count(), static_cast<Index>(tokenizer.encode(" Marla").size() +
                                                            tokenizer.encode(" old").size() + 2));
}

// Trap: mask off by one, with every id written out.
TEST(ChatTemplate, GoldenExampleIdById) {
  const Tokenizer& tokenizer = test_tokenizer();
  const Token newline = 6 + '\n';  // the byte pieces follow the six control pieces
  const std::vector<Token> user = tokenizer.encode("user"),
                           assistant = tokenizer.encode("assistant");
  const std::vector<Token> goose = tokenizer.encode(" goose"), cooper = tokenizer.encode(" cooper");
  ASSERT_EQ(goose.size(), 1u);
  ASSERT_EQ(cooper.size(), 1u);
  std::vector<Token> tokens = {1, 4};
  std::vector<uint8_t> supervised = {0, 0};
  const auto append = [&](const std::vector<Token>& more, uint8_t mask) {
    tokens.insert(tokens.end(), more.begin(), more.end());
    supervised.insert(supervised.end(), more.size(), mask);
  };
  append(user, 0);
  append({newline, goose[0], 5, newline, 4}, 0);
  append(assistant, 0);
  append({newline}, 0);
  append({cooper[0], 5}, 1);
  const RenderedSequence sequence =
      render_conversation(tokenizer, {{Role::kUser, "goose"}, {Role::kAssistant, "cooper"}});
  EXPECT_EQ(sequence.tokens, tokens);
  EXPECT_EQ(sequence.supervised, supervised);
}

TEST(ChatTemplate, LeavesMessagesWithLossWeightZeroUnsupervised) {
  std::vector<Message> messages = kTwoTurns;
  messages[2].supervised = false;
  EXPECT_EQ(show_supervised(render_conversation(test_tokenizer(), messages)), " old<|im_end|>");
  EXPECT_EQ(render_conversation(test_tokenizer(), messages).tokens,
            render_conversation(test_tokenizer(), kTwoTurns).tokens);
}

// Trap: double BOS, missing or double end token.
TEST(ChatTemplate, HasOneBosAtZeroAndOneEndTokenPerMessageWhateverTheTextSays) {
  const Tokenizer& tokenizer = test_tokenizer();
  Rng rng(11);
  for (int i = 0; i < 500; ++i) {
    std::vector<Message> messages;
    for (uint64_t turn = 0; turn <= rng.below(3); ++turn) {
      messages.push_back({Role::kUser, random_text(rng)});
      messages.push_back({Role::kAssistant, random_text(rng)});
    }
    const RenderedSequence sequence = render_conversation(tokenizer, messages);
    const auto count = [&](Token id) {
      return std::count(sequence.tokens.begin(), sequence.tokens.end(), id);
    };
    const auto size = static_cast<int64_t>(messages.size());
    EXPECT_EQ(sequence.tokens[0], tokenizer.bos());
    EXPECT_EQ(count(tokenizer.bos()), 1);
    EXPECT_EQ(count(tokenizer.control("<|im_start|>")), size);
    EXPECT_EQ(count(tokenizer.control("<|im_end|>")), size);
    EXPECT_EQ(count(tokenizer.eos()) + count(tokenizer.pad()) + count(tokenizer.unk()), 0);
    Index supervised_ends = 0;
    for (size_t t = 0; t < sequence.tokens.size(); ++t) {
      supervised_ends +=
          sequence.supervised[t] && sequence.tokens[t] == tokenizer.control("<|im_end|>");
    }
    EXPECT_EQ(supervised_ends, size / 2) << "every assistant's end token is learned, no user's is";
  }
}

// Traps: prompt boundary and template mismatch. What training feeds before an answer, and the
// answer itself, are id for id what generation feeds.
TEST(ChatTemplate, TrainingPrefixIsTheGenerationPromptIdForId) {
  const Tokenizer& tokenizer = test_tokenizer();
  Rng rng(12);
  for (int i = 0; i < 1000; ++i) {
    const std::vector<Message> prompt = {{Role::kSystem, random_text(rng)},
                                         {Role::kUser, random_text(rng)}};
    const std::string answer = random_text(rng);
    std::vector<Message> whole = prompt;
    whole.push_back({Role::kAssistant, answer});
    std::vector<Token> joined = render_prompt(tokenizer, prompt);
    const size_t prompt_size = joined.size();
    const std::vector<Token> ids = render_answer(tokenizer, answer);
    joined.insert(joined.end(), ids.begin(), ids.end());
    const RenderedSequence sequence = render_conversation(tokenizer, whole);
    EXPECT_EQ(sequence.tokens, joined);
    const auto first = std::find(sequence.supervised.begin(), sequence.supervised.end(), 1);
    EXPECT_EQ(static_cast<size_t>(first - sequence.supervised.begin()), prompt_size);
  }
}

TEST(ChatTemplate, EarlierTurnsArePrefixesOfLaterOnes) {
  const Tokenizer& tokenizer = test_tokenizer();
  const std::vector<Token> whole = render_conversation(tokenizer, kTwoTurns).tokens;
  for (const size_t count : {size_t{2}, size_t{4}}) {
    const std::vector<Token> prompt =
        render_prompt(tokenizer, {kTwoTurns.begin(), kTwoTurns.begin() + count});
    ASSERT_LT(prompt.size(), whole.size());
    EXPECT_TRUE(std::equal(prompt.begin(), prompt.end(), whole.begin()));
  }
}

// Trap: segments encoded separately must give what other programs get from the rendered text, which
// they split at the markers only.
TEST(ChatTemplate, HeaderAndContentEncodeAsTheyDoTogether) {
  const Tokenizer& tokenizer = test_tokenizer();
  Rng rng(13);
  for (int i = 0; i < 500; ++i) {
    const std::string content = " " + random_text(rng);
    std::vector<Token> apart = tokenizer.encode("user\n");
    const std::vector<Token> rest = tokenizer.encode(content);
    apart.insert(apart.end(), rest.begin(), rest.end());
    EXPECT_EQ(tokenizer.encode("user\n" + content), apart);
  }
}

TEST(ChatTemplate, AnAnswersFirstWordHasTheTokenOfRunningText) {
  const Tokenizer& tokenizer = test_tokenizer();
  EXPECT_EQ(render_answer(tokenizer, "cooper")[0], tokenizer.encode("the cooper").back());
}

TEST(ChatTemplate, PairSharesThePromptAndEndsBothAnswers) {
  const RenderedPair pair =
      render_pair(test_tokenizer(), {{{Role::kUser, "who"}}, "Marla", "the goose"});
  EXPECT_EQ(show(pair.prompt), "<s><|im_start|>user\n who<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(show(pair.chosen), " Marla<|im_end|>");
  EXPECT_EQ(show(pair.rejected), " the goose<|im_end|>");
}

TEST(ChatTemplate, RefusesATokenizerWithoutChatMarkers) {
  MINILLM_REQUIRE_TEST_DATA("weights/llama_tokenizer.model");
  const Tokenizer llama =
      Tokenizer::load(minillm_testing::test_data_path("weights/llama_tokenizer.model"));
  EXPECT_ERROR(render_conversation(llama, kTwoTurns), "it has no chat markers");
}

TEST(ChatTemplate, JinjaTextHasNoTagThatOnlyHuggingFaceKnows) {
  for (const ChatTemplate& format : chat_templates())
    EXPECT_EQ(format.jinja.find("generation %}"), std::string::npos) << format.id;
}

}  // namespace
}  // namespace minillm
