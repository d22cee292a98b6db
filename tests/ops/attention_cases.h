// Attention's inputs and outputs in one place, and the batches of segments that its tests share.

#ifndef TESTS_OPS_ATTENTION_CASES_H_
#define TESTS_OPS_ATTENTION_CASES_H_

#include <algorithm>
#include <string>
#include <vector>

#include "libminillm/ops/attention.h"
#include "tests/testing/grad_check.h"

namespace minillm_testing {

using minillm::AttentionShape;
using minillm::Matrix;
using minillm::Segment;

struct AttentionCase {
  std::string name;
  std::vector<Segment> segments;
  AttentionShape shape;  // H, K, D
};

inline std::vector<AttentionCase> small_attention_cases() {
  const std::vector<Segment> plain = {{0, 3, 0, 0}, {3, 4, 0, 0}, {4, 9, 0, 0}};
  // rows 0-3 are read by two segments of their own batch, and rows 9-10 by a third
  const std::vector<Segment> shared = {
      {0, 4, 0, 0}, {4, 7, 0, 4}, {7, 9, 0, 4}, {9, 11, 0, 0}, {11, 12, 9, 11}};
  return {
      {"one row", {{0, 1, 0, 0}}, {2, 2, 3}},
      {"one segment", {{0, 6, 0, 0}}, {1, 1, 4}},
      {"packed segments", plain, {2, 2, 2}},
      {"grouped queries", plain, {6, 2, 2}},
      {"one key-value head", plain, {3, 1, 2}},
      {"shared prefixes", shared, {2, 2, 3}},
      {"shared prefixes, grouped queries", shared, {4, 2, 2}},
  };
}

inline Matrix random_matrix(Index rows, Index cols, uint64_t seed, double scale = 1) {
  Matrix matrix(rows, cols);
  std::ranges::copy(random_values(matrix.span().size(), seed, scale), matrix.span().begin());
  return matrix;
}

// Queries, keys and values are column blocks of one buffer, as in the model.
struct AttentionData {
  std::vector<Segment> segments;
  AttentionShape shape;
  Index q_cols, kv_cols;
  Matrix qkv, out, lse, dqkv;

  explicit AttentionData(const AttentionCase& c, uint64_t seed = 1)
      : segments(c.segments),
        shape(c.shape),
        q_cols(shape.heads * shape.head_dim),
        kv_cols(shape.kv_heads * shape.head_dim),
        qkv(random_matrix(c.segments.back().end, q_cols + 2 * kv_cols, seed)),
        out(qkv.rows(), q_cols),
        lse(qkv.rows(), shape.heads),
        dqkv(qkv.rows(), qkv.cols()) {}

  minillm::View queries(Matrix& m) { return m.view().col_block(0, q_cols); }
  minillm::View keys(Matrix& m) { return m.view().col_block(q_cols, q_cols + kv_cols); }
  minillm::View values(Matrix& m) {
    return m.view().col_block(q_cols + kv_cols, q_cols + 2 * kv_cols);
  }
  minillm::KeyValueView own() { return {keys(qkv), values(qkv)}; }

  void forward() {
    attention_forward(out.view(), lse.view(), queries(qkv), own(), segments, shape);
  }
  void backward(minillm::ConstView dout) {
    attention_backward(queries(dqkv), keys(dqkv), values(dqkv), dout, queries(qkv), own(),
                       out.view(), lse.view(), segments, shape);
  }
};

}  // namespace minillm_testing

#endif  // TESTS_OPS_ATTENTION_CASES_H_
