#include "libminillm/serve/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::toy_tokenizer;
using testing::HasSubstr;

const AnswerHead kChatHead = {AnswerKind::kChat, "chatcmpl-1", "sft", "0.1.0-abc", 1700000000};
const AnswerHead kTextHead = {AnswerKind::kCompletion, "cmpl-1", "pretrain", "0.1.0-abc",
                              1700000000};
constexpr AnswerUsage kUsage = {12, 9, 4, 1.5, 2.5};
const std::string kHeadText =
    R"("created":1700000000,"model":"sft","system_fingerprint":"0.1.0-abc",)";

TEST(Answer, OfAChat) {
  const AnswerChoice choice{"Hi.", "stop", nullptr, {}};
  EXPECT_EQ(
      to_line(whole_answer(kChatHead, {&choice, 1}, kUsage, {{"seed", 7}})),
      R"({"id":"chatcmpl-1","object":"chat.completion",)" + kHeadText +
          R"("choices":[{"index":0,"message":{"role":"assistant","content":"Hi.","refusal":null},)"
          R"("logprobs":null,"finish_reason":"stop"}],)"
          R"("usage":{"prompt_tokens":12,"completion_tokens":9,"total_tokens":21,)"
          R"("prompt_tokens_details":{"cached_tokens":4}},)"
          R"("timings":{"cache_n":4,"prompt_n":8,"prompt_ms":1.5,"predicted_n":9,)"
          R"("predicted_ms":2.5},"minillm":{"seed":7}})");
}

TEST(Answer, OfACompletion) {
  const AnswerChoice choices[] = {{"a", "length", nullptr, {{5, 6}}},
                                  {"b", "stop", nullptr, {{7}}}};
  const AnswerJson json = whole_answer(kTextHead, choices, kUsage, {{"seed", 7}});
  EXPECT_EQ(json["object"], "text_completion");
  EXPECT_EQ(to_line(json["choices"][1]),
            R"({"index":1,"text":"b","logprobs":null,"finish_reason":"stop"})");
  EXPECT_EQ(to_line(json["minillm"]), R"({"seed":7,"token_ids":[[5,6],[7]]})");
}

TEST(Answer, AsAStream) {
  const std::string begin =
      R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk",)" + kHeadText;
  EXPECT_EQ(event_line(first_event(kChatHead, 0)),
            begin + R"("choices":[{"index":0,"delta":{"role":"assistant","content":""},)"
                    R"("logprobs":null,"finish_reason":null}]})"
                    "\n\n");
  EXPECT_EQ(event_line(text_event(kChatHead, 1, "Hi", nullptr)),
            begin + R"("choices":[{"index":1,"delta":{"content":"Hi"},)"
                    R"("logprobs":null,"finish_reason":null}]})"
                    "\n\n");
  EXPECT_EQ(event_line(finish_event(kChatHead, 0, {"", "length", nullptr, {{3}}}, {{"seed", 7}})),
            begin + R"("choices":[{"index":0,"delta":{},)"
                    R"("logprobs":null,"finish_reason":"length"}],)"
                    R"("minillm":{"seed":7,"token_ids":[3]}})"
                    "\n\n");
  EXPECT_THAT(event_line(usage_event(kChatHead, kUsage)),
              HasSubstr(R"("choices":[],"usage":{"prompt_tokens":12,)"));
  EXPECT_EQ(to_line(text_event(kTextHead, 0, "Hi", nullptr)["choices"][0]),
            R"({"index":0,"text":"Hi","logprobs":null,"finish_reason":null})");
}

TEST(Answer, StaysJsonWhateverTheTextIs) {
  const std::string line = to_line(text_event(kChatHead, 0, "a\xff\n\"</script>", nullptr));
  EXPECT_THAT(line, HasSubstr("\"a\xEF\xBF\xBD\\n\\\"</script>\""));
  EXPECT_THAT(line, testing::Not(HasSubstr("\n")));
}

TEST(Answer, NamesTheReasonWhyATextEnded) {
  EXPECT_STREQ(finish_reason(StopReason::kEndToken), "stop");
  EXPECT_STREQ(finish_reason(StopReason::kStopString), "stop");
  EXPECT_STREQ(finish_reason(StopReason::kMaxTokens), "length");
  EXPECT_STREQ(finish_reason(StopReason::kContextFull), "length");
}

TEST(ChatLogProbs, HaveBytesAndAlternatives) {
  const Tokenizer& tokenizer = toy_tokenizer();
  const Token half = tokenizer.encode("é")[0];  // the first of two bytes
  const std::vector<ScoredToken> top = {{half, -0.5F}, {tokenizer.eos(), -1.0F}};
  const TokenScore scores[] = {{tokenizer.encode("g")[0], -0.25F, {}}, {half, -0.5F, top}};
  EXPECT_EQ(to_line(chat_log_probs(tokenizer, scores)),
            R"({"content":[{"token":"g","logprob":-0.25,"bytes":[103],"top_logprobs":[]},)"
            "{\"token\":\"\xEF\xBF\xBD\",\"logprob\":-0.5,\"bytes\":[195],\"top_logprobs\":["
            "{\"token\":\"\xEF\xBF\xBD\",\"logprob\":-0.5,\"bytes\":[195]},"
            R"({"token":"</s>","logprob":-1.0,"bytes":null}]}],"refusal":null})");
}

TEST(CompletionLogProbs, HaveTheOtherShape) {
  const Tokenizer& tokenizer = toy_tokenizer();
  const std::vector<Token> ids = tokenizer.encode("geg");
  ASSERT_EQ(ids.size(), 3U);
  const std::vector<ScoredToken> top = {{ids[1], -0.5F}, {ids[0], -1.0F}};
  const TokenScore scores[] = {
      {tokenizer.bos(), {}, {}}, {ids[0], -0.25F, {}}, {ids[1], -0.5F, top}};
  EXPECT_EQ(to_line(completion_log_probs(tokenizer, scores, 3)),
            R"({"tokens":["<s>","g","e"],"token_logprobs":[null,-0.25,-0.5],)"
            R"("top_logprobs":[null,null,{"e":-0.5,"g":-1.0}],"text_offset":[3,3,4]})");
}

}  // namespace
}  // namespace minillm
