// What several ranks cost: the ordered sum beside the engine's own all-reduce, and training steps.
// Under mpirun, or alone; ranks.sh runs all of it.
//
//   ranks_bench sum ELEMENTS...
//   ranks_bench step SIZE TOKENS STEPS [replicas K EVERY]

#define OMPI_SKIP_MPICXX 1
#include <fmt/format.h>
#include <mpi.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "libminillm/core/arena.h"
#include "libminillm/core/rng.h"
#include "libminillm/core/threads.h"
#include "libminillm/data/packing.h"
#include "libminillm/dist/mpi.h"
#include "libminillm/dist/ordered_sum.h"
#include "libminillm/objectives/next_token.h"
#include "libminillm/optim/grad_norm.h"
#include "libminillm/train/trainer.h"
#include "tools/bench.h"

namespace minillm {
namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The slowest rank's.
double slowest(Communicator* ranks, double own) {
  if (count_of(ranks) == 1) return own;
  return std::ranges::max(all_gather_values(*ranks, std::span<const double>(&own, 1)));
}

double middle(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// In turn: MPI_Allreduce, and reduce-scatter and all-gather of the ordered sum.
void bench_sum(Communicator& ranks, Index size) {
  constexpr int kRepetitions = 51;
  std::vector<ElementRange> parts;
  for (Index p = 0; p < kNormParts; ++p) parts.push_back(norm_part(p, size));
  OrderedSum sum(ranks, ranks.ranks(), parts);
  Arena memory(size);  // as a gradient's
  const std::span<Real> values = memory.span();
  std::ranges::fill(values, Real{1});
  const std::span<Real> views[] = {values};
  std::vector<double> engine, ordered;
  for (int i = 0; i <= kRepetitions; ++i) {
    any(ranks, false);  // together
    const double begin = seconds_now();
    MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(size), MPI_FLOAT, MPI_SUM,
                  MPI_COMM_WORLD);
    const double between = slowest(&ranks, seconds_now() - begin);
    std::ranges::fill(values, Real{1});
    any(ranks, false);
    const double second = seconds_now();
    sum.reduce_scatter(views);
    sum.all_gather(values);
    const double end = slowest(&ranks, seconds_now() - second);
    std::ranges::fill(values, Real{1});
    if (i == 0) continue;  // touches the memory
    engine.push_back(between);
    ordered.push_back(end);
  }
  if (ranks.rank() == 0)
    fmt::print(
        "{:>10} floats, {} ranks: MPI_Allreduce {:.4f} s (least {:.4f}), ordered {:.4f} s (least "
        "{:.4f}), ratio {:.2f} (of the least {:.2f})\n",
        size, ranks.ranks(), middle(engine), std::ranges::min(engine), middle(ordered),
        std::ranges::min(ordered), middle(ordered) / middle(engine),
        std::ranges::min(ordered) / std::ranges::min(engine));
}

// Counts what is sent.
class Counted : public Communicator {
 public:
  explicit Counted(Communicator& real) : real_(real) {}
  Index rank() const override { return real_.rank(); }
  Index ranks() const override { return real_.ranks(); }
  std::unique_ptr<Message> send(Index to, int tag, std::span<const std::byte> bytes) override {
    sent += static_cast<double>(bytes.size());
    return real_.send(to, tag, bytes);
  }
  std::unique_ptr<Message> receive(Index from, int tag, std::span<std::byte> bytes) override {
    return real_.receive(from, tag, bytes);
  }
  using Communicator::wait;
  void wait(Messages& messages, const std::atomic<bool>& given_up) override {
    real_.wait(messages, given_up);
  }
  std::atomic<double> sent = 0;

 private:
  Communicator& real_;
};

// Steps of one micro-batch of `tokens` rows a rank.
void bench_steps(Communicator* ranks, const std::string& name, Index tokens, Index steps,
                 Index replicas, Index every) {
  const Size size = *std::ranges::find(kSizes, name, &Size::name);
  const Index n = count_of(ranks);
  Model model(size.model());
  model.initialize(1);
  Workspace workspace(size.model(), tokens, tokens, Workspace::Mode::kTraining);
  Rng rng(1, static_cast<uint64_t>(number_of(ranks)));
  TokenBatch batch;
  while (batch.rows() < tokens) {
    std::vector<Token> text;
    const Index rows = std::min(size.T, tokens - batch.rows());
    for (Index t = 0; t <= rows; ++t)
      text.push_back(static_cast<Token>(rng.below(static_cast<uint64_t>(size.V))));
    append_text(batch, text);
  }
  TrainingTask task = model_task(model, nullptr);
  task.one_backward = true;
  task.micro_step = [&](Index) {
    model.forward(batch, workspace);
    HeadPass head = model.head_pass(batch, workspace);
    next_token_gradient(head.dlogp(), batch.targets);
    head.finish();
    model.backward(batch, workspace);
    Contribution sum = next_token_loss(head.logp(), batch.targets);
    sum.tokens = batch.rows();
    return sum;
  };
  TrainConfig config;
  config.accumulation_steps = n;
  config.slots = replicas > 0 ? 1 : n;
  config.outer.replicas = replicas;
  config.outer.every = std::max<Index>(every, 1);
  config.schedule.learning_rate = 1e-4;
  config.steps = steps;
  std::optional<Counted> counted;
  if (ranks != nullptr) counted.emplace(*ranks);
  Trainer trainer(config, steps, task, nullptr, counted ? &*counted : nullptr);
  std::vector<double> times;
  double before = seconds_now();
  TrainerEvents events;
  events.on_step = [&](const StepReport&) {
    const double now = seconds_now();
    times.push_back(now - before);
    before = now;
  };
  trainer.run(events);
  times.erase(times.begin());
  const double step = slowest(ranks, middle(times));
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  if (number_of(ranks) == 0)
    fmt::print(
        "{} ranks x {} threads, {}: {} tokens a rank and step: {:.4f} s a step, {:.0f} "
        "tokens/s, {:.3f} MB sent a step, peak memory {:.0f} MB, parameters {:.1f} MB\n",
        n, thread_count(), name, tokens, step, static_cast<double>(n * batch.rows()) / step,
        counted ? counted->sent * 1e-6 / static_cast<double>(steps) : 0,
        static_cast<double>(usage.ru_maxrss) * 1024e-6,
        static_cast<double>(model.parameters().size_bytes()) * 1e-6);
}

int run(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const auto number = [&](int i) { return static_cast<Index>(std::atoll(argv[i])); };
  if (what == "sum" && argc > 2) {
    const auto ranks = open_launched_ranks();
    for (int i = 2; i < argc && ranks != nullptr; ++i) bench_sum(*ranks, number(i));
    return ranks == nullptr ? 2 : 0;
  }
  if (what == "step" && argc >= 5) {
    const auto ranks = open_launched_ranks();
    const bool outer = argc == 8;
    bench_steps(ranks.get(), argv[2], number(3), number(4), outer ? number(6) : 0,
                outer ? number(7) : 0);
    return 0;
  }
  fmt::print("ranks_bench sum ELEMENTS... | step SIZE TOKENS STEPS [replicas K EVERY]\n");
  return 2;
}

}  // namespace
}  // namespace minillm

int main(int argc, char** argv) { return minillm::run(argc, argv); }
