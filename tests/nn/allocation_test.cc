// Workspace::bytes is what is allocated, and a step allocates nothing once warmed up. This program
// counts by replacing operator new and posix_memalign.

#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <new>
#include <vector>

#include "libminillm/objectives/next_token.h"
#include "libminillm/optim/adamw.h"
#include "tests/testing/compare.h"
#include "tests/testing/tiny_model.h"

namespace {
std::atomic<long> g_news = 0, g_arenas = 0, g_arena_bytes = 0;
}  // namespace

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"  // inlined apart, the pair looks unequal
#endif
void* operator new(size_t size) {
  ++g_news;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
extern "C" int posix_memalign(void** memory, size_t alignment, size_t size) noexcept {
  ++g_arenas;
  g_arena_bytes += static_cast<long>(size);
  *memory = memalign(alignment, size);
  return *memory != nullptr ? 0 : ENOMEM;
}

namespace minillm {
namespace {

struct Allocations {
  long news = g_news, arenas = g_arenas, arena_bytes = g_arena_bytes;
  Allocations since() const {
    return {g_news - news, g_arenas - arenas, g_arena_bytes - arena_bytes};
  }
};

TEST(Workspace, BytesIsWhatIsAllocated) {
  for (const auto mode :
       {Workspace::Mode::kInference, Workspace::Mode::kTraining, Workspace::Mode::kRecompute}) {
    for (const auto& [rows, targets] : {std::pair<Index, Index>{1000, 900}, {7, 1}, {64, 0}}) {
      const ModelConfig config = minillm_testing::medium_config();
      const Allocations before;
      const Workspace workspace(config, rows, targets, mode);
      const Allocations made = before.since();
      const double bytes = Workspace::bytes(config, rows, targets, mode);
      const double positions = static_cast<double>(rows) * sizeof(int32_t);
      const double padding =
          static_cast<double>(made.arenas) * 64;  // each buffer ends on a cache line
      EXPECT_LE(bytes - positions, static_cast<double>(made.arena_bytes));
      EXPECT_GE(bytes - positions, static_cast<double>(made.arena_bytes) - padding);
      EXPECT_GE(made.news, 1);
    }
  }
}

TEST(Workspace, RecomputingTakesAFractionOfTheActivations) {
  ModelConfig config = minillm_testing::medium_config();
  config.num_hidden_layers = 12;
  const auto bytes = [&](Workspace::Mode mode) { return Workspace::bytes(config, 4096, 1, mode); };
  EXPECT_LT(bytes(Workspace::Mode::kRecompute), 0.35 * bytes(Workspace::Mode::kTraining));
}

TEST(Workspace, BytesAllocatesNoBuffer) {
  const Allocations before;
  const double bytes = Workspace::bytes(minillm_testing::medium_config(), 1 << 20, 1 << 20,
                                        Workspace::Mode::kTraining);
  EXPECT_GT(bytes, 1e9);
  EXPECT_EQ(before.since().arenas, 0);
}

TEST(Model, AllocatesItsGradientsOnceAndOnlyWhenAsked) {
  const ModelConfig config = minillm_testing::medium_config();
  const Allocations before;
  Model model(config);
  const double parameters = static_cast<double>(config.parameter_count()) * sizeof(Real);
  EXPECT_LT(static_cast<double>(before.since().arena_bytes), 1.2 * parameters);
  model.gradients();
  EXPECT_GE(static_cast<double>(before.since().arena_bytes), 2 * parameters);
  const Allocations warm;
  model.gradients();
  EXPECT_EQ(warm.since().arenas, 0);
}

TEST(Step, AllocatesNothingOnceWarm) {
  for (const int count : {1, 2}) {
    const minillm_testing::ThreadCount threads(count);
    Model model = minillm_testing::random_model(minillm_testing::medium_config());
    AdamW optimizer(model.tensors(), {});
    TokenBatch batch = minillm_testing::random_batch({60, 60}, 531);
    minillm_testing::append_shared_prompt(batch, minillm_testing::random_tokens(40, 531, 1),
                                          std::vector{minillm_testing::random_tokens(20, 531, 2),
                                                      minillm_testing::random_tokens(20, 531, 3)});
    Workspace workspace = minillm_testing::training_workspace(model, batch);
    const std::vector<Index> group_ends = {batch.target_count() - 20, batch.target_count()};
    const auto step = [&](Index number) {  // with a loss that looks at whole groups of targets
      std::ranges::fill(model.gradients(), Real{0});
      model.forward(batch, workspace);
      Contribution sum;
      for (HeadPass head = model.head_pass(batch, workspace, group_ends); head.next();) {
        const auto part = [&](auto span) {
          return span.subspan(size_t(head.begin()), size_t(head.end() - head.begin()));
        };
        sum += next_token_loss(part(head.dlogp()), part(head.logp()),
                               part(std::span<const Target>(batch.targets)));
      }
      model.backward(batch, workspace);
      optimizer.update(model.parameters(), model.gradients(), 1 / sum.weight, 1e-3, number);
    };
    Index number = 0;
    const auto allocated_in_ten_steps = [&] {
      const Allocations before;
      for (int i = 0; i < 10; ++i) step(++number);
      return before.since();
    };
    // Heads go to whichever thread is free: on a busy machine, one may get none, and so not be
    // warm, for a while. What allocates in every step does so in all of these rounds.
    auto allocated = allocated_in_ten_steps();
    for (int round = 0; round < 20 && (allocated.arenas != 0 || allocated.news != 0); ++round)
      allocated = allocated_in_ten_steps();
    EXPECT_EQ(allocated.arenas, 0) << "buffers, threads=" << count;
    EXPECT_EQ(allocated.news, 0) << "operator new, threads=" << count;
  }
}

TEST(Decoding, AllocatesNothingOnceWarm) {
  const Model model = minillm_testing::random_model(minillm_testing::medium_config());
  Workspace workspace(model.config(), 8, 1, Workspace::Mode::kInference);
  KvCache cache(model.config(), 64);
  TokenBatch batch{
      .tokens = {1}, .segments = {{.begin = 0, .end = 1, .prefix_end = 50}}, .targets = {}};
  for (int i = 0; i < 20; ++i) model.forward(batch, workspace, &cache);  // of the longest text
  const auto allocated_in_fifty_steps = [&] {
    const Allocations before;
    for (Index prefix = 0; prefix < 50; ++prefix) {
      batch.segments[0].prefix_end = prefix;
      model.forward(batch, workspace, &cache);
    }
    return before.since();
  };
  // Parts go to whichever thread is free, as above.
  auto allocated = allocated_in_fifty_steps();
  for (int round = 0; round < 20 && (allocated.arenas != 0 || allocated.news != 0); ++round)
    allocated = allocated_in_fifty_steps();
  EXPECT_EQ(allocated.arenas, 0);
  EXPECT_EQ(allocated.news, 0);
}

}  // namespace
}  // namespace minillm
