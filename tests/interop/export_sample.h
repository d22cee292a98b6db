// Checkpoints to export, and a forward pass over what was exported.

#ifndef TESTS_INTEROP_EXPORT_SAMPLE_H_
#define TESTS_INTEROP_EXPORT_SAMPLE_H_

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/eval/sequence_scores.h"
#include "tests/checkpoint/sample_checkpoint.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/toy_model.h"

namespace minillm_testing {

// A checkpoint directory as a stage writes it; more query heads than key heads.
class ExportSample {
 public:
  explicit ExportSample(bool tied = true) : sample_(3, tied) {
    minillm::write_checkpoint(path(), sample_.contents());
  }
  std::string path() const { return dir_.file("checkpoint"); }
  std::string file(const std::string& name) const { return dir_.file(name); }
  const TempDir& dir() const { return dir_; }
  minillm::Checkpoint checkpoint() const { return minillm::Checkpoint::open(path()); }
  const minillm::Model& model() const { return sample_.model; }
  // One tensor of the model.
  std::span<const minillm::Real> tensor(const std::string& name) const {
    return minillm::tensor_span(model().parameters(), *model().tensors().find(name));
  }

 private:
  TempDir dir_;
  SampleCheckpoint sample_;
};

// Weights by their Hugging Face names, q and k interleaved as others store them; "rope_freqs": the
// divisors of RoPE's frequencies.
using InterleavedWeights = std::map<std::string, std::vector<float>>;

// log p(token i | tokens before it), computed in double with RoPE on neighbouring pairs: the model
// as readers of the exported files run it, written from the papers.
inline std::vector<double> interleaved_log_probs(const minillm::ModelConfig& c,
                                                 const InterleavedWeights& weights,
                                                 const std::vector<minillm::Token>& tokens) {
  using Row = std::vector<double>;
  const auto multiply = [&](const std::string& name, const Row& x) {
    const std::vector<float>& w = weights.at(name);
    Row y(w.size() / x.size());
    for (size_t r = 0; r < y.size(); ++r)
      for (size_t i = 0; i < x.size(); ++i) y[r] += double{w[r * x.size() + i]} * x[i];
    return y;
  };
  const auto norm = [&](const std::string& name, const Row& x) {
    double squares = 0;
    for (const double v : x) squares += v * v;
    const double r = 1 / std::sqrt(squares / static_cast<double>(x.size()) + c.rms_norm_eps);
    Row y(x);
    for (size_t i = 0; i < x.size(); ++i) y[i] *= r * double{weights.at(name)[i]};
    return y;
  };
  const auto D = static_cast<size_t>(c.head_dim), H = static_cast<size_t>(c.num_attention_heads);
  const auto K = static_cast<size_t>(c.num_key_value_heads);
  const auto C = static_cast<size_t>(c.hidden_size);
  const auto rotate = [&](Row& x, size_t position) {
    for (size_t i = 0; i < x.size(); i += 2) {
      double angle = static_cast<double>(position) *
                     std::pow(c.rope_theta, -static_cast<double>(i % D) / static_cast<double>(D));
      if (const auto divisors = weights.find("rope_freqs"); divisors != weights.end())
        angle /= double{divisors->second[i % D / 2]};
      const double a = x[i], b = x[i + 1];
      x[i] = a * std::cos(angle) - b * std::sin(angle);
      x[i + 1] = a * std::sin(angle) + b * std::cos(angle);
    }
  };
  const auto add = [](Row& x, const Row& y) {
    for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  };

  std::vector<Row> h;
  for (const minillm::Token token : tokens) {
    const auto row = weights.at("model.embed_tokens.weight").begin() +
                     static_cast<std::ptrdiff_t>(static_cast<size_t>(token) * C);
    h.emplace_back(row, row + static_cast<std::ptrdiff_t>(C));
  }
  for (int64_t l = 0; l < c.num_hidden_layers; ++l) {
    const std::string p = "model.layers." + std::to_string(l) + ".";
    std::vector<Row> keys, values;
    for (size_t n = 0; n < h.size(); ++n) {
      const Row x = norm(p + "input_layernorm.weight", h[n]);
      Row q = multiply(p + "self_attn.q_proj.weight", x);
      keys.push_back(multiply(p + "self_attn.k_proj.weight", x));
      values.push_back(multiply(p + "self_attn.v_proj.weight", x));
      rotate(q, n);
      rotate(keys.back(), n);
      Row attended(H * D, 0);
      for (size_t head = 0; head < H; ++head) {
        const size_t shared = head / (H / K) * D;
        Row e(n + 1);
        double sum = 0;
        for (size_t m = 0; m <= n; ++m) {
          double dot = 0;
          for (size_t i = 0; i < D; ++i) dot += q[head * D + i] * keys[m][shared + i];
          sum += e[m] = std::exp(dot / std::sqrt(static_cast<double>(D)));
        }
        for (size_t m = 0; m <= n; ++m)
          for (size_t i = 0; i < D; ++i)
            attended[head * D + i] += e[m] / sum * values[m][shared + i];
      }
      add(h[n], multiply(p + "self_attn.o_proj.weight", attended));
    }
    for (Row& row : h) {
      const Row x = norm(p + "post_attention_layernorm.weight", row);
      Row gate = multiply(p + "mlp.gate_proj.weight", x);
      const Row up = multiply(p + "mlp.up_proj.weight", x);
      for (size_t i = 0; i < gate.size(); ++i) gate[i] *= up[i] / (1 + std::exp(-gate[i]));
      add(row, multiply(p + "mlp.down_proj.weight", gate));
    }
  }
  std::vector<double> log_probs;
  const std::string head =
      weights.contains("lm_head.weight") ? "lm_head.weight" : "model.embed_tokens.weight";
  for (size_t n = 0; n + 1 < tokens.size(); ++n) {
    const Row logits = multiply(head, norm("model.norm.weight", h[n]));
    double sum = 0;
    for (const double logit : logits) sum += std::exp(logit);
    log_probs.push_back(logits[static_cast<size_t>(tokens[n + 1])] - std::log(sum));
  }
  return log_probs;
}

// The exported weights give the model's log-probabilities.
inline void expect_same_model(const minillm::Model& model, const InterleavedWeights& weights,
                              double tolerance) {
  const std::vector<minillm::Token> tokens = random_tokens(24, 5);
  const auto actual = interleaved_log_probs(model.config(), weights, tokens);
  const auto expected = minillm::token_log_probs(model, tokens);
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i)
    EXPECT_NEAR(actual[i], double{expected[i]}, tolerance) << "token " << i;
}

}  // namespace minillm_testing

#endif  // TESTS_INTEROP_EXPORT_SAMPLE_H_
