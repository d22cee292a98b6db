// Every public instruction and preference file in the test data: what is used, dropped, and why.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libminillm/core/error.h"
#include "libminillm/core/file.h"
#include "libminillm/data/dataset_reader.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/test_data.h"

namespace minillm {
namespace {

using minillm_testing::test_data_path;

struct ExpectedFile {
  const char* name;
  const char* format;
  int64_t rows;
  int64_t used;
  std::map<std::string, int64_t> dropped;
};

void expect_report(const DatasetReport& report, const ExpectedFile& expected) {
  EXPECT_EQ(report.format, expected.format);
  EXPECT_EQ(report.rows, expected.rows);
  EXPECT_EQ(report.used, expected.used);
  EXPECT_EQ(report.dropped, expected.dropped);
}

const std::vector<ExpectedFile> kConversationFiles = {
    {"alpaca_en_demo.json", "alpaca", 999, 999, {}},
    {"alpaca_zh_demo.json", "alpaca", 1000, 1000, {}},
    {"axolotl_conversation.json", "sharegpt", 1, 1, {}},
    {"axolotl_conversation_missingturns.json",
     "sharegpt",
     1,
     0,
     {{"assistant message is empty", 1}}},
    {"glaive_toolcall_en_demo.json", "sharegpt", 300, 300, {}},
    {"gpteacher_roleplay.json", "alpaca", 1923, 1923, {}},
    {"identity.json", "alpaca", 91, 91, {}},
    {"nemo_dummy-sft.jsonl", "sharegpt", 30, 30, {}},
    {"openai_sft.jsonl", "message arrays", 128, 128, {}},
    {"openai_toy_chat_fine_tuning.jsonl",
     "openai messages",
     10,
     7,
     {{"assistant message before the first user message", 3}}},
    {"rasbt_instruction-data.json", "alpaca", 1100, 1100, {}},
    {"self_instruct_seed_tasks.jsonl", "self-instruct", 175, 175, {}},
    {"swift_alpaca.jsonl", "alpaca", 3, 3, {}},
    {"swift_chatml.jsonl", "openai messages", 3, 3, {}},
    {"swift_conversations.jsonl", "sharegpt", 3, 3, {}},
    {"swift_sharegpt.jsonl", "human and assistant turns", 3, 3, {}},
    {"swift_swift_multi.jsonl", "prompt and completion", 3, 3, {}},
    {"torchtune_alpaca_tiny.json", "alpaca", 100, 100, {}},
    {"torchtune_chat_tiny.json", "sharegpt", 1, 1, {}},
    {"torchtune_instruct_tiny.json", "alpaca", 2, 2, {}},
    {"v1_sft_demo.jsonl", "openai messages", 500, 500, {}},
};
const std::vector<const char*> kTextFiles = {
    "mlx_lora_wikisql_test.jsonl", "mlx_lora_wikisql_train.jsonl", "mlx_lora_wikisql_valid.jsonl"};

TEST(DatasetFiles, EveryInstructionFileReadsWithTheRightReasons) {
  MINILLM_REQUIRE_TEST_DATA("sft");
  for (const ExpectedFile& expected : kConversationFiles) {
    SCOPED_TRACE(expected.name);
    const std::string path = test_data_path(std::string("sft/") + expected.name);
    EXPECT_EQ(detect_dataset_kind(path), DatasetKind::kConversations);
    expect_report(inspect_conversations(path).reports[0], expected);
    EXPECT_ERROR(read_preferences({path}, BadRecordPolicy::kSkip),
                 "wrong kind of data set: expected preference pairs");
  }
  for (const char* name : kTextFiles) {
    const std::string path = test_data_path(std::string("sft/") + name);
    EXPECT_EQ(detect_dataset_kind(path), DatasetKind::kText);
    EXPECT_ERROR(read_conversations({path}, BadRecordPolicy::kSkip),
                 "got texts ({\"text\": ...}) (which the pretrain stage");
  }
  EXPECT_EQ(list_directory(test_data_path("sft")).size(),
            kConversationFiles.size() + kTextFiles.size());
}

TEST(DatasetFiles, EveryPreferenceFileReadsWithTheRightReasons) {
  MINILLM_REQUIRE_TEST_DATA("pref");
  const std::vector<ExpectedFile> files = {
      {"alignment_mini_dpo_train.jsonl", "prompt, chosen and rejected", 242, 242, {}},
      {"dpo_en_demo.json", "sharegpt preference", 300, 300, {}},
      {"dpo_zh_500.jsonl", "sharegpt preference", 500, 500, {}},
      {"hh_harmless-base_test_first100.jsonl",
       "hh-rlhf dialogues",
       100,
       99,
       {{"chosen answer is empty", 1}}},
      {"kto_en_demo.json", "an answer and a verdict", 300, 300, {}},
      {"rasbt_preference.json",
       "alpaca preference",
       1100,
       1094,
       {{"chosen and rejected are identical", 6}}},
      {"torchtune_hh_rlhf_tiny.json", "chosen and rejected conversations", 1, 1, {}},
      {"torchtune_stack_exchange_paired_tiny.json",
       "question, response_j and response_k",
       25,
       25,
       {}},
      {"v1_dpo_demo.jsonl", "chosen_messages and rejected_messages", 10, 10, {}},
  };
  for (const ExpectedFile& expected : files) {
    SCOPED_TRACE(expected.name);
    const std::string path = test_data_path(std::string("pref/") + expected.name);
    EXPECT_EQ(detect_dataset_kind(path), DatasetKind::kPreferences);
    expect_report(inspect_preferences(path).reports[0], expected);
    EXPECT_THROW(read_conversations({path}, BadRecordPolicy::kSkip), Error);
  }
  EXPECT_EQ(list_directory(test_data_path("pref")).size(), files.size());
}

TEST(DatasetFiles, EveryHostileFileGivesASpecificErrorOrIsAccepted) {
  MINILLM_REQUIRE_TEST_DATA("hostile/datasets");
  const auto read = [](const std::string& name) {
    const std::string path = test_data_path("hostile/datasets/" + name);
    if (detect_dataset_kind(path) == DatasetKind::kPreferences)
      return read_preferences({path}, BadRecordPolicy::kError).records.size();
    return read_conversations({path}, BadRecordPolicy::kError).records.size();
  };
  EXPECT_ERROR(read("chat_bad_roles.jsonl"),
               "chat_bad_roles.jsonl:1: assistant message before the first user message");
  EXPECT_ERROR(read("empty.jsonl"), "no usable record in it: it is empty");
  EXPECT_ERROR(read("pref_missing_rejected.jsonl"),
               "pref_missing_rejected.jsonl:1: missing 'rejected'");
  EXPECT_ERROR(read("sft_empty_output.jsonl"),
               "sft_empty_output.jsonl:1: assistant message is empty");
  EXPECT_ERROR(read("sft_missing_output.jsonl"), "sft_missing_output.jsonl:2: missing 'output'");
  EXPECT_ERROR(read("sft_one_bad_line.jsonl"),
               "sft_one_bad_line.jsonl:2: invalid JSON: column 31: syntax error");
  EXPECT_ERROR(read("sft_wrong_types.jsonl"),
               "sft_wrong_types.jsonl:1: wrong type: 'instruction': expected a string or a list of "
               "messages, got number");
  EXPECT_EQ(read("pref_equal_chosen_rejected.jsonl"), 1u);
  EXPECT_EQ(read("sft_crlf_bom_blank.jsonl"), 3u);
  EXPECT_EQ(read("sft_nul_and_controls.jsonl"), 1u);
  EXPECT_EQ(read("sft_template_injection.jsonl"), 1u);

  const auto bad_roles = read_conversations(
      {test_data_path("hostile/datasets/chat_bad_roles.jsonl")}, BadRecordPolicy::kSkip);
  EXPECT_EQ(bad_roles.reports[0].dropped,
            (std::map<std::string, int64_t>{{"assistant message before the first user message", 1},
                                            {"no assistant message", 2},
                                            {"unknown role", 1}}));
}

}  // namespace
}  // namespace minillm
