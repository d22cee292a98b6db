#include "libminillm/ops/gemm/gemm.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "libminillm/core/rng.h"
#include "libminillm/ops/gemm/kernels.h"
#include "tests/testing/compare.h"

namespace minillm {
namespace {

using minillm_testing::expect_same_bits;
using minillm_testing::ThreadCount;

// Every test runs with every kernel set that this processor has, in both precisions.
Precision g_precision = Precision::kFloat;
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
INSTANTIATE_TEST_SUITE_P(Kernels, Gemm,
                         testing::Combine(testing::Range(0, gemm::kernel_set_count()),
                                          testing::Values(Precision::kFloat, Precision::kBfloat16)),
                         [](const auto& param) {
                           return std::string(gemm::kKernelSets[std::get<0>(param.param)].name) +
                                  (std::get<1>(param.param) == Precision::kFloat ? "_fp32"
                                                                                 : "_bf16");
                         });

// A factor as the product sees it: in bf16, rounded to the nearest, ties to even.
double seen(Real value) {
  if (g_precision == Precision::kFloat) return double{value};
  const uint32_t bits = std::bit_cast<uint32_t>(static_cast<float>(value));
  const uint32_t below = bits & 0xffff, kept = bits >> 16;
  const bool up = below > 0x8000 || (below == 0x8000 && (kept & 1));
  return double{std::bit_cast<float>((kept + (up ? 1 : 0)) << 16)};
}

enum class Form { kNT, kNN, kTN };
constexpr Form kForms[] = {Form::kNT, Form::kNN, Form::kTN};

std::string name_of(Form form, Index m, Index n, Index k) {
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

void multiply(Form form, View c, ConstView a, ConstView b, ConstView start = {}) {
  if (form == Form::kNT) gemm_nt(c, a, b, start, g_precision);
  if (form == Form::kNN) gemm_nn(c, a, b, start, g_precision);
  if (form == Form::kTN) gemm_tn(c, a, b, start, g_precision);
}

enum class Start { kNothing, kItself, kAnother };  // what C starts as
constexpr Start kStarts[] = {Start::kNothing, Start::kItself, Start::kAnother};

// The factors of every term, as the product sees them, those of a row of C one after another: plain
// loops over them are fast even without optimisation.
std::vector<double> terms_of(ConstView view, bool transposed, Index rows, Index k) {
  std::vector<double> terms;
  terms.reserve(static_cast<size_t>(rows * k));
  for (Index i = 0; i < rows; ++i)
    for (Index p = 0; p < k; ++p) terms.push_back(seen(transposed ? view(p, i) : view(i, p)));
  return terms;
}

// Every element is within the rounding of a sum of k products, computed plainly in double; what is
// beside C in its buffer is left alone.
void expect_plain_product(Form form, Index m, Index n, Index k, Start kind) {
  Operands operands(form, m, n, k);
  const View a = operands.a.view(), b = operands.b.view();
  Block result(m, n, 3), before(m, n, 3), another(m, n, 4);
  const View start = kind == Start::kAnother ? another.view() : before.view();
  const View c = result.view();
  multiply(form, c, a, b,
           kind == Start::kNothing  ? ConstView()
           : kind == Start::kItself ? c
                                    : another.view());
  const std::vector<double> x_terms = terms_of(a, form == Form::kTN, m, k);
  const std::vector<double> y_terms = terms_of(b, form != Form::kNT, n, k);
  const double epsilon = std::numeric_limits<Real>::epsilon();
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < n; ++j) {
      double sum = kind != Start::kNothing ? double{start(i, j)} : 0, size = std::abs(sum);
      const double *const x = x_terms.data() + i * k, *const y = y_terms.data() + j * k;
      for (Index p = 0; p < k; ++p) {
        const double term = x[p] * y[p];
        sum += term;
        size += term < 0 ? -term : term;
      }
      ASSERT_NEAR(c(i, j), sum, epsilon * size * (2 + std::sqrt(static_cast<double>(k))))
          << name_of(form, m, n, k) << " at (" << i << ", " << j << ")";
    }
  }
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < result.buffer.cols(); ++j) {
      if (j < 3 || j >= 3 + n) {
        ASSERT_EQ(result.buffer(i, j), before.buffer(i, j)) << "wrote beside C";
      }
    }
  }
}

TEST_P(Gemm, EqualsAPlainProductForAllCombinationsOfSmallSizes) {
  constexpr Index kSizes[] = {1, 2, 3, 7, 13, 14, 15, 17, 31, 32, 33};
  for (const Form form : kForms)
    for (const Index m : kSizes)
      for (const Index n : kSizes)
        for (const Index k : kSizes) expect_plain_product(form, m, n, k, Start::kNothing);
}

