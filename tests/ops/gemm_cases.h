// Products under every kernel set and precision, and their operands: shared by the products' tests.

#ifndef TESTS_OPS_GEMM_CASES_H_
#define TESTS_OPS_GEMM_CASES_H_

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <string>
#include <tuple>

#include "libminillm/core/rng.h"
#include "libminillm/ops/gemm/gemm.h"
#include "libminillm/ops/gemm/kernels.h"

namespace minillm_testing {

using namespace minillm;

// Every test runs with every kernel set that this processor has, in both precisions.
inline Precision g_precision = Precision::kFloat;
class Gemm : public testing::TestWithParam<std::tuple<int, Precision>> {
 protected:
  void SetUp() override {
    const gemm::KernelSet& set = gemm::kKernelSets[std::get<0>(GetParam())];
    if (!gemm::is_supported(set)) GTEST_SKIP() << "this processor has no " << set.name;
    gemm::use_kernels(&set);
    g_precision = std::get<1>(GetParam());
  }
  void TearDown() override { gemm::use_kernels(nullptr); }
};

// A factor as the product sees it: in bf16, rounded to the nearest, ties to even.
inline double seen(Real value) {
  if (g_precision == Precision::kFloat) return double{value};
  const uint32_t bits = std::bit_cast<uint32_t>(static_cast<float>(value));
  const uint32_t below = bits & 0xffff, kept = bits >> 16;
  const bool up = below > 0x8000 || (below == 0x8000 && (kept & 1));
  return double{std::bit_cast<float>((kept + (up ? 1 : 0)) << 16)};
}

enum class Form { kNT, kNN, kTN };
inline constexpr Form kForms[] = {Form::kNT, Form::kNN, Form::kTN};

inline std::string name_of(Form form, Index m, Index n, Index k) {
  const char* names[] = {"nt", "nn", "tn"};
  return std::string("gemm_") + names[static_cast<int>(form)] + " m=" + std::to_string(m) +
         " n=" + std::to_string(n) + " k=" + std::to_string(k);
}

// A matrix of random numbers inside a wider buffer: its rows are neither adjacent nor aligned.
struct Block {
  Matrix buffer;
  Index cols;
  Block(Index rows, Index cols_, uint64_t seed) : buffer(rows, cols_ + 5), cols(cols_) {
    Rng rng(seed);
    for (Real& x : buffer.span()) x = static_cast<Real>(rng.normal());
  }
  View view() { return buffer.view().col_block(3, 3 + cols); }
};

struct Operands {
  Block a, b;
  Operands(Form form, Index m, Index n, Index k)
      : a(form == Form::kTN ? k : m, form == Form::kTN ? m : k, 1),
        b(form == Form::kNT ? n : k, form == Form::kNT ? k : n, 2) {}
};

inline void multiply(Form form, View c, ConstView a, ConstView b, ConstView start = {}) {
  if (form == Form::kNT) gemm_nt(c, a, b, start, g_precision);
  if (form == Form::kNN) gemm_nn(c, a, b, start, g_precision);
  if (form == Form::kTN) gemm_tn(c, a, b, start, g_precision);
}

}  // namespace minillm_testing

#endif  // TESTS_OPS_GEMM_CASES_H_
