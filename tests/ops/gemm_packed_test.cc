// Products whose factor was packed before, masked ones, 8-bit weights, and kernel sets compared.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/ops/gemm_cases.h"
#include "tests/testing/compare.h"

namespace minillm_testing {
namespace {

TEST_P(Gemm, PackedOnceGivesTheSameBits) {
  for (const auto& [n, k] : {std::pair<Index, Index>{1, 1}, {33, 257}, {75, 1030}, {4200, 40}}) {
    for (const Index m : {1, 2, 17, 60}) {
      Operands nt(Form::kNT, m, n, k), nn(Form::kNN, m, n, k);
      Block start(m, n, 5);
      PackedMatrix packed;
      for (const Form form : {Form::kNT, Form::kNN}) {
        Operands& operands = form == Form::kNT ? nt : nn;
        Matrix expected(m, n), actual(m, n);
        multiply(form, expected.view(), operands.a.view(), operands.b.view(), start.view());
        if (form == Form::kNT)
          packed.pack_nt(operands.b.view(), g_precision);
        else
          packed.pack_nn(operands.b.view(), g_precision);
        EXPECT_EQ(packed.n(), n);
        EXPECT_EQ(packed.k(), k);
        gemm_packed(actual.view(), operands.a.view(), packed, start.view());
        expect_same_bits(actual.span(), expected.span(), name_of(form, m, n, k));
      }
    }
  }
}

// Attention relies on it: what a row may not see has probability zero and must not change a sum.
// A matrix rounded to what a narrow one can hold, and kept as that.
struct Narrow {
  std::vector<Bfloat16> halves;
  std::vector<int8_t> bytes;
  std::vector<float> scales;
  StoredMatrix stored;

