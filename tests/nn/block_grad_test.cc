// block_backward against central differences. Built in double only.

#include "libminillm/nn/block.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "libminillm/nn/model_family.h"
#include "tests/testing/grad_check.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

using minillm_testing::dot;
using minillm_testing::expect_gradient;
using minillm_testing::random_values;

constexpr Index N = 9, C = 8, F = 14, H = 4, K = 2, D = 2, QKV = 16;  // tiny_config

BlockActivations make_activations() {
  return {.x = Matrix(N, C),
          .attn_in = Matrix(N, C),
          .attn_rstd = Matrix(N, 1),
          .qkv = Matrix(N, QKV),
          .unnormed = Matrix(N, QKV - K * D),
          .head_rstd = Matrix(N, H + K),
          .attn_out = Matrix(N, C),
          .lse = Matrix(N, H),
          .residual = Matrix(N, C),
          .ffn_in = Matrix(N, C),
          .ffn_rstd = Matrix(N, 1),
          .gate_up = Matrix(N, 2 * F),
          .act = Matrix(N, F),
          .inner = {}};
}

BlockGradients make_gradients() {
  return {.norm_in = Matrix(N, C),
          .qkv = Matrix(N, QKV),
          .attn_out = Matrix(N, C),
          .gate_up = Matrix(N, 2 * F),
          .act = Matrix(N, F),
          .inner = {}};
}

std::vector<const ModelFamily*> pointers_to_families() {
  std::vector<const ModelFamily*> families;
  for (const ModelFamily& family : model_families()) families.push_back(&family);
  return families;
}

class BlockGradient : public testing::TestWithParam<const ModelFamily*> {};
INSTANTIATE_TEST_SUITE_P(OfFamily, BlockGradient, testing::ValuesIn(pointers_to_families()),
                         [](const auto& family) { return std::string(family.param->name); });

TEST_P(BlockGradient, MatchesCentralDifferences) {
  const ModelConfig config = minillm_testing::tiny_config_of(GetParam()->name);
  ASSERT_EQ(&family_of(config), GetParam());
  Model model = minillm_testing::random_model(config);
  const auto weights = view_parameters<const Real>(config, std::as_const(model).parameters());
  const auto gradients = view_parameters<Real>(config, model.gradients());
  const RopeTable rope(32, config.head_dim, config.rope_theta);
  const std::vector<Segment> segments = {{0, 4, 0, 0}, {4, 6, 0, 4}, {6, 7, 0, 4}, {7, 9, 0, 0}};
  const std::vector<int32_t> positions = {0, 1, 2, 3, 4, 5, 4, 0, 1};
  const BlockContext context{config, rope, segments, positions};

  BlockActivations activations = make_activations();
  std::ranges::copy(random_values(N * C, 1), activations.x.span().begin());
  const std::vector<Real> r = random_values(N * C, 2);
  Matrix out(N, C);
  const auto loss = [&] {
    block_forward(out.view(), activations, weights.blocks[1], context, 1);
    return dot(r, out.span());
  };
  loss();
  BlockGradients scratch = make_gradients();
  for (Real& stale : scratch.qkv.span()) stale = 99;  // left over from an earlier layer
  Matrix dx(N, C);
  std::ranges::copy(r, dx.span().begin());
  block_backward(dx.view(), gradients.blocks[1], scratch, activations, weights.blocks[1], context,
                 1);

  expect_gradient(loss, activations.x.span(), dx.span(), 1e-6, "x");
  for (const TensorInfo& tensor : model.tensors().tensors())
    if (tensor.name.starts_with("model.layers.1."))
      expect_gradient(loss, tensor_span(model.parameters(), tensor),
                      tensor_span(model.gradients(), tensor), 1e-6, tensor.name);
}

}  // namespace
}  // namespace minillm