TEST_P(Gemm, EqualsAPlainProductForLargeOddSizes) {
  constexpr std::tuple<Index, Index, Index> kSizes[] = {
      {64, 131, 257}, {131, 64, 300}, {257, 33, 64}, {300, 257, 131},
      {1, 300, 513},  {300, 1, 511},  {2, 4200, 17},  // wider than one block of columns
      {200, 15, 1},   {13, 31, 1030}};
  for (const Form form : kForms)
    for (const auto& [m, n, k] : kSizes)
      for (const Start start : kStarts) expect_plain_product(form, m, n, k, start);
}

TEST_P(Gemm, AddsToWhatItStartsFrom) {
  for (const Form form : kForms)
    for (const Index size : {1, 3, 14, 17, 33, 64})
      for (const Start start : {Start::kItself, Start::kAnother})
        expect_plain_product(form, size, size + 1, 20, start);
}

TEST_P(Gemm, OfNoTermsIsZero) {
  Matrix a(3, 0), b(4, 0), c(3, 4);
  fill(c.view(), 7);
  gemm_nt(c.view(), a.view(), b.view(), c.view(), g_precision);
  EXPECT_EQ(c(2, 3), 7);
  gemm_nt(c.view(), a.view(), b.view(), {}, g_precision);
  EXPECT_EQ(c(0, 0), 0);
  EXPECT_EQ(c(2, 3), 0);
}

TEST_P(Gemm, PassesOnNotANumber) {
  Matrix a(20, 40), b(20, 40), c(20, 20);
  fill(a.view(), 1);
  a(7, 33) = std::numeric_limits<Real>::quiet_NaN();
  gemm_nt(c.view(), a.view(), b.view(), {}, g_precision);
  for (Index j = 0; j < 20; ++j) EXPECT_TRUE(std::isnan(c(7, j)));
  EXPECT_EQ(c(6, 0), 0);
}

// A row of the result, computed alone, must have the bits it has in company, wherever it is and
// however many columns are asked for.
TEST_P(Gemm, RowsAndColumnsHaveTheSameBitsAloneAndTogether) {
  constexpr Index m = 67, n = 75, k = 300;
  for (const Form form : kForms) {
    Operands operands(form, m, n, k);
    const View a = operands.a.view(), b = operands.b.view();
    Matrix whole(m, n);
    multiply(form, whole.view(), a, b);
    for (const auto& [r0, r1] :
         {std::pair<Index, Index>{0, 1}, {5, 6}, {13, 30}, {50, 67}, {66, 67}}) {
      const Index c0 = r0 % 40, c1 = c0 + r1 % 35 + 1;
      Matrix part(r1 - r0, c1 - c0);
      const View a_part = form == Form::kTN ? a.col_block(r0, r1) : a.row_block(r0, r1);
      const View b_part = form == Form::kNT ? b.row_block(c0, c1) : b.col_block(c0, c1);
      multiply(form, part.view(), a_part, b_part);
      for (Index r = r0; r < r1; ++r)
        expect_same_bits({part.view().row(r - r0), static_cast<size_t>(c1 - c0)},
                         {whole.view().row(r) + c0, static_cast<size_t>(c1 - c0)},
                         name_of(form, r1 - r0, c1 - c0, k) + " at row " + std::to_string(r));
    }
  }
}

TEST_P(Gemm, GivesTheSameBitsForAnyNumberOfThreads) {
  constexpr std::tuple<Index, Index, Index> kSizes[] = {
      {1, 600, 300}, {40, 70, 270}, {300, 50, 64}};
  for (const Form form : kForms) {
    for (const auto& [m, n, k] : kSizes) {
      Operands operands(form, m, n, k);
      Matrix one(m, n), many(m, n);
      {
        const ThreadCount threads(1);
        multiply(form, one.view(), operands.a.view(), operands.b.view());
      }
      for (const int count : {2, 3, 4}) {
        const ThreadCount threads(count);
        multiply(form, many.view(), operands.a.view(), operands.b.view());
        expect_same_bits(many.span(), one.span(),
                         name_of(form, m, n, k) + " threads=" + std::to_string(count));
      }
    }
  }
}

TEST_P(Gemm, GivesTheSameBitsInsideAnOpenMpRegion) {
  constexpr Index m = 70, n = 60, k = 280;
  Operands operands(Form::kNT, m, n, k);
  Matrix outside(m, n);
  gemm_nt(outside.view(), operands.a.view(), operands.b.view(), {}, g_precision);
  std::vector<Matrix> inside(3);
  for (Matrix& matrix : inside) matrix = Matrix(m, n);
#pragma omp parallel for num_threads(3)
  for (size_t i = 0; i < inside.size(); ++i)
    gemm_nt(inside[i].view(), operands.a.view(), operands.b.view(), {}, g_precision);
  for (const Matrix& matrix : inside)
    expect_same_bits(matrix.span(), outside.span(), "inside a region");
}

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
}  // namespace minillm
