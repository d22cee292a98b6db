// Our matrix products against Eigen's, in the shapes of training: the three forms of a linear
// layer, and the embedded world's layers (N = 2048 rows). Reports GFLOP/s. And a token drawn from
// 32,000 logits. README.md quotes the medians of repetitions:
//
//   kernels_bench --benchmark_repetitions=9 --benchmark_report_aggregates_only=true

#include <benchmark/benchmark.h>

#include <Eigen/Dense>

#include "libminillm/core/matrix.h"
#include "libminillm/core/rng.h"
#include "libminillm/generate/sampler.h"
#include "libminillm/ops/gemm/gemm.h"

namespace minillm {
namespace {

using EigenMap = Eigen::Map<Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

Matrix random_matrix(Index rows, Index cols) {
  Matrix m(rows, cols);
  Rng rng(1);
  for (Real& x : m.span()) x = static_cast<Real>(rng.uniform() - 0.5);
  return m;
}
EigenMap map(Matrix& m) { return {m.span().data(), m.rows(), m.cols()}; }

void report(benchmark::State& state, Index m, Index n, Index k) {
  const double flops =
      2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  state.counters["GFLOP/s"] =
      benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

// range(0..2): rows N, outputs O, inputs I.
enum class By { kOurs, kEigen };

template <By by>
void forward(benchmark::State& state) {  // y [N, O] = x [N, I] W [O, I]^T
  Matrix x = random_matrix(state.range(0), state.range(2)),
         w = random_matrix(state.range(1), state.range(2));
  Matrix y(state.range(0), state.range(1));
  for (auto _ : state) {
    if constexpr (by == By::kOurs)
      gemm_nt(y.view(), x.view(), w.view());
    else
      map(y).noalias() = map(x) * map(w).transpose();
    benchmark::DoNotOptimize(y.span().data());
  }
  report(state, state.range(0), state.range(1), state.range(2));
}

template <By by>
void input_gradient(benchmark::State& state) {  // dx [N, I] = dy [N, O] W [O, I]
  Matrix dy = random_matrix(state.range(0), state.range(1)),
         w = random_matrix(state.range(1), state.range(2));
  Matrix dx(state.range(0), state.range(2));
  for (auto _ : state) {
    if constexpr (by == By::kOurs)
      gemm_nn(dx.view(), dy.view(), w.view());
    else
      map(dx).noalias() = map(dy) * map(w);
    benchmark::DoNotOptimize(dx.span().data());
  }
  report(state, state.range(0), state.range(1), state.range(2));
}

template <By by>
void weight_gradient(benchmark::State& state) {  // dW [O, I] = dy [N, O]^T x [N, I]
  Matrix dy = random_matrix(state.range(0), state.range(1)),
         x = random_matrix(state.range(0), state.range(2));
  Matrix dw(state.range(1), state.range(2));
  for (auto _ : state) {
    if constexpr (by == By::kOurs)
      gemm_tn(dw.view(), dy.view(), x.view());
    else
      map(dw).noalias() = map(dy).transpose() * map(x);
    benchmark::DoNotOptimize(dw.span().data());
  }
  report(state, state.range(0), state.range(1), state.range(2));
}

void shapes(benchmark::internal::Benchmark* b) {
  b->UseRealTime()->Unit(benchmark::kMicrosecond)->MinTime(0.05);
  for (const auto& [outputs, inputs] : {std::pair<int, int>{576, 192},
                                        {192, 192},
                                        {1024, 192},
                                        {192, 512},
                                        {2048, 192},
                                        {2048, 768}})
    b->Args({2048, outputs, inputs});
  b->Args({64, 1024, 192});  // sixty-four streams decoding
  b->Args({1, 1024, 192});   // one
}

// --benchmark_enable_random_interleaving=true lets ours and Eigen's alternate, so that a noisy
// phase hits both.
BENCHMARK(forward<By::kOurs>)->Apply(shapes);
BENCHMARK(forward<By::kEigen>)->Apply(shapes);
BENCHMARK(input_gradient<By::kOurs>)->Apply(shapes);
BENCHMARK(input_gradient<By::kEigen>)->Apply(shapes);
BENCHMARK(weight_gradient<By::kOurs>)->Apply(shapes);
BENCHMARK(weight_gradient<By::kEigen>)->Apply(shapes);

// A token of V = 32,000; range(0): hundredths of the logits' standard deviation (5: nearly flat;
// 200 to 400: as models have them).
void sample(benchmark::State& state, const SamplingConfig& config) {
  constexpr Index kVocabulary = 32000;
  Matrix logits(16, kVocabulary);
  Rng rng(1);
  for (Real& z : logits.span())
    z = static_cast<Real>(0.01 * static_cast<double>(state.range(0)) * rng.normal());
  Sampler sampler(config, kVocabulary);
  Index row = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        sampler.sample({logits.view().row(row), size_t{kVocabulary}}, {}, rng));
    row = (row + 1) % logits.rows();
  }
}

void widths(benchmark::internal::Benchmark* b) {
  b->UseRealTime()->Unit(benchmark::kMicrosecond)->MinTime(0.05);
  for (const int width : {5, 200, 300, 400}) b->Arg(width);
}

BENCHMARK_CAPTURE(sample, greedy, SamplingConfig{.temperature = 0})->Apply(widths);
BENCHMARK_CAPTURE(sample, plain, SamplingConfig{.temperature = 1})->Apply(widths);
BENCHMARK_CAPTURE(sample, top_p_90, SamplingConfig{.temperature = 0.8, .top_p = 0.9})
    ->Apply(widths);
BENCHMARK_CAPTURE(sample, top_p_95, SamplingConfig{.temperature = 1, .top_p = 0.95})->Apply(widths);
BENCHMARK_CAPTURE(sample, top_k_50, SamplingConfig{.temperature = 1, .top_k = 50})->Apply(widths);
BENCHMARK_CAPTURE(sample, top_k_50_top_p_90,
                  SamplingConfig{.temperature = 0.8, .top_k = 50, .top_p = 0.9})
    ->Apply(widths);
BENCHMARK_CAPTURE(sample, min_p_05, SamplingConfig{.temperature = 1, .min_p = 0.05})->Apply(widths);

}  // namespace
}  // namespace minillm

BENCHMARK_MAIN();
