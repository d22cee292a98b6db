#include "libminillm/optim/muon.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/testing/compare.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/grad_check.h"

namespace minillm {
namespace {

using minillm_testing::random_values;

void add_matrix(TensorTable& table, const std::string& name, Index rows, Index cols) {
  table.add(name, {rows, cols}, true, 1, TensorRole::kBlockMatrix);
}

// Matrices of a block among others.
TensorTable make_table() {
  TensorTable table;
  table.add("embed", {5, 8}, true, 1, TensorRole::kEmbedding);
  add_matrix(table, "up", 24, 8);
  table.add("gain", {8}, false);
  add_matrix(table, "down", 8, 24);
  add_matrix(table, "q", 8, 8);
  return table;
}

// Two updates by another program: plain lists of Python's floats (double), math.fsum, and the
// iteration as Jordan et al. write it, on the transpose of what is tall:
//
//   x = a x + (b A + c A A) x,  A = x x^T
//
// with learning rate 0.1, momentum 0.9, weight decay 0.2, gradients halved, and element k of
//   the weights               ((7 k + 3) mod 11 - 5) / 8
//   the gradient of update t  ((5 k k + 3 t k + t) mod 13 - 6) / 4
struct Expected {
  Index rows, cols;
  std::vector<double> weights;
};
const Expected kExpected[] = {
    {4,
     3,
     {-0.199073919049, 0.619346262981, 0.136648975301, -0.322033603763, 0.508118327720,
      -0.005319588611, -0.495112254136, 0.374141777855, -0.142512108831, -0.590197253575,
      0.215575501037, -0.263098159697}},
    {3,
     4,
     {-0.208392076684, 0.610524512310, 0.149687486067, -0.314866509870, 0.515847534843,
      -0.019668137620, -0.503000855914, 0.350515992758, -0.110125428738, -0.569851289593,
      0.231766444906, -0.234372344691}},
    {3,
     3,
     {-0.205148104257, 0.603185166991, 0.129627552600, -0.337297242316, 0.514150997373,
      -0.000430062501, -0.496042998257, 0.369385381456, -0.137666757901}}};

TEST(Muon, HasTheNumbersOfAnotherProgram) {
  for (const Expected& expected : kExpected) {
    TensorTable table;
    add_matrix(table, "matrix", expected.rows, expected.cols);
    Muon muon(table, {.momentum = 0.9, .weight_decay = 0.2}, {},
              std::vector{ElementRange{0, table.size()}});
    std::vector<Real> weights, gradients(expected.weights.size());
    const auto size = static_cast<int>(expected.weights.size());
    for (int k = 0; k < size; ++k)
      weights.push_back(static_cast<Real>(((7 * k + 3) % 11 - 5) / 8.0));
    for (int t = 1; t <= 2; ++t) {
      for (int k = 0; k < size; ++k)
        gradients[static_cast<size_t>(k)] =
            static_cast<Real>(((5 * k * k + 3 * t * k + t) % 13 - 6) / 4.0);
      muon.update(weights, gradients, 0.5, 0.1);
    }
    for (size_t k = 0; k < weights.size(); ++k)
      EXPECT_NEAR(weights[k], expected.weights[k], minillm_testing::kRealIsDouble ? 1e-11 : 1e-6)
          << expected.rows << " x " << expected.cols << " at " << k;
  }
}

// 0.2 to 0.4 as AdamW's, whatever the shape and however long the gradient.
TEST(Muon, MovesMatricesOfAnyShapeAlike) {
  for (const auto& [rows, cols] : {std::pair<Index, Index>{64, 64}, {96, 24}, {24, 96}})
    for (const double length : {1e-3, 1.0, 1e3}) {
      TensorTable table;
      add_matrix(table, "matrix", rows, cols);
      Muon muon(table, {.weight_decay = 0}, {}, std::vector{ElementRange{0, table.size()}});
      std::vector<Real> weights(static_cast<size_t>(table.size()));
      muon.update(weights, random_values(weights.size(), 1, length), 1, 1);
      double squares = 0;
      for (const Real w : weights) squares += double{w} * double{w};
      EXPECT_NEAR(std::sqrt(squares / static_cast<double>(table.size())), 0.2, 0.04);
    }
}

TEST(Muon, MovesMatricesOfBlocksAlone) {
  const TensorTable table = make_table();
  Muon muon(table, {}, {}, std::vector{ElementRange{0, table.size()}});
  EXPECT_EQ(std::ssize(muon.momentum()), 24 * 8 + 8 * 24 + 8 * 8);
  const std::vector<Real> start = random_values(static_cast<size_t>(table.size()), 1);
  std::vector<Real> weights = start;
  muon.update(weights, random_values(start.size(), 2), 1, 0.1);
  for (const TensorInfo& tensor : table.tensors())
    for (Index i = tensor.offset; i < tensor.offset + tensor.size; ++i)
      ASSERT_EQ(weights[static_cast<size_t>(i)] != start[static_cast<size_t>(i)],
                tensor.role == TensorRole::kBlockMatrix)
          << tensor.name;
}

TEST(Muon, MovesNothingWithoutAGradient) {
  const TensorTable table = make_table();
  Muon muon(table, {.weight_decay = 0.5}, {}, std::vector{ElementRange{0, table.size()}});
  std::vector<Real> weights(static_cast<size_t>(table.size()), 2);
  muon.update(weights, std::vector<Real>(weights.size()), 1, 0.1);
  for (const TensorInfo& tensor : table.tensors())
    for (const Real w : tensor_span(std::span<const Real>(weights), tensor))
      ASSERT_EQ(w, tensor.role == TensorRole::kBlockMatrix ? static_cast<Real>(2 * (1 - 0.1 * 0.5))
                                                           : Real{2});
}

TEST(Muon, LeavesWhatIsFrozenAlone) {
  const TensorTable table = make_table();
  const TensorInfo& down = *table.find("down");
  const std::vector<ElementRange> all = {{0, table.size()}},
                                  frozen = {{down.offset, down.offset + down.size}};
  Muon muon(table, {}, {}, all), rest(table, {}, frozen, all);
  std::vector<Real> moved(static_cast<size_t>(table.size()), 1), kept = moved;
  const std::vector<Real> gradients = random_values(moved.size(), 2);
  muon.update(moved, gradients, 1, 0.1);
  rest.update(kept, gradients, 1, 0.1);
  for (Index i = 0; i < table.size(); ++i) {
    const bool is_frozen = i >= down.offset && i < down.offset + down.size;
    ASSERT_EQ(kept[static_cast<size_t>(i)], is_frozen ? Real{1} : moved[static_cast<size_t>(i)]);
  }
}

TEST(Muon, GivesTheSameBitsForAnyNumberOfThreads) {
  const TensorTable table = make_table();
  for (const Precision precision : {Precision::kFloat, Precision::kBfloat16}) {
    const auto train = [&](int threads) {
      const minillm_testing::ThreadCount count(threads);
      Muon muon(table, {.precision = precision}, {}, std::vector{ElementRange{0, table.size()}});
      std::vector<Real> weights = random_values(static_cast<size_t>(table.size()), 1);
      for (uint64_t t = 1; t <= 3; ++t)
        muon.update(weights, random_values(weights.size(), 100 + t), 0.5, 1e-2);
      return weights;
    };
    const std::vector<Real> expected = train(1);
    for (const int threads : {2, 3, 4}) EXPECT_EQ(train(threads), expected) << threads;
  }
}

TEST(Muon, RefusesAPartOfAMatrixAndAConfigOutOfRange) {
  const TensorTable table = make_table();
  const std::vector<ElementRange> all = {{0, table.size()}}, part = {{0, 41}};
  EXPECT_ERROR(Muon(table, {}, {}, part),
               "optimizer: 1 of the 192 elements of 'up' are this rank's: expected all or none, as "
               "Muon moves a matrix as a whole");
  EXPECT_ERROR(Muon(table, {}, part, all), "elements of 'up' are frozen");
  EXPECT_ERROR(Muon(table, {.momentum = 1}, {}, all),
               "config: train.momentum: expected 0 <= momentum < 1, got 1");
  EXPECT_ERROR(Muon(table, {.weight_decay = -1}, {}, all), "config: train.weight_decay");
}

}  // namespace
}  // namespace minillm
