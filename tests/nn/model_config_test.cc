#include "libminillm/nn/model_config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>

#include "libminillm/nn/model.h"
#include "libminillm/nn/parameters.h"
#include "tests/testing/compare.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

void expect_invalid(const std::function<void(ModelConfig&)>& damage, const std::string& message) {
  ModelConfig config;
  config.validate();
  damage(config);
  EXPECT_ERROR(config.validate(), message);
  try {
    const Model model(config);
    ADD_FAILURE() << "a model was made of an invalid config: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
  }
}

TEST(ModelConfig, ValidateNamesTheKeyTheRuleAndTheValue) {
  using C = ModelConfig;
  expect_invalid([](C& c) { c.vocab_size = 1; },
                 "config: model.vocab_size: expected 2 to 4194304, got 1");
  expect_invalid([](C& c) { c.hidden_size = 0; },
                 "config: model.hidden_size: expected 1 to 65536, got 0");
  expect_invalid([](C& c) { c.intermediate_size = -5; },
                 "config: model.intermediate_size: expected 1 to 262144, got -5");
  expect_invalid([](C& c) { c.num_hidden_layers = 0; },
                 "config: model.num_hidden_layers: expected 1 to 1024, got 0");
  expect_invalid([](C& c) { c.num_attention_heads = 0; },
                 "config: model.num_attention_heads: expected 1 to 1024, got 0");
  expect_invalid([](C& c) { c.num_key_value_heads = 7; },
                 "config: model.num_key_value_heads: expected 1 to 6, got 7");
  expect_invalid(
      [](C& c) { c.num_key_value_heads = 4; },
      "config: model.num_key_value_heads: expected a divisor of num_attention_heads = 6, got 4");
  expect_invalid([](C& c) { c.head_dim = 0; }, "config: model.head_dim: expected 2 to 1024, got 0");
  expect_invalid([](C& c) { c.head_dim = 31; },
                 "config: model.head_dim: expected an even number (RoPE turns pairs), got 31");
  expect_invalid([](C& c) { c.max_position_embeddings = 0; },
                 "config: model.max_position_embeddings: expected 1 to 4194304, got 0");
  expect_invalid([](C& c) { c.rope_theta = 1; },
                 "config: model.rope_theta: expected a number over 1, got 1");
  expect_invalid([](C& c) { c.rope_theta = std::numeric_limits<double>::infinity(); },
                 "config: model.rope_theta: expected a number over 1, got inf");
  expect_invalid([](C& c) { c.rms_norm_eps = 0; },
                 "config: model.rms_norm_eps: expected a number in (0, 1), got 0");
  expect_invalid([](C& c) { c.rms_norm_eps = std::nan(""); },
                 "config: model.rms_norm_eps: expected a number in (0, 1), got nan");
  expect_invalid([](C& c) { c.initializer_range = 0; },
                 "config: model.initializer_range: expected a number in (0, 10), got 0");
}

TEST(ModelConfig, ParameterCountIsTheSumOfTheTensors) {
  ModelConfig config = minillm_testing::tiny_config();
  // embed 11*8; per layer 2*8 + q 8*8 + kv 2*4*8 + o 8*8 + gate, up, down 3*14*8; final norm 8
  const Index tied = 88 + 2 * (16 + 64 + 64 + 64 + 336) + 8;
  EXPECT_EQ(config.parameter_count(), tied);
  config.tie_word_embeddings = false;
  EXPECT_EQ(config.parameter_count(), tied + 88);
}

TEST(ModelConfig, FlopsAreSixPerWeightOfEveryProductAndAttention) {
  const ModelConfig config = minillm_testing::tiny_config();
  const double products = 2 * (64 + 64 + 64 + 336) + 88;
  EXPECT_EQ(config.training_flops_per_token(10), 6 * products + 6 * 2 * 10 * 8);
}

