// The data, the uninterrupted runs to compare with, and how runs are compared.

#ifndef TESTS_RELIABILITY_SMALL_RUNS_H_
#define TESTS_RELIABILITY_SMALL_RUNS_H_

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "libminillm/core/error.h"
#include "libminillm/core/threads.h"
#include "tests/reliability/fault_run.h"
#include "tests/reliability/processes.h"

namespace minillm_testing {

inline constexpr const char* kStages[] = {"pretrain", "sft", "dpo", "reward", "rl", "lora"};

// What must not depend on when a run was killed: the bytes of the last checkpoint's weights and
// moments, and every line of the log without its clock.
struct RunResult {
  std::string weights, moments;
  std::vector<std::string> metrics;
  bool operator==(const RunResult&) const = default;
};
inline RunResult result_of(const std::string& run) {
  using namespace minillm;
  const std::string last = Checkpoint::open(run).path();
  const std::string adapter = join_path(last, "adapter_model.safetensors");
  RunResult result{
      sha256_file(file_exists(adapter) ? adapter : join_path(last, "model.safetensors")),
      sha256_file(join_path(last, "optimizer.safetensors")),
      {}};
  std::istringstream lines(read_file(join_path(run, "metrics.jsonl")));
  for (std::string line; std::getline(lines, line);) {
    auto entry = nlohmann::ordered_json::parse(line);
    for (const char* key : {"time", "tokens_per_second", "eval_runtime"}) entry.erase(key);
    result.metrics.push_back(entry.dump());
  }
  return result;
}

// Made once for all tests of a program.
class SmallRuns : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    minillm::set_thread_count(1);
    data_ = new TempDir();
    prepare_small_stages(data_->path());
    for (const char* stage : kStages) {
      const std::string out = data_->file(std::string("whole-") + stage);
      const Outcome outcome = run(stage, out, {"count"});
      ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
      std::istringstream(outcome.out) >> changes_[stage] >> calls_[stage];
      whole_[stage] = result_of(out);
    }
  }
  static void TearDownTestSuite() { delete data_; }

  static std::vector<std::string> command(const std::string& stage, const std::string& out,
                                          std::vector<std::string> fault = {}) {
    std::vector<std::string> words = {program_beside_this("fault_run"), stage, data_->path(), out};
    words.insert(words.end(), fault.begin(), fault.end());
    return words;
  }
  static Outcome run(const std::string& stage, const std::string& out,
                     std::vector<std::string> fault = {}) {
    return run_process(command(stage, out, std::move(fault)));
  }
  // Continues the run without a fault: it must end as if nothing had happened, and leave nothing
  // that does not belong there.
  static void expect_it_recovers(const std::string& stage, const std::string& out,
                                 const std::string& what) {
    const Outcome outcome = run(stage, out);
    ASSERT_EQ(outcome.exit_code, 0) << what << ": " << outcome.err;
    EXPECT_EQ(result_of(out), whole_[stage]) << what;
    EXPECT_EQ(temporary_names(out), std::vector<std::string>()) << what;
  }
  static std::vector<std::string> temporary_names(const std::string& out) {
    std::vector<std::string> names;
    if (!minillm::is_directory(out)) return names;
    for (const std::string& name : minillm::list_directory(out))
      if (!minillm::temporary_of(name).empty() || name.starts_with(".trash") ||
          name.ends_with(".fresh") || name.ends_with(".replaced"))
        names.push_back(name);
    return names;
  }

  static TempDir* data_;
  static std::map<std::string, RunResult> whole_;
  static std::map<std::string, int64_t> changes_, calls_;  // file calls in a whole run
};
inline TempDir* SmallRuns::data_ = nullptr;
inline std::map<std::string, RunResult> SmallRuns::whole_;
inline std::map<std::string, int64_t> SmallRuns::changes_, SmallRuns::calls_;

}  // namespace minillm_testing

#endif  // TESTS_RELIABILITY_SMALL_RUNS_H_
