#include "libminillm/eval/choice_items.h"

#include <gtest/gtest.h>

#include <string>

#include "libminillm/core/file.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace minillm {
namespace {

using minillm_testing::TempDir;

std::string request(int doc, int index, int label, const std::string& context,
                    const std::string& continuation) {
  return R"({"doc_id": )" + std::to_string(doc) + R"(, "idx": )" + std::to_string(index) +
         R"(, "label": )" + std::to_string(label) + R"(, "native_id": "q)" + std::to_string(doc) +
         R"(", "request": {"context": ")" + context + R"(", "continuation": ")" + continuation +
         "\"}}\n";
}

ChoiceTask read(const std::string& content, const std::string& name = "task.jsonl") {
  const TempDir folder;
  return read_choice_items(folder.write(name, content));
}
ChoiceTask read_continuations(const std::string& content, const std::string& name = "task.jsonl") {
  const TempDir folder;
  return read_continuation_items(folder.write(name, content));
}

TEST(ChoiceItems, OfBlimpAreTwoSentencesWithNothingBeforeThem) {
  const ChoiceTask task = read(
      "{\"sentence_good\": \"The mason lives.\", \"sentence_bad\": \"The mason live.\", "
      "\"pairID\": \"7\"}\n");
  EXPECT_EQ(task.form, "BLiMP");
  EXPECT_EQ(task.name, "task");
  ASSERT_EQ(task.items.size(), 1u);
  const ChoiceItem& item = task.items.front();
  EXPECT_EQ(item.id, "7");
  EXPECT_EQ(item.right, 0u);
  ASSERT_EQ(item.choices.size(), 2u);
  EXPECT_EQ(item.choices[0].context, "");
  EXPECT_EQ(item.choices[1].continuation, "The mason live.");
}

TEST(ChoiceItems, OfRequestsAreGroupedByDocument) {
  const ChoiceTask task =
      read(request(0, 0, 1, "Q: a?", " no") + request(1, 1, 0, "Q: b?", " never") +
               request(0, 1, 1, "Q: a?", " yes") + request(1, 0, 0, "Q: b?", " always"),
           "arc.requests.jsonl");
  EXPECT_EQ(task.form, "OLMo requests");
  EXPECT_EQ(task.name, "arc");
  ASSERT_EQ(task.items.size(), 2u);
  EXPECT_EQ(task.items[0].id, "q0");
  EXPECT_EQ(task.items[0].right, 1u);
  EXPECT_EQ(task.items[0].choices[1].continuation, " yes");
  EXPECT_EQ(task.items[1].right, 0u);
  EXPECT_EQ(task.items[1].choices[0].continuation, " always");
  EXPECT_EQ(task.items[1].choices[0].context, "Q: b?");
}

// WinoGrande: what is filled in is in the context, and all continuations are one.
TEST(ChoiceItems, OfRequestsMayDifferInTheirContexts) {
  const ChoiceTask task =
      read(request(0, 0, 1, "The goat", " bleats.") + request(0, 1, 1, "The mason", " bleats.") +
           request(1000000, 0, 1, "Answer:", " bleats."));
  ASSERT_EQ(task.items.size(), 1u) << "the request without its question is left out";
  EXPECT_EQ(task.items[0].choices[0].context, "The goat");
  EXPECT_EQ(task.items[0].choices[1].context, "The mason");
}

TEST(ChoiceItems, OfRequestsThatDoNotFitTogetherAreNamed) {
  EXPECT_ERROR(read(request(0, 0, 1, "a", " b") + request(0, 2, 1, "a", " c")),
               "task.jsonl:1: the right answer is missing: expected a request with 'idx' 1");
  EXPECT_ERROR(
      read(request(0, 0, 0, "a", " b") + request(0, 2, 0, "a", " c")),
      "task.jsonl:1: a request is missing: expected 'idx' 0 to 2 of this doc_id, got no 1");
  EXPECT_ERROR(read(request(0, 0, 0, "a", " b") + request(0, 0, 0, "a", " c")),
               "task.jsonl:2: request twice: doc_id 0 has two of 'idx' 0");
  EXPECT_ERROR(read(request(0, 0, 0, "a", " b") + request(0, 1, 1, "a", " c")),
               "task.jsonl:2: two labels: expected 0 as in the other requests of doc_id 0, got 1");
  EXPECT_ERROR(read(request(0, 0, 0, "a", " b")), "task.jsonl:1: nothing to choose");
  EXPECT_ERROR(read(request(0, 0, 0, "a", "  ") + request(0, 1, 0, "a", " c")),
               "task.jsonl:1: empty choice");
  EXPECT_ERROR(read(request(0, -1, 0, "a", " b")),
               "task.jsonl:1: wrong index: 'idx': expected 0 to 999, got -1");
  EXPECT_ERROR(read(request(0, 0, 0, "a", " b") + "{\"question\": \"?\"}\n"),
               "task.jsonl:2: wrong or missing field: 'request': expected an object, got nothing");
}

TEST(ChoiceItems, OfTruthfulQaAreTheBestAnswerAndTheIncorrectOnes) {
  const ChoiceTask task = read(
      "Type,Question,Best Answer,Correct Answers,Incorrect Answers\n"
      "x,Who?,Nobody,Nobody; No one,\"A mason; A cooper,\n the goat;\"\n",
      "TruthfulQA.csv");
  EXPECT_EQ(task.form, "TruthfulQA");
  ASSERT_EQ(task.items.size(), 1u);
  const ChoiceItem& item = task.items.front();
  ASSERT_EQ(item.choices.size(), 3u);
  EXPECT_EQ(item.right, 0u);
  EXPECT_EQ(item.choices[0].context, "Q: Who?\nA:");
  EXPECT_EQ(item.choices[0].continuation, " Nobody");
  EXPECT_EQ(item.choices[1].continuation, " A mason");
  EXPECT_EQ(item.choices[2].continuation, " A cooper,\n the goat");
}

TEST(ChoiceItems, OfQuestionsTakeTheAnswerAsNumberLabelOrText) {
  const ChoiceTask task = read(
      R"({"question": "Who?", "choices": ["he", "she"], "answer": 1})"
      "\n"
      R"({"question": "Who?", "choices": ["he", "she"], "answer": "B"})"
      "\n"
      R"({"question": "Who?", "choices": ["he", "she"], "answer": "she"})"
      "\n"
      R"({"query": "Who? It was", "choices": {"text": ["he", "she"], "label": ["1", "2"]}, "answerKey": "2", "id": "x"})"
      "\n");
  EXPECT_EQ(task.form, "questions");
  ASSERT_EQ(task.items.size(), 4u);
  for (const ChoiceItem& item : task.items) EXPECT_EQ(item.right, 1u);
  EXPECT_EQ(task.items[0].choices[0].context, "Question: Who?\nAnswer:");
  EXPECT_EQ(task.items[0].choices[0].continuation, " he");
  EXPECT_EQ(task.items[3].choices[0].context, "Who? It was");
  EXPECT_EQ(task.items[2].id, "2");
  EXPECT_EQ(task.items[3].id, "x");
}

TEST(ChoiceItems, ThatAreMalformedAreNamedWithFileAndLine) {
  const std::string good = R"({"question": "Who?", "choices": ["he", "she"], "answer": 1})"
                           "\n";
  EXPECT_ERROR(read(good + R"({"question": "Who?", "choices": ["he"], "answer": 0})"),
               "task.jsonl:2: nothing to choose: expected at least 2 choices, got 1");
  EXPECT_ERROR(read(good + R"({"question": "Who?", "choices": ["he", "she"], "answer": 2})"),
               "task.jsonl:2: wrong index: 'answer': expected 0 to 1, got 2");
  EXPECT_ERROR(read(good + R"({"question": "Who?", "choices": ["he", "she"], "answer": "C"})"),
               "task.jsonl:2: unknown answer: 'answer': expected a number from 0");
  EXPECT_ERROR(read(good + R"({"question": "Who?", "choices": ["he", "he"], "answer": "he"})"),
               "task.jsonl:2: ambiguous answer: two choices are called 'he'");
  EXPECT_ERROR(read(good + R"({"question": "Who?", "choices": ["he", "she"]})"),
               "task.jsonl:2: wrong or missing field: 'answer'");
  EXPECT_ERROR(read(good + R"({"question": 1, "choices": ["he", "she"], "answer": 1})"),
               "'question': expected a string, got number");
  EXPECT_ERROR(read(good + R"({"question": "Who?", "choices": ["he", ""], "answer": 1})"),
               "task.jsonl:2: empty choice");
  EXPECT_ERROR(read(good + "{\"question\": \n"), "task.jsonl:2: invalid JSON");
}

TEST(ChoiceItems, OfUnknownFormAreRefusedByName) {
  EXPECT_ERROR(read("{\"prompt\": \"x\", \"chosen\": \"y\"}\n"),
               "task.jsonl:1: unknown form: expected {sentence_good, sentence_bad}");
  EXPECT_ERROR(read("{\"prompt\": \"x\", \"chosen\": \"y\"}\n"), "got {chosen, prompt}");
  EXPECT_ERROR(read("Once upon a time\n", "story.txt"), "it is plain text: expected");
  EXPECT_ERROR(read("", "empty.jsonl"), "empty.jsonl");
}

TEST(ChoiceItems, AreLimited) {
  const TempDir folder;
  std::string content;
  for (int i = 0; i < 5; ++i) content += request(i, 0, 0, "a", " b") + request(i, 1, 0, "a", " c");
  const std::string path = folder.write("task.jsonl", content);
  EXPECT_EQ(read_choice_items(path, 3).items.size(), 3u);
  EXPECT_EQ(read_choice_items(path).items.size(), 5u);
  EXPECT_EQ(read_choice_items(path).hash, sha256(content));
}

TEST(ContinuationItems, OfPlainTextAreTheLastWords) {
  const ChoiceTask task =
      read_continuations("the goat has a name\n\nthe mason  lives \nalone\n", "lambada.txt");
  EXPECT_EQ(task.form, "last words");
  ASSERT_EQ(task.items.size(), 3u);
  EXPECT_EQ(task.items[0].choices.front().context, "the goat has a");
  EXPECT_EQ(task.items[0].choices.front().continuation, " name");
  EXPECT_EQ(task.items[1].choices.front().context, "the mason ");
  EXPECT_EQ(task.items[1].choices.front().continuation, " lives");
  EXPECT_EQ(task.items[2].choices.front().context, "");
  EXPECT_EQ(task.items[2].choices.front().continuation, "alone");
}

TEST(ContinuationItems, OfRecordsAreTextsContinuationsOrRightAnswers) {
  const ChoiceTask texts = read_continuations("{\"text\": \"the goat has a name\"}\n");
  EXPECT_EQ(texts.items.front().choices.front().continuation, " name");
  const ChoiceTask given =
      read_continuations("{\"context\": \"the goat\", \"continuation\": \" has a name\"}\n");
  EXPECT_EQ(given.items.front().choices.front().continuation, " has a name");
  const ChoiceTask right =
      read_continuations(request(0, 0, 1, "a", " b") + request(0, 1, 1, "a", " c"));
  ASSERT_EQ(right.items.size(), 1u);
  ASSERT_EQ(right.items.front().choices.size(), 1u);
  EXPECT_EQ(right.items.front().choices.front().continuation, " c");
  EXPECT_EQ(right.items.front().right, 0u);
  EXPECT_ERROR(read_continuations("{\"context\": \"the goat\", \"continuation\": \" \"}\n"),
               "task.jsonl:1: empty choice");
  EXPECT_ERROR(read_continuations("the goat\nthe \xff goat\n", "lambada.txt"),
               "lambada.txt:2: invalid UTF-8: byte 13 of the file is 0xFF");
}

}  // namespace
}  // namespace minillm
