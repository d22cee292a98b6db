#include "libminillm/ops/gemm/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/ops/gemm_cases.h"
#include "tests/testing/compare.h"

namespace minillm_testing {
namespace {

INSTANTIATE_TEST_SUITE_P(Kernels, Gemm,
                         testing::Combine(testing::Range(0, gemm::kernel_set_count()),
                                          testing::Values(Precision::kFloat, Precision::kBfloat16)),
                         [](const auto& param) {
                           return std::string(gemm::kKernelSets[std::get<0>(param.param)].name) +
                                  (std::get<1>(param.param) == Precision::kFloat ? "_fp32"
                                                                                 : "_bf16");
                         });

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
      {1, 600, 300}, {40, 70, 270}, {300, 50, 64}, {130, 260, 600}};
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

TEST_P(Gemm, GivesTheSameBitsInsideALoop) {
  constexpr Index m = 70, n = 60, k = 280;
  Operands operands(Form::kNT, m, n, k);
  Matrix outside(m, n);
  gemm_nt(outside.view(), operands.a.view(), operands.b.view(), {}, g_precision);
  std::vector<Matrix> inside(3);
  for (Matrix& matrix : inside) matrix = Matrix(m, n);
  const ThreadCount scope(3);
  parallel_for(inside.size(), [&](size_t i) {
    gemm_nt(inside[i].view(), operands.a.view(), operands.b.view(), {}, g_precision);
  });
  for (const Matrix& matrix : inside)
    expect_same_bits(matrix.span(), outside.span(), "inside a loop");
}

}  // namespace
}  // namespace minillm_testing
