// A training run on all ranks that mpirun has started, for mpi.sh:
//   mpi_run RUN [resume] [crash RANK STEP | hang RANK STEP] [deadline SECONDS]
// Prints, on the first rank, a digest of what it leaves.

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "libminillm/core/error.h"
#include "libminillm/core/sha256.h"
#include "libminillm/core/threads.h"
#include "libminillm/dist/mpi.h"
#include "tests/train/test_run.h"

namespace minillm_testing {
namespace {

struct Options {
  std::string run;
  bool resume = false;
  std::string fault;
  Index rank = -1, step = -1;
  double deadline = 60;
};

Options parse(int argc, char** argv) {
  Options options;
  options.run = argv[1];
  for (int i = 2; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "resume") {
      options.resume = true;
    } else if (word == "deadline") {
      options.deadline = std::stod(argv[++i]);
    } else {
      options.fault = word;
      options.rank = std::stoll(argv[++i]);
      options.step = std::stoll(argv[++i]);
    }
  }
  return options;
}

void train(const Options& options, minillm::Communicator* ranks) {
  minillm::set_thread_count(1);
  const Index rank = ranks == nullptr ? 0 : ranks->rank();
  CopyTask task;
  TrainConfig config = ten_steps();
  config.accumulation_steps = 16;
  config.slots = 8;
  config.steps = 12;
  task.accumulation = config.accumulation_steps;
  std::optional<RunDirectory> directory;
  if (rank == 0) directory.emplace(options.run);
  Trainer trainer(config, config.steps, task.stage(), directory ? &*directory : nullptr, ranks);
  if (options.resume) trainer.resume();
  TrainerEvents events;
  events.on_step = [&](const StepReport& report) {
    if (rank != options.rank || report.step != options.step) return;
    if (options.fault == "crash") raise(SIGKILL);
    if (options.fault == "hang") raise(SIGSTOP);
  };
  trainer.run(events);
  if (rank != 0) return;
  minillm::Sha256 digest;
  const std::string checkpoint = Checkpoint::open(options.run).path();
  for (const char* name : {"model.safetensors", "optimizer.safetensors"})
    digest.update(minillm::read_file(minillm::join_path(checkpoint, name)));
  for (nlohmann::json line : read_metrics(*directory)) {
    for (const char* clock : {"time", "tokens_per_second", "eval_runtime"}) line.erase(clock);
    digest.update(line.dump());
  }
  std::printf("%s\n", digest.hex().c_str());
}

}  // namespace
}  // namespace minillm_testing

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  try {
    const auto options = minillm_testing::parse(argc, argv);
    const auto ranks = minillm::open_launched_ranks(options.deadline);
    minillm_testing::train(options, ranks.get());
    return 0;
  } catch (const minillm::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    minillm::abort_ranks(static_cast<int>(error.exit_code()));
    return static_cast<int>(error.exit_code());
  }
}
