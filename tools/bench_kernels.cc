// minillm-bench kernels: matrix products and attention, beside the machine's limits.

#include "libminillm/core/rng.h"
#include "libminillm/ops/attention.h"
#include "tools/bench.h"

namespace minillm {
namespace {

Matrix random_matrix(Index rows, Index cols, Rng& rng) {
  Matrix m(rows, cols);
  for (Real& x : m.span()) x = static_cast<Real>(rng.uniform() - 0.5);
  return m;
}

// One block's attention over B sequences of T tokens, its causal half counted: 2 T C operations per
// token forward (q k^T and P v), 2.5 times as many backward (scores again, dP, dV, dQ, dK).
Json bench_attention(const Size& size, Precision precision, int repetitions,
                     const Machine& machine) {
  const Index N = size.B * size.T, C = size.C;
  Rng rng(1);
  const Matrix qkv = random_matrix(N, 3 * C, rng), dout = random_matrix(N, C, rng);
  Matrix out(N, C), lse(N, size.H), dqkv(N, 3 * C);
  std::vector<Segment> segments;
  for (Index begin = 0; begin < N; begin += size.T)
    segments.push_back({begin, begin + size.T, 0, 0});
  const AttentionShape shape{size.H, size.H, C / size.H};
  const ConstView queries = qkv.view().col_block(0, C);
  const KeyValueView own{qkv.view().col_block(C, 2 * C), qkv.view().col_block(2 * C, 3 * C)};
  const double forward = median_seconds(repetitions, [&] {
    attention_forward(out.view(), lse.view(), queries, own, segments, shape, precision);
  });
  const double backward = median_seconds(repetitions, [&] {
    attention_backward(dqkv.view().col_block(0, C), dqkv.view().col_block(C, 2 * C),
                       dqkv.view().col_block(2 * C, 3 * C), dout.view(), queries, own, out.view(),
                       lse.view(), segments, shape, precision);
  });
  const double flops = 2.0 * static_cast<double>(N) * static_cast<double>(size.T * C);
  return {{"forward_gflops", flops / forward * 1e-9},
          {"backward_gflops", 2.5 * flops / backward * 1e-9},
          {"share_of_fp32_peak", 3.5 * flops / (forward + backward) / machine.flops}};
}

}  // namespace

Json bench_kernels(const Size& size, Precision precision, int repetitions, const Machine& machine) {
  Json rows = Json::array();
  const Index N = size.B * size.T;
  Rng rng(1);
  const std::pair<Index, Index> shapes[] = {{3 * size.C, size.C},
                                            {size.C, size.C},
                                            {2 * size.F, size.C},
                                            {size.C, size.F},
                                            {size.V, size.C}};
  for (const auto& [out, in] : shapes) {
    Matrix x = random_matrix(N, in, rng), w = random_matrix(out, in, rng),
           dy = random_matrix(N, out, rng), y(N, out), dx(N, in), dw(out, in);
    const double flops =
        2.0 * static_cast<double>(N) * static_cast<double>(out) * static_cast<double>(in);
    const auto rate = [&](auto&& body) { return flops / median_seconds(repetitions, body); };
    const double nt = rate([&] { gemm_nt(y.view(), x.view(), w.view(), {}, precision); });
    const double nn = rate([&] { gemm_nn(dx.view(), dy.view(), w.view(), {}, precision); });
    const double tn = rate([&] { gemm_tn(dw.view(), dy.view(), x.view(), dw.view(), precision); });
    rows.push_back({{"rows", N},
                    {"outputs", out},
                    {"inputs", in},
                    {"forward_gflops", nt * 1e-9},
                    {"input_gradient_gflops", nn * 1e-9},
                    {"weight_gradient_gflops", tn * 1e-9},
                    {"share_of_fp32_peak", (nt + nn + tn) / 3 / machine.flops}});
  }
  return {{"products", rows},
          {"attention", bench_attention(size, precision, repetitions, machine)}};
}

}  // namespace minillm
