// Many steps with saves, evaluations and rotation: memory stays constant after the warm-up, and no
// descriptor stays open. 1,500 steps of each stage; 100,000 with MINILLM_LONG_TESTS=1.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <vector>

#include "libminillm/core/threads.h"
#include "libminillm/train/preflight.h"
#include "tests/reliability/fault_run.h"
#include "tests/testing/temp_dir.h"

namespace minillm_testing {
namespace {

using namespace minillm;

// A sanitizer's own bookkeeping (freed memory that it keeps back) grows.
#ifdef MINILLM_SANITIZED
constexpr bool kMemoryIsOurs = false;
#else
constexpr bool kMemoryIsOurs = true;
#endif

// What was allocated and not freed. The resident memory of a small process moves by more than a
// leak would: the allocator takes pages in steps of its own, and code is mapped as it is reached.
double allocated_memory() {
  const struct mallinfo2 use = mallinfo2();
  return static_cast<double>(use.uordblks + use.hblkhd);
}

double growth(const std::vector<double>& memory) {
  return *std::max_element(memory.begin(), memory.end()) / memory.front() - 1;
}

int64_t open_descriptors() {
  using Directory = std::filesystem::directory_iterator;
  return std::distance(Directory("/proc/self/fd"), Directory()) - 1;  // without the iterator's own
}

class Soak : public ::testing::TestWithParam<const char*> {};

TEST_P(Soak, MemoryAndDescriptorsStayTheSame) {
  const bool full = std::getenv("MINILLM_LONG_TESTS") != nullptr;
  minillm::set_thread_count(1);  // the model is too small for more
  TempDir directory;
  prepare_small_stages(directory.path());
  TrainConfig train = small_train_config();
  train.steps = full ? 100000 : 1500;
  train.schedule.learning_rate = 1e-4;
  train.log_every = 10;
  train.save_every = full ? 200 : 50;
  train.eval_every = full ? 400 : 100;
  train.keep_last = 3;

  const Index every = train.steps / 50, warm = train.steps / 5;
  std::vector<double> allocated, resident;
  int64_t most_descriptors = 0;
  TrainerEvents events;
  events.on_step = [&](const StepReport& report) {
    if (report.step < warm || report.step % every != 0) return;
    allocated.push_back(allocated_memory());
    resident.push_back(resident_memory());
    most_descriptors = std::max(most_descriptors, open_descriptors());
  };
  const int64_t descriptors_before = open_descriptors();
  run_small_stage(GetParam(), directory.path(), directory.file("soak"), train, events);

  ASSERT_GE(resident.size(), 40u);
  fmt::print(
      "{}: {} steps, {} checkpoints; after the warm-up {:.2f} MB allocated, at most {:.2f} % more; "
      "{:.2f} MB resident, at most {:.2f} % more; {} descriptors, {} afterwards\n",
      GetParam(), train.steps, train.steps / train.save_every, allocated.front() / 1e6,
      100 * growth(allocated), resident.front() / 1e6, 100 * growth(resident), most_descriptors,
      open_descriptors());
  if (kMemoryIsOurs) {
    EXPECT_LT(growth(allocated), 0.01);
    EXPECT_LT(growth(resident), full ? 0.01 : 0.15);  // pages of a small process move by themselves
  }
  EXPECT_EQ(open_descriptors(), descriptors_before);
  EXPECT_LE(most_descriptors, descriptors_before + 4);  // log, lock, token cache
}

INSTANTIATE_TEST_SUITE_P(Stages, Soak,
                         ::testing::Values("pretrain", "sft", "dpo", "reward", "rl", "lora"),
                         [](const auto& stage) { return std::string(stage.param); });

}  // namespace
}  // namespace minillm_testing