TEST(Parameters, ViewsCoverTheArenaAsTheTableDoes) {
  for (const bool tied : {true, false}) {
    const ModelConfig config = minillm_testing::tiny_config(tied);
    const TensorTable table = make_tensor_table(config);
    std::vector<Real> arena(static_cast<size_t>(table.size()));
    const Parameters<Real> p = view_parameters<Real>(config, std::span(arena));
    const auto expect_at = [&](View view, const std::string& name, Index rows, Index cols) {
      const TensorInfo* tensor = table.find(name);
      ASSERT_NE(tensor, nullptr) << name;
      EXPECT_EQ(view.data, arena.data() + tensor->offset) << name;
      EXPECT_EQ(view.rows, rows) << name;
      EXPECT_EQ(view.cols, cols) << name;
    };
    expect_at(p.embed, "model.embed_tokens.weight", 11, 8);
    for (const Index l : {0, 1}) {
      const BlockParameters<Real>& block = p.blocks[static_cast<size_t>(l)];
      const std::string prefix = "model.layers." + std::to_string(l) + ".";
      expect_at(block.attn_norm, prefix + "input_layernorm.weight", 1, 8);
      expect_at(block.wqkv, prefix + "self_attn.q_proj.weight", 16, 8);
      expect_at(block.wqkv.row_block(8, 12), prefix + "self_attn.k_proj.weight", 4, 8);
      expect_at(block.wqkv.row_block(12, 16), prefix + "self_attn.v_proj.weight", 4, 8);
      expect_at(block.wo, prefix + "self_attn.o_proj.weight", 8, 8);
      expect_at(block.ffn_norm, prefix + "post_attention_layernorm.weight", 1, 8);
      expect_at(block.w_gate_up, prefix + "mlp.gate_proj.weight", 28, 8);
      expect_at(block.w_gate_up.row_block(14, 28), prefix + "mlp.up_proj.weight", 14, 8);
      expect_at(block.w_down, prefix + "mlp.down_proj.weight", 8, 14);
    }
    expect_at(p.final_norm, "model.norm.weight", 1, 8);
    expect_at(p.head, tied ? "model.embed_tokens.weight" : "lm_head.weight", 11, 8);
  }
}

TEST(Parameters, MatricesDecayAndGainsDoNot) {
  const TensorTable table = make_tensor_table(minillm_testing::tiny_config(false));
  EXPECT_EQ(table.tensors().size(), 1u + 2 * 9 + 2);
  std::set<std::string> names;
  for (const TensorInfo& tensor : table.tensors()) {
    EXPECT_EQ(tensor.decay, tensor.shape.size() == 2) << tensor.name;
    names.insert(tensor.name);
  }
  EXPECT_EQ(names.size(), table.tensors().size());
}

TEST(Model, InitializeGivesEachTensorItsScaleAndIsRepeatable) {
  ModelConfig config = minillm_testing::medium_config();
  config.initializer_range = 0.02;
  Model model(config);
  for (const Real w : model.parameters()) ASSERT_EQ(w, 0);
  model.initialize(3);
  for (const TensorInfo& tensor : model.tensors().tensors()) {
    const auto values = tensor_span(std::as_const(model).parameters(), tensor);
    if (!tensor.decay) {
      for (const Real gain : values) ASSERT_EQ(gain, 1) << tensor.name;
      continue;
    }
    double squares = 0;
    for (const Real w : values) squares += double{w} * double{w};
    const bool residual = tensor.name.find("o_proj") != std::string::npos ||
                          tensor.name.find("down_proj") != std::string::npos;
    const double expected = residual ? 0.02 / std::sqrt(2.0 * 2) : 0.02;
    EXPECT_NEAR(std::sqrt(squares / static_cast<double>(values.size())) / expected, 1, 0.02)
        << tensor.name;
  }
  Model same(config), other(config);
  same.initialize(3);
  other.initialize(4);
  minillm_testing::expect_same_bits(same.parameters(), model.parameters(), "same seed");
  EXPECT_GT(minillm_testing::relative_distance(other.parameters(), model.parameters()), 0.1);
}

// Before any training every token is about equally likely.
TEST(Model, AFreshModelStartsAtTheLogarithmOfTheVocabulary) {
  ModelConfig config = minillm_testing::medium_config();
  config.initializer_range = 0.02;
  Model model(config);
  model.initialize(1);
  const TokenBatch batch = minillm_testing::random_batch({100, 100}, config.vocab_size);
  double sum = 0;
  for (const Real logp : minillm_testing::run_forward(model, batch).logp) sum -= logp;
  EXPECT_NEAR(sum / static_cast<double>(batch.targets.size()), std::log(531.0), 0.15);
}

}  // namespace
}  // namespace minillm
