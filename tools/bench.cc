// minillm-bench: how fast this machine is, and what share of that training and decoding use.
//
// Every figure is given beside the machine's own limits, measured in the same run: multiply-adds in
// registers, and reading memory. Floating-point operations are counted as
//
//   training, per token   6 (L (4 C^2 + 3 C F) + V C) + 6 L T C
//
// the products forward and backward, the head once, and the causal half of attention.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <vector>

#include "libminillm/core/check.h"
#include "libminillm/core/rng.h"
#include "libminillm/data/dataset_reader.h"
#include "libminillm/generate/generator.h"
#include "libminillm/nn/model.h"
#include "libminillm/objectives/next_token.h"
#include "libminillm/objectives/preference.h"
#include "libminillm/ops/attention.h"
#include "libminillm/ops/gemm/gemm.h"
#include "libminillm/ops/gemm/kernels.h"
#include "libminillm/optim/adamw.h"
#include "libminillm/optim/grad_norm.h"
#include "libminillm/stage/conversation_dataset.h"
#include "tools/bench_machine.h"
#include "tools/tool_main.h"

namespace {

using namespace minillm;
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
const Size kSizes[] = {
    {"xxs", 128, 4, 4, 344, 2048, 256, 16},  {"xs", 256, 6, 8, 688, 4096, 256, 16},
    {"s", 512, 8, 8, 1376, 8192, 512, 4},    {"m", 768, 12, 12, 2048, 32000, 512, 4},
    {"s15", 288, 6, 6, 768, 32000, 1024, 1}, {"s110", 768, 12, 12, 2048, 32000, 1024, 1}};

double median(std::vector<double> values) {
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

TokenBatch random_batch(const Size& size, Rng& rng) {
  TokenBatch batch;
  for (Index b = 0; b < size.B; ++b) {
    const Index begin = batch.rows();
    for (Index t = 0; t < size.T; ++t) {
      batch.tokens.push_back(static_cast<Token>(rng.below(static_cast<uint64_t>(size.V))));
      batch.targets.push_back(
          {begin + t, static_cast<Token>(rng.below(static_cast<uint64_t>(size.V))), 1});
    }
    batch.segments.push_back({begin, begin + size.T, 0, 0});
  }
  return batch;
}

// A model and all that a training step needs.
struct Training {
  Model model;
  AdamW adamw;
  Workspace workspace;
  Index steps = 0;

  Training(const ModelConfig& config, Precision precision, Index rows, Index targets)
      : model(initialized(config, precision)),
        adamw(model.tensors(), {}),
        workspace(config, rows, targets, Workspace::Mode::kTraining) {}
  static Model initialized(const ModelConfig& config, Precision precision) {
    Model model(config);
    model.initialize(1);
    model.set_precision(precision);
    return model;
  }

  // Forward, loss, backward, norm, clipping, update: a step as in a run.
  void step(const TokenBatch& batch) {
    std::ranges::fill(model.gradients(), Real{0});
    model.forward(batch, workspace);
    HeadPass head = model.head_pass(batch, workspace);
    next_token_gradient(head.dlogp(), batch.targets);
    head.finish();
    model.backward(batch, workspace);
    update(1 / static_cast<double>(batch.rows()));
  }
  void update(double scale) {
    const double norm = scale * l2_norm(model.gradients());
    adamw.update(model.parameters(), model.gradients(), scale * std::min(1.0, 1 / norm), 3e-4,
                 ++steps);
  }
};

Json bench_train(const Size& size, Precision precision, int repetitions, const Machine& machine) {
  Rng rng(1);
  const TokenBatch batch = random_batch(size, rng);
  Training training(size.model(), precision, batch.rows(), batch.target_count());
  const double seconds = median_seconds(repetitions, [&] { training.step(batch); });
  const double tokens = static_cast<double>(batch.rows()) / seconds;
  return {{"tokens_per_second", tokens},
          {"milliseconds_per_step", seconds * 1e3},
          {"gflops", tokens * size.training_flops_per_token() * 1e-9},
          {"share_of_fp32_peak", tokens * size.training_flops_per_token() / machine.flops}};
}

// Steps on real conversations, packed, alternating with pretraining steps of the same model. All
// tokens are the conversations': there is no padding.
Json bench_sft(const Size& size, Precision precision, int repetitions, const std::string& data,
               const std::string& tokenizer_path) {
  const Tokenizer tokenizer = Tokenizer::load(tokenizer_path);
  Size sized = size;
  sized.V = tokenizer.vocab_size();
  RenderedConversations rows = render_conversations(
      read_conversations({data}, BadRecordPolicy::kSkip), tokenizer, size.T, {});
  ConversationDataset dataset(std::move(rows.sequences), size.B * size.T, 1);
  Rng rng(1);
  const TokenBatch plain = random_batch(sized, rng);
  const Index room = std::max(plain.rows(), dataset.max_rows());
  Training training(sized.model(), precision, room, room);
  std::vector<double> sft_rates, plain_rates, supervised;
  for (Index i = 0; i <= repetitions; ++i) {
    const TokenBatch& batch = dataset.batch(i);
    const double begin = now();
    training.step(batch);
    const double middle = now();
    training.step(plain);
    const double end = now();
    if (i == 0) continue;  // warms up
    sft_rates.push_back(static_cast<double>(batch.rows()) / (middle - begin));
    plain_rates.push_back(static_cast<double>(plain.rows()) / (end - middle));
    supervised.push_back(static_cast<double>(batch.target_count()) /
                         static_cast<double>(batch.rows()));
  }
  return {{"tokens_per_second", median(sft_rates)},
          {"pretraining_tokens_per_second", median(plain_rates)},
          {"ratio", median(sft_rates) / median(plain_rates)},
          {"share_of_tokens_with_loss", median(supervised)}};
}

// A step on pairs whose prompt is half of the tokens, compared with a forward pass over the same
// pairs side by side.
Json bench_dpo(const Size& size, Precision precision, int repetitions) {
  Rng rng(1);
  const Index half = size.T / 2;
  const TokenBatch side_by_side = random_batch(size, rng);
  // Shared: prompt once, then two answers that attend to it.
  TokenBatch shared;
  std::vector<PreferenceItem> items;
  std::vector<Index> pair_ends;
  const auto random_token = [&] {
    return static_cast<Token>(rng.below(static_cast<uint64_t>(size.V)));
  };
  for (Index pair = 0; pair < size.B / 2; ++pair) {
    const Index prompt = shared.rows();
    for (Index t = 0; t < half; ++t) shared.tokens.push_back(random_token());
    shared.segments.push_back({prompt, prompt + half, 0, 0});
    Index bounds[3] = {shared.target_count(), 0, 0};
    for (int answer = 0; answer < 2; ++answer) {
      const Index begin = shared.rows();
      for (Index t = 0; t < half; ++t) {
        shared.tokens.push_back(random_token());
        shared.targets.push_back({begin + t, random_token(), 1});
      }
      shared.segments.push_back({begin, begin + half, prompt, prompt + half});
      bounds[answer + 1] = shared.target_count();
    }
    items.push_back({{bounds[0], bounds[1], bounds[1], bounds[2]}, 0, 0});
    pair_ends.push_back(bounds[2]);
  }
  Training training(size.model(), precision, std::max(shared.rows(), side_by_side.rows()),
                    side_by_side.target_count());
  Model& model = training.model;
  Workspace& workspace = training.workspace;
  // Alternating, so that what slows the machine down slows both.
  std::vector<double> forward, full;
  for (int i = 0; i <= repetitions; ++i) {
    const double begin = now();
    model.forward(side_by_side, workspace);
    model.log_probs(side_by_side, workspace);
    const double middle = now();
    std::ranges::fill(model.gradients(), Real{0});
    model.forward(shared, workspace);
    size_t next = 0;
    for (HeadPass head = model.head_pass(shared, workspace, pair_ends); head.next();) {
      const size_t first = next;
      while (next < items.size() && items[next].targets.rejected_end <= head.end()) ++next;
      pair_loss(head.dlogp(), head.logp(), std::span(items).subspan(first, next - first),
                pair_loss_of({}), {});
    }
    model.backward(shared, workspace);
    training.update(1 / static_cast<double>(items.size()));
    const double end = now();
    if (i == 0) continue;  // warms up
    forward.push_back(middle - begin);
    full.push_back(end - middle);
  }
  return {{"milliseconds_per_step", median(full) * 1e3},
          {"milliseconds_forward_side_by_side", median(forward) * 1e3},
          {"step_over_forward", median(full) / median(forward)}};
}

Matrix random_matrix(Index rows, Index cols, Rng& rng) {
  Matrix m(rows, cols);
  for (Real& x : m.span()) x = static_cast<Real>(rng.uniform() - 0.5);
  return m;
}

// One block's attention over B sequences of T tokens, its causal half counted: 2 T C operations per
// token forward (q k^T and P v), 2.5 times as many backward (scores again, dP, dV, dQ, dK).
Json bench_attention(const Size& size, Precision precision, int repetitions,
                     const Machine& machine) {
  const Index N = size.B * size.T, C = size.C;
  Rng rng(1);
  const Matrix qkv = random_matrix(N, 3 * C, rng), dout = random_matrix(N, C, rng);
  Matrix out(N, C), lse(N, size.H), dqkv(N, 3 * C);
  std::vector<Segment> segments;
  for (Index begin = 0; begin < N; begin += size.T)
    segments.push_back({begin, begin + size.T, 0, 0});
  const AttentionShape shape{size.H, size.H, C / size.H};
  const ConstView queries = qkv.view().col_block(0, C);
  const KeyValueView own{qkv.view().col_block(C, 2 * C), qkv.view().col_block(2 * C, 3 * C)};
  const double forward = median_seconds(repetitions, [&] {
    attention_forward(out.view(), lse.view(), queries, own, own, segments, shape, precision);
  });
  const double backward = median_seconds(repetitions, [&] {
    attention_backward(dqkv.view().col_block(0, C), dqkv.view().col_block(C, 2 * C),
                       dqkv.view().col_block(2 * C, 3 * C), dout.view(), queries, own, out.view(),
                       lse.view(), segments, shape, precision);
  });
  const double flops = 2.0 * static_cast<double>(N) * static_cast<double>(size.T * C);
  return {{"forward_gflops", flops / forward * 1e-9},
          {"backward_gflops", 2.5 * flops / backward * 1e-9},
          {"share_of_fp32_peak", 3.5 * flops / (forward + backward) / machine.flops}};
}

Json bench_kernels(const Size& size, Precision precision, int repetitions, const Machine& machine) {
  Json rows = Json::array();
  const Index N = size.B * size.T;
  Rng rng(1);
  const std::pair<Index, Index> shapes[] = {{3 * size.C, size.C},
                                            {size.C, size.C},
                                            {2 * size.F, size.C},
                                            {size.C, size.F},
                                            {size.V, size.C}};
  for (const auto& [out, in] : shapes) {
    Matrix x = random_matrix(N, in, rng), w = random_matrix(out, in, rng),
           dy = random_matrix(N, out, rng), y(N, out), dx(N, in), dw(out, in);
    const double flops =
        2.0 * static_cast<double>(N) * static_cast<double>(out) * static_cast<double>(in);
    const auto rate = [&](auto&& body) { return flops / median_seconds(repetitions, body); };
    const double nt = rate([&] { gemm_nt(y.view(), x.view(), w.view(), {}, precision); });
    const double nn = rate([&] { gemm_nn(dx.view(), dy.view(), w.view(), {}, precision); });
    const double tn = rate([&] { gemm_tn(dw.view(), dy.view(), x.view(), dw.view(), precision); });
    rows.push_back({{"rows", N},
                    {"outputs", out},
                    {"inputs", in},
                    {"forward_gflops", nt * 1e-9},
                    {"input_gradient_gflops", nn * 1e-9},
                    {"weight_gradient_gflops", tn * 1e-9},
                    {"share_of_fp32_peak", (nt + nn + tn) / 3 / machine.flops}});
  }
  return {{"products", rows},
          {"attention", bench_attention(size, precision, repetitions, machine)}};
}

// Greedy decoding of one stream, and reading a prompt of 512 tokens.
Json bench_generate(const Size& size, Precision precision, int repetitions,
                    const Machine& machine) {
  Model model(size.model());
  model.initialize(1);
  Generator generator(model);
  Rng rng(1);
  std::vector<Token> prompt(1, 1), long_prompt(512);
  for (Token& t : long_prompt) t = static_cast<Token>(rng.below(static_cast<uint64_t>(size.V)));
  GenerationConfig config;
  config.sampling.temperature = 0;
  config.weights = precision;
  config.stop_tokens = {static_cast<Token>(size.V)};  // no token: never stops
  const auto seconds_for = [&](const std::vector<Token>& tokens, Index count) {
    config.max_tokens = count;
    return median_seconds(repetitions, [&] { generator.generate(tokens, config); });
  };
  const double few = seconds_for(prompt, 1), many = seconds_for(prompt, 129);
  const double read = seconds_for(long_prompt, 1);
  const double decode = 128 / (many - few);
  // int8: a byte, and a float per 256 of them.
  const double word = precision == Precision::kFloat      ? 4
                      : precision == Precision::kBfloat16 ? 2
                                                          : 1 + 4 / 256.0;
  const double bytes = size.product_parameters() * word;
  return {{"decode_tokens_per_second", decode},
          {"prefill_tokens_per_second", 511 / (read - few)},
          {"decode_weight_gigabytes_per_second", decode * bytes * 1e-9},
          {"share_of_bandwidth", decode * bytes / machine.bandwidth}};
}

void print_human(const Json& report, const std::string& indent = "") {
  for (const auto& [key, value] : report.items()) {
    if (value.is_array()) {
      for (const Json& row : value) {
        std::string line;
        for (const auto& [name, field] : row.items())
          line += fmt::format(
              "{} {}  ", name,
              field.is_number_float() ? fmt::format("{:.4g}", field.get<double>()) : field.dump());
        fmt::print("{}{}\n", indent, line);
      }
    } else if (value.is_object()) {
      fmt::print("{}{}\n", indent, key);
      print_human(value, indent + "  ");
    } else if (value.is_number_float()) {
      fmt::print("{}{:38} {:.4g}\n", indent, key, value.get<double>());
    } else {
      fmt::print("{}{:38} {}\n", indent, key,
                 value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures this machine's limits, and how close training and decoding come to them",
               "minillm-bench");
  std::string what, size_name = "xs", precision_name = "fp32", data, tokenizer;
  int repetitions = 7;
  Index length = 0;
  bool json = false;
  app.add_option("what", what, "kernels, train, sft, dpo or generate")
      ->required()
      ->check(CLI::IsMember({"kernels", "train", "sft", "dpo", "generate"}));
  app.add_option("--data", data, "sft: conversations to train on");
  app.add_option("--tokenizer", tokenizer, "sft: tokenizer.model; sets the vocabulary size");
  app.add_option("--size", size_name, "xxs, xs, s, m; for generate also s15, s110")
      ->check(CLI::IsMember({"xxs", "xs", "s", "m", "s15", "s110"}))
      ->capture_default_str();
  app.add_option(
         "--length", length,
         "tokens per sequence; the batch keeps its number of tokens; 0 = the size's default")
      ->check(CLI::Range(0, 1 << 16))
      ->capture_default_str();
  app.add_option("--precision", precision_name, "fp32 or bf16; for generate also int8")
      ->check(CLI::IsMember({"fp32", "bf16", "int8"}))
      ->capture_default_str();
  app.add_option("--repetitions", repetitions, "measurements; the median is reported")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_flag("--json", json, "print one JSON object on stdout");
  return run_tool(app, argc, argv, [&] {
    MINILLM_CHECK_USAGE((what == "sft") == (!data.empty() && !tokenizer.empty()),
                        "--data and --tokenizer: expected both with sft, and with nothing else");
    Size size = *std::ranges::find(kSizes, size_name, &Size::name);
    if (length > 0)
      size = {size.name, size.C, size.L, size.H,
              size.F,    size.V, length, std::max<Index>(1, size.B * size.T / length)};
    const Precision precision = precision_name == "bf16"   ? Precision::kBfloat16
                                : precision_name == "int8" ? Precision::kInt8
                                                           : Precision::kFloat;
    MINILLM_CHECK_USAGE(precision != Precision::kInt8 || what == "generate",
                        "--precision int8: expected with generate");
    const Machine machine = measure_machine();
    Json report = {{"what", what},
                   {"size", size_name},
                   {"precision", precision_name},
                   {"threads", omp_get_max_threads()},
                   {"kernels", gemm::kernels(precision).name},
                   {"machine",
                    {{"fp32_gflops", machine.flops * 1e-9},
                     {"bf16_gflops", machine.bf16_flops * 1e-9},
                     {"read_gigabytes_per_second", machine.bandwidth * 1e-9}}}};
    report["result"] = what == "train" ? bench_train(size, precision, repetitions, machine)
                       : what == "sft" ? bench_sft(size, precision, repetitions, data, tokenizer)
                       : what == "dpo" ? bench_dpo(size, precision, repetitions)
                       : what == "kernels" ? bench_kernels(size, precision, repetitions, machine)
                                           : bench_generate(size, precision, repetitions, machine);
    if (json)
      fmt::print("{}\n", report.dump());
    else
      print_human(report);
    return 0;
  });
}