  Narrow(View b, bool is_int8) {
    const Index blocks = int8_blocks(b.cols);
    halves.resize(static_cast<size_t>(b.rows * b.cols));
    bytes.resize(halves.size());
    scales.resize(static_cast<size_t>(b.rows * blocks));
    if (is_int8)
      stored.bytes = {{bytes.data(), b.rows, b.cols}, {scales.data(), b.rows, blocks}};
    else
      stored.half = {halves.data(), b.rows, b.cols};
    for (Index r = 0; r < b.rows; ++r) {
      if (is_int8)
        round_to_int8({b.row(r), static_cast<size_t>(b.cols)}, bytes.data() + r * b.cols,
                      scales.data() + r * blocks);
      else
        for (Index c = 0; c < b.cols; ++c)
          halves[static_cast<size_t>(r * b.cols + c)] = {
              float_to_bfloat16(static_cast<float>(b(r, c)))};
      stored.read_row(r, b.row(r));
    }
  }
};

// A narrow B is B widened: in products that pack it themselves, and packed once.
TEST_P(Gemm, OfANarrowMatrixHasTheBitsOfTheSameInReal) {
  for (const auto& [m, n, k] : {std::tuple<Index, Index, Index>{1, 1, 1},
                                {3, 70, 530},
                                {40, 33, 600},
                                {29, 4100, 20},
                                {2, 64, 256}}) {
    for (const auto& [form, is_int8] :
         {std::pair{Form::kNT, false}, {Form::kNN, false}, {Form::kNT, true}, {Form::kNN, true}}) {
      Operands o(form, m, n, k);
      const View b = o.b.view();
      const Narrow narrow(b, is_int8);
      Matrix expected(m, n), got(m, n), packed(m, n);
      PackedMatrix panels;
      if (form == Form::kNT) {
        gemm_nt(expected.view(), o.a.view(), b, {}, g_precision);
        gemm_nt(got.view(), o.a.view(), narrow.stored, {}, g_precision);
        panels.pack_nt(narrow.stored, g_precision);
      } else {
        gemm_nn(expected.view(), o.a.view(), b, {}, g_precision);
        gemm_nn(got.view(), o.a.view(), narrow.stored, {}, g_precision);
        panels.pack_nn(narrow.stored, g_precision);
      }
      gemm_packed(packed.view(), o.a.view(), panels);
      expect_same_bits(got.span(), expected.span(), name_of(form, m, n, k));
      expect_same_bits(packed.span(), expected.span(), name_of(form, m, n, k) + ", packed");
    }
  }
}

// Rows of A that are as far apart as in a panel are not copied in float.
TEST_P(Gemm, RowsReadInPlaceHaveTheBitsOfThoseThatAreCopied) {
  for (const auto& [m, k] : {std::pair<Index, Index>{1, 16}, {14, 256}, {56, 199}, {93, 270}}) {
    constexpr Index n = 75;
    Block copied(m, k, 1), b(n, k, 2);
    Matrix in_place(m, k, kUncopiedStride), expected(m, n), actual(m, n);
    for (Index i = 0; i < m; ++i) std::copy_n(copied.view().row(i), k, in_place.view().row(i));
    gemm_nt(expected.view(), copied.view(), b.view(), {}, g_precision);
    gemm_nt(actual.view(), in_place.view(), b.view(), {}, g_precision);
    expect_same_bits(actual.span(), expected.span(), "in place");

    PackedMatrix packed;
    packed.pack_nt(b.view(), g_precision);
    const Causal causal{Causal::Of::kFactor, std::max<Index>(1, k - m + 1)};
    for (const View a : {copied.view(), in_place.view()})
      for (Index i = 0; i < m; ++i)
        for (Index p = std::min(k, causal.visible + i); p < k; ++p) a(i, p) = 0;
    gemm_packed(expected.view(), copied.view(), packed, {}, causal);
    gemm_packed(actual.view(), in_place.view(), packed, {}, causal);
    expect_same_bits(actual.span(), expected.span(), "in place, masked");
  }
}

TEST_P(Gemm, ZerosBehindTheTermsChangeNoBit) {
  constexpr Index m = 5, n = 44, k = 250, padded = 560;
  Operands operands(Form::kNN, m, n, padded);
  const View a = operands.a.view(), b = operands.b.view();
  fill(a.col_block(k, padded), 0);
  Matrix with_zeros(m, n), without(m, n);
  gemm_nn(with_zeros.view(), a, b, {}, g_precision);
  gemm_nn(without.view(), a.col_block(0, k), b.row_block(0, k), {}, g_precision);
  expect_same_bits(with_zeros.span(), without.span(), "padded with zeros");
}

// A lower trapezoid, as in attention: row i sees `visible + i` of k positions.
void mask(View scores, Index visible) {
  for (Index i = 0; i < scores.rows; ++i)
    fill(scores.row_block(i, i + 1).col_block(std::min(visible + i, scores.cols), scores.cols), 0);
}

TEST_P(Gemm, SkippingMaskedFactorsChangesNoBit) {
  for (const auto& [rows, visible] :
       {std::pair<Index, Index>{1, 1}, {56, 1}, {56, 301}, {23, 600}}) {
    const Index positions = visible + rows - 1, cols = 40;
    Block scores(rows, positions, 1), values(positions, cols, 2), dout(rows, cols, 3);
    mask(scores.view(), visible);
    PackedMatrix packed;
    packed.pack_nn(values.view(), g_precision);
    const Causal causal{Causal::Of::kFactor, visible};
    Matrix expected(rows, cols), actual(rows, cols);
    gemm_packed(expected.view(), scores.view(), packed);
    gemm_packed(actual.view(), scores.view(), packed, {}, causal);
    expect_same_bits(actual.span(), expected.span(), "P V");

    Block before(positions, cols, 4);
    Matrix sum(positions, cols), skipped(positions, cols);
    gemm_tn(sum.view(), scores.view(), dout.view(), before.view(), g_precision);
    gemm_tn(skipped.view(), scores.view(), dout.view(), before.view(), g_precision, causal);
    expect_same_bits(skipped.span(), sum.span(), "P^T dO");
  }
}

TEST_P(Gemm, ComputesAtLeastTheUnmaskedPartOfAProduct) {
  for (const auto& [rows, visible] :
       {std::pair<Index, Index>{1, 1}, {56, 1}, {56, 301}, {23, 600}}) {
    const Index positions = visible + rows - 1, dim = 48;
    Block queries(rows, dim, 1), keys(positions, dim, 2);
    PackedMatrix packed;
    packed.pack_nt(keys.view(), g_precision);
    Matrix expected(rows, packed.padded_n()), actual(rows, packed.padded_n());
    gemm_packed(expected.view(), queries.view(), packed);
    gemm_packed(actual.view(), queries.view(), packed, {}, {Causal::Of::kProduct, visible});
    for (Index j = positions; j < packed.padded_n(); ++j)
      ASSERT_EQ(expected(0, j), 0) << "beyond n";
    mask(expected.view(), visible);
    mask(actual.view(), visible);
    expect_same_bits(actual.span(), expected.span(), "Q K^T");
  }
}

// The scale of B's row j in the block of k that holds k.
double int8_scale(ConstView b, Index j, Index k) {
  double largest = 0;
  for (Index p = k / 256 * 256; p < std::min(k / 256 * 256 + 256, b.cols); ++p)
    largest = std::max(largest, std::abs(double{b(j, p)}));
  return largest / 127;
}

TEST_P(Gemm, EightBitWeightsAreOffByHalfAStepAtMost) {
  for (const auto& [m, n, k] : {std::tuple<Index, Index, Index>{1, 33, 40}, {17, 75, 600}}) {
    Operands operands(Form::kNT, m, n, k);
    const View a = operands.a.view(), b = operands.b.view();
    fill(b.row_block(3, 4), 0);
    PackedMatrix nt, nn;
    nt.pack_nt(b, Precision::kInt8);
    Matrix c(m, n), again(m, n), transposed(k, n), one(1, n);
    gemm_packed(c.view(), a, nt);
    double error = 0, size = 0;
    for (Index j = 0; j < n; ++j) {
      std::vector<double> half_steps;
      for (Index p = 0; p < k; ++p) half_steps.push_back(int8_scale(b, j, p) * 0.501);
      for (Index i = 0; i < m; ++i) {
        double sum = 0, bound = 1e-5;
        for (Index p = 0; p < k; ++p) {
          sum += double{a(i, p)} * b(j, p);
          bound += std::abs(double{a(i, p)}) * half_steps[static_cast<size_t>(p)];
        }
        ASSERT_NEAR(c(i, j), sum, bound) << "(" << i << ", " << j << ")";
        error += (c(i, j) - sum) * (c(i, j) - sum), size += sum * sum;
      }
    }
    EXPECT_LT(std::sqrt(error / size), 0.012);  // a step is 2 to 3 sigma / 127

    for (Index j = 0; j < n; ++j)
      for (Index p = 0; p < k; ++p) transposed(p, j) = b(j, p);
    nn.pack_nn(transposed.view(), Precision::kInt8);
    gemm_packed(again.view(), a, nn);
    expect_same_bits(again.span(), c.span(), "packed from the transposed matrix");
    gemm_packed(one.view(), a.row_block(m - 1, m), nt);
    expect_same_bits(one.span(), c.span().last(static_cast<size_t>(n)), "a row alone");
  }
}

TEST_P(Gemm, EightBitWeightsPassOnNotANumber) {
  Operands operands(Form::kNT, 2, 40, 300);
  operands.b.view()(7, 299) = std::numeric_limits<Real>::quiet_NaN();
  operands.b.view()(9, 0) = std::numeric_limits<Real>::infinity();
  PackedMatrix packed;
  packed.pack_nt(operands.b.view(), Precision::kInt8);
  Matrix c(2, 40);
  gemm_packed(c.view(), operands.a.view(), packed);
  for (Index j = 0; j < 40; ++j)
    EXPECT_EQ(std::isfinite(c(1, j)), j != 7 && j != 9) << "column " << j;
}

// With fused multiply-add everywhere, the width of a register makes no difference.
class GemmKernels : public testing::TestWithParam<Precision> {};
INSTANTIATE_TEST_SUITE_P(Precisions, GemmKernels,
                         testing::Values(Precision::kFloat, Precision::kInt8),
                         [](const auto& param) {
                           return std::string(param.param == Precision::kFloat ? "fp32" : "int8");
                         });
TEST_P(GemmKernels, OfOnePrecisionAgreeToTheBit) {
  Operands operands(Form::kNT, 40, 50, 700);
  Matrix first;
  for (int i = 0; i < gemm::kernel_set_count(); ++i) {
    const gemm::KernelSet& set = gemm::kKernelSets[i];
    if (!gemm::is_supported(set) || std::string(set.name) == "portable") continue;
    gemm::use_kernels(&set);
    Matrix c(40, 50);
    PackedMatrix packed;
    packed.pack_nt(operands.b.view(), GetParam());
    gemm_packed(c.view(), operands.a.view(), packed);
    if (first.rows() == 0)
      first = std::move(c);
    else
      expect_same_bits(c.span(), first.span(), set.name);
  }
  gemm::use_kernels(nullptr);
  if (first.rows() == 0) GTEST_SKIP() << "no kernels but the portable ones";
}

}  // namespace
}  // namespace minillm_testing
