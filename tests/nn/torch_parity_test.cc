// The model against PyTorch: float64 numbers from make_torch_fixtures.py, beside this file.

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "libminillm/objectives/next_token.h"
#include "libminillm/optim/adamw.h"
#include "libminillm/optim/schedule.h"
#include "tests/testing/compare.h"
#include "tests/testing/grad_check.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

using minillm_testing::by_precision;
using minillm_testing::relative_distance;

// As in the script.
ModelConfig fixture_config(bool tied) {
  ModelConfig config;
  config.vocab_size = 20;
  config.hidden_size = 16;
  config.intermediate_size = 20;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 4;
  config.max_position_embeddings = 16;
  config.rope_theta = 50;
  config.rms_norm_eps = 1e-3;
  config.tie_word_embeddings = tied;
  return config;
}

class Numbers {
 public:
  explicit Numbers(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return state_ >> 33;
  }
  double uniform() { return static_cast<double>(next()) / 0x1.0p31; }

 private:
  uint64_t state_;
};

Model fixture_model(bool tied) {
  Model model(fixture_config(tied));
  Numbers numbers(1);
  for (const TensorInfo& tensor : model.tensors().tensors())
    for (Real& w : tensor_span(model.parameters(), tensor))
      w = static_cast<Real>(tensor.shape.size() == 1 ? 0.5 + numbers.uniform()
                                                     : 1.5 * (numbers.uniform() - 0.5));
  return model;
}

// The script's four sequences, packed.
TokenBatch fixture_batch() {
  constexpr Real kWeights[] = {1, 0, 0.5, 1, 2};
  TokenBatch batch;
  Numbers numbers(2);
  for (const size_t length : {7, 12, 1, 4}) {
    std::vector<Token> tokens(length);
    for (Token& t : tokens) t = static_cast<Token>(numbers.next() % 20);
    minillm_testing::append_sequence(batch, tokens);
  }
  for (size_t m = 0; m < batch.targets.size(); ++m) batch.targets[m].weight = kWeights[m % 5];
  return batch;
}

// name -> numbers
std::map<std::string, std::vector<Real>> read_fixture(bool tied) {
  const std::string path = std::string(MINILLM_SOURCE_DIR) + "/tests/nn/fixtures/llama_" +
                           (tied ? "tied" : "untied") + ".txt";
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << path;
  std::map<std::string, std::vector<Real>> fixture;
  std::string name;
  size_t count = 0;
  while (file >> name >> count) {
    std::vector<Real>& values = fixture[name];
    values.resize(count);
    for (Real& value : values) file >> value;
  }
  EXPECT_TRUE(file.eof()) << path << ": damaged after '" << name << "'";
  return fixture;
}

// The loss, a mean over weights as in PyTorch; gradients of the same mean are added to the model's.
double loss_and_gradients(Model& model, const TokenBatch& batch, Workspace& workspace) {
  std::vector<Real> dlogp(batch.targets.size());
  model.forward(batch, workspace);
  const Contribution sum = next_token_loss(dlogp, model.log_probs(batch, workspace), batch.targets);
  for (Real& d : dlogp) d /= static_cast<Real>(sum.weight);
  model.backward(batch, dlogp, workspace);
  return sum.loss / sum.weight;
}

class TorchParity : public testing::TestWithParam<bool> {
 protected:
  const bool tied_ = GetParam();
  std::map<std::string, std::vector<Real>> fixture_ = read_fixture(tied_);
  TokenBatch batch_ = fixture_batch();
  Model model_ = fixture_model(tied_);
  Workspace workspace_ = minillm_testing::training_workspace(model_, batch_);
};
INSTANTIATE_TEST_SUITE_P(Head, TorchParity, testing::Bool(),
                         [](const auto& param) { return param.param ? "Tied" : "Untied"; });

TEST_P(TorchParity, LogitsAreTheSame) {
  model_.forward(batch_, workspace_);
  std::vector<Index> rows(batch_.tokens.size());
  for (size_t n = 0; n < rows.size(); ++n) rows[n] = static_cast<Index>(n);
  Matrix logits(batch_.rows(), model_.config().vocab_size);
  model_.logits(logits.view(), rows, workspace_);
  const std::vector<Real>& expected = fixture_["logits"];
  ASSERT_EQ(logits.span().size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(logits.span()[i], expected[i], by_precision(1e-5, 1e-9)) << "element " << i;
}

TEST_P(TorchParity, LossAndEveryGradientAreTheSame) {
  model_.gradients();
  const double loss = loss_and_gradients(model_, batch_, workspace_);
  EXPECT_NEAR(loss, fixture_["loss"].at(0), by_precision(1e-6, 1e-9));
  for (const TensorInfo& tensor : model_.tensors().tensors())
    EXPECT_LT(relative_distance(tensor_span(model_.gradients(), tensor), fixture_[tensor.name]),
              by_precision(1e-5, 1e-9))
        << tensor.name;
}

TEST_P(TorchParity, TenAdamWStepsAreTheSame) {
  AdamW optimizer(model_.tensors(),
                  {.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1});
  const ScheduleConfig schedule{.kind = "constant", .learning_rate = 1e-2, .warmup_ratio = 0};
  const std::vector<Real>& losses = fixture_["training_losses"];
  ASSERT_EQ(losses.size(), 11u);
  for (Index step = 0; step <= 10; ++step) {
    std::ranges::fill(model_.gradients(), Real{0});
    const double loss = loss_and_gradients(model_, batch_, workspace_);
    ASSERT_NEAR(loss, losses[static_cast<size_t>(step)], by_precision(1e-4, 1e-9))
        << "step " << step;
    if (step < 10)
      optimizer.update(model_.parameters(), model_.gradients(), 1,
                       scheduled_learning_rate(schedule, step, 10), step + 1);
  }
  std::vector<Real> norms;
  for (const TensorInfo& tensor : model_.tensors().tensors()) {
    const auto weights = tensor_span(std::as_const(model_).parameters(), tensor);
    norms.push_back(static_cast<Real>(std::sqrt(minillm_testing::dot(weights, weights))));
  }
  EXPECT_LT(relative_distance(norms, fixture_["trained_norms"]), by_precision(1e-5, 1e-9));
}

}  // namespace
}  // namespace minillm
