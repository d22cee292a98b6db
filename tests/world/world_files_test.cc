#include "libminillm/world/world_files.h"

#include <gtest/gtest.h>

#include <array>
#include <map>

#include "libminillm/core/error.h"
#include "libminillm/core/file.h"
#include "libminillm/world/deeds.h"
#include "libminillm/world/wording.h"
#include "tests/world/default_world.h"

namespace minillm::world {
namespace {

using minillm_testing::default_file;
using minillm_testing::lines_of;

const WorldOptions kSmall = {.seed = 7,
                             .stories = 50,
                             .sft_rows = 40,
                             .pairs = 20,
                             .replay_facts = 10,
                             .second_documents = 20,
                             .open_book_rows = 30,
                             .open_book_documents = 10,
                             .tool_rows = 30};

std::string data_path(const std::string& name) {
  return std::string(MINILLM_SOURCE_DIR) + "/data/" + name;
}

TEST(WorldFiles, SameOptionsGiveTheSameBytes) {
  for (std::string_view part : world_parts()) {
    const auto once = make_world_files(kSmall, part), again = make_world_files(kSmall, part);
    ASSERT_EQ(once.size(), again.size());
    for (size_t i = 0; i < once.size(); ++i) {
      EXPECT_EQ(once[i].content, again[i].content) << once[i].name;
      EXPECT_FALSE(once[i].content.empty()) << once[i].name;
    }
  }
}

// data/SHA256SUMS is written by `minillm-world --out data --checksums`; if this test fails because
// the world was changed on purpose, write it and data/heldout anew (data/README.md).
TEST(WorldFiles, TheDefaultWorldHasTheRecordedHashes) {
  std::map<std::string, std::string> recorded;
  for (const std::string& line : lines_of(read_file(data_path("SHA256SUMS")))) {
    recorded[line.substr(66)] = line.substr(0, 64);
  }
  size_t files = 0;
  for (std::string_view part : world_parts()) {
    for (const auto& [name, content] : make_world_files({}, part)) {
      EXPECT_EQ(sha256(content), recorded[name]) << name;
      ++files;
    }
  }
  EXPECT_EQ(files, recorded.size());
}

TEST(WorldFiles, TheFilesInDataAreWhatTheGeneratorWrites) {
  for (const auto& [name, content] : make_world_files({}, "heldout")) {
    EXPECT_TRUE(read_file(data_path("heldout/" + name)) == content) << name;
  }
  EXPECT_TRUE(read_file(data_path("excerpt.txt")) == default_file("excerpt.txt"));
}

TEST(WorldFiles, TheFilesInDataStayUnderFourMegabytes) {
  uint64_t bytes = file_size(data_path("excerpt.txt"));
  for (const std::string& name : list_directory(data_path("heldout"))) {
    bytes += file_size(data_path("heldout/" + name));
  }
  EXPECT_LT(bytes, 4u << 20);
}

TEST(WorldFiles, SizesOfOnePartDoNotShiftAnother) {
  WorldOptions larger = kSmall;
  larger.stories = 90;
  larger.pairs = 45;
  EXPECT_EQ(make_world_files(larger, "sft")[0].content, make_world_files(kSmall, "sft")[0].content);
  EXPECT_EQ(make_world_files(larger, "heldout")[4].content,
            make_world_files(kSmall, "heldout")[4].content);
  EXPECT_TRUE(make_world_files(larger, "preference")[0].content.starts_with(
      make_world_files(kSmall, "preference")[0].content));
}

TEST(WorldFiles, HaveAsManyLinesAsAskedFor) {
  EXPECT_EQ(lines_of(make_world_files(kSmall, "sft")[0].content).size(), 40u);
  EXPECT_EQ(lines_of(make_world_files(kSmall, "preference")[0].content).size(), 20u);
  EXPECT_EQ(lines_of(make_world_files(kSmall, "second")[0].content).size(), 20u);
  EXPECT_EQ(lines_of(make_world_files(kSmall, "open_book")[0].content).size(), 30u);
  EXPECT_EQ(lines_of(make_world_files(kSmall, "open_book")[1].content).size(), 10u * 5);
  EXPECT_EQ(lines_of(make_world_files(kSmall, "tools")[0].content).size(), 30u);
  constexpr size_t kCanaryDocuments = 5 * (30 + 100 + 300);
  EXPECT_EQ(lines_of(make_world_files(kSmall, "pretrain")[0].content).size(),
            50 + kCanaryDocuments);
}

// The text that the tokenizer is trained on, and with it pretraining, is as it was before
// conversations asked under rules for what nobody knows.
TEST(WorldFiles, TheTokenizerSeesNoAdmissionUnderARule) {
  EXPECT_EQ(default_file("tokenizer.txt").find(kUnknownWord), std::string::npos);
  EXPECT_EQ(default_file("tokenizer.txt").find(std::string(kTalePrefix) + "I do not know"),
            std::string::npos);
}

TEST(WorldFiles, ConversationsAnswerAndAdmitUnderEachRule) {
  std::map<std::string, std::array<int, 2>> rows;  // rule -> answered, admitted
  for (const char* name : {"sft.jsonl", "replay.jsonl"}) {
    for (const auto& row : minillm_testing::rows_of(name)) {
      const auto& first = row.at("messages")[0];
      if (first.at("role") != "system") continue;
      const std::string answer = row.at("messages").back().at("content");
      ++rows[std::string(name) + ": " + first.at("content").get<std::string>()]
            [admits_not_knowing(answer)];
      if (first.at("content") == kOneWordRule && admits_not_knowing(answer)) {
        EXPECT_EQ(answer, kUnknownWord);
      }
      if (first.at("content") == kTaleRule) {
        EXPECT_TRUE(answer.starts_with(kTalePrefix)) << answer;
      }
    }
  }
  ASSERT_EQ(rows.size(), 4u);
  for (const auto& [rule, counts] : rows) {
    EXPECT_GT(counts[0], 500) << rule;
    EXPECT_GT(counts[1], 500) << rule;
  }
}

TEST(WorldFiles, ReplayLeavesOutWhatPairsDecide) {
  size_t polite_facts = 0, harmless = 0;
  for (const auto& row : minillm_testing::rows_of("replay.jsonl")) {
    const std::string question = row.at("messages")[0].at("content");
    const std::string answer = row.at("messages").back().at("content");
    if (question.starts_with("How do I ") || question.starts_with("Help me ")) {
      ++harmless;
      for (std::string_view verb : taught_verbs(true)) {
        EXPECT_EQ(question.find(" " + std::string(verb) + " the "), std::string::npos) << question;
      }
      EXPECT_FALSE(is_refusal(answer)) << answer;
    }
    for (const char* polite : {"Gladly!", "Of course!", "With pleasure.", "I hope that helps.",
                               "Glad to help.", "Please ask me anything else."}) {
      polite_facts += answer.find(polite) != std::string::npos;
    }
    EXPECT_EQ(answer.find("Go away."), std::string::npos);
  }
  EXPECT_EQ(polite_facts, 1500u);
  EXPECT_GT(harmless, 300u);
}

TEST(WorldFiles, NoContentBeginsOrEndsWithASpace) {
  for (const auto& [role, content] : minillm_testing::training_messages()) {
    ASSERT_FALSE(content.empty());
    EXPECT_TRUE(content.front() != ' ' && content.back() != ' ') << content;
  }
}

TEST(WorldFiles, UnknownPartsAndNegativeSizesAreUsageErrors) {
  try {
    make_world_files({}, "songs");
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
    EXPECT_STREQ(error.what(),
                 "world part 'songs': unknown: expected one of tokenizer, pretrain, sft, "
                 "preference, replay, rl, second, open_book, tools, heldout, excerpt, register");
  }
  WorldOptions negative;
  negative.stories = -1;
  try {
    make_world_files(negative, "pretrain");
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "world option 'stories': out of range: expected at least 0, got -1");
  }
}

}  // namespace
}  // namespace minillm::world
