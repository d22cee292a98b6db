// What minillm-bench measures: model sizes, medians, and one function for each of its subjects.

#ifndef TOOLS_BENCH_H_
#define TOOLS_BENCH_H_

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "libminillm/nn/model_config.h"
#include "libminillm/ops/gemm/gemm.h"  // Precision
#include "tools/bench_machine.h"

namespace minillm {

using Json = nlohmann::ordered_json;

struct Size {
  std::string name;
  Index C, L, H, F, V, T, B;  // B sequences of T tokens
  ModelConfig model() const {
    ModelConfig c;
    c.hidden_size = C, c.num_hidden_layers = L, c.intermediate_size = F, c.vocab_size = V;
    c.num_attention_heads = c.num_key_value_heads = H;
    c.head_dim = C / H;
    c.max_position_embeddings = T;
    c.tie_word_embeddings = true;
    return c;
  }
  double training_flops_per_token() const { return model().training_flops_per_token(T); }
  // The weights that a token is multiplied with: each takes six operations.
  double product_parameters() const { return model().training_flops_per_token(0) / 6; }
};
inline const Size kSizes[] = {
    {"xxs", 128, 4, 4, 344, 2048, 256, 16},  {"xs", 256, 6, 8, 688, 4096, 256, 16},
    {"s", 512, 8, 8, 1376, 8192, 512, 4},    {"m", 768, 12, 12, 2048, 32000, 512, 4},
    {"s15", 288, 6, 6, 768, 32000, 1024, 1}, {"s110", 768, 12, 12, 2048, 32000, 1024, 1}};

inline double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Median of the times of `repetitions` calls, after one that warms up.
template <typename Body>
double median_seconds(int repetitions, Body&& body) {
  body();
  std::vector<double> times;
  for (int i = 0; i < repetitions; ++i) {
    const double begin = now();
    body();
    times.push_back(now() - begin);
  }
  return median(times);
}

struct TrainingKind {
  bool muon = false;       // the optimizer; else AdamW
  bool neighbour = false;  // also beside a process that keeps a core busy
};
// Steps of pretraining; of LoRA beside full ones; of SFT on the conversations of `data`; of DPO
// with shared prompts; of reinforcement learning, rollouts and training apart.
Json bench_train(const Size& size, Precision precision, TrainingKind kind, int repetitions,
                 const Machine& machine);
Json bench_sft(const Size& size, Precision precision, int repetitions, const std::string& data,
               const std::string& tokenizer_path);
Json bench_lora(const Size& size, Precision precision, Index rank, int repetitions);
Json bench_dpo(const Size& size, Precision precision, int repetitions);
Json bench_rl(const Size& size, Precision precision, int repetitions);
// Tokens per second of 1 to 64 streams, and what a long prompt costs those that run.
Json bench_streams(const Size& size, Precision precision, int repetitions);
// The matrix products of a model of that size, and its attention.
Json bench_kernels(const Size& size, Precision precision, int repetitions, const Machine& machine);

}  // namespace minillm

#endif  // TOOLS_BENCH_H_
