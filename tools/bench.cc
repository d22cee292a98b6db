// minillm-bench: how fast this machine is, and what share of that training and decoding use.
//
// Every figure is given beside the machine's own limits, measured in the same run: multiply-adds in
// registers, and reading memory. Floating-point operations are counted as
//
//   training, per token   6 (L (4 C^2 + 3 C F) + V C) + 6 L T C
//
// the products forward and backward, the head once, and the causal half of attention.

#include "tools/bench.h"

#include <algorithm>
#include <vector>

#include "libminillm/core/check.h"
#include "libminillm/core/rng.h"
#include "libminillm/generate/generator.h"
#include "libminillm/nn/adapter_config.h"
#include "libminillm/nn/model.h"
#include "libminillm/ops/gemm/kernels.h"
#include "tools/tool_main.h"

namespace {

using namespace minillm;

// Greedy decoding of one stream and of many, and reading a prompt of 512 tokens, or as many as fit.
Json bench_generate(const Size& size, Precision precision, Index streams, int repetitions,
                    const Machine& machine) {
  Model model(size.model());
  model.initialize(1);
  Generator generator(model);
  Rng rng(1);
  const Index longest = std::min<Index>(512, model.config().max_position_embeddings - 1);
  std::vector<Token> prompt(1, 1), long_prompt(static_cast<size_t>(longest));
  for (Token& t : long_prompt) t = static_cast<Token>(rng.below(static_cast<uint64_t>(size.V)));
  GenerationConfig config;
  config.sampling.temperature = 0;
  config.weights = precision;
  config.stop_tokens = {static_cast<Token>(size.V)};  // no token: never stops
  const auto seconds_for = [&](std::vector<Token> tokens, Index count) {
    config.max_tokens = count;
    return median_seconds(repetitions, [&] {
      tokens[0] = (tokens[0] + 1) % static_cast<Token>(size.V);  // nothing of it is known already
      generator.generate(tokens, config);
    });
  };
  const double few = seconds_for(prompt, 1), many = seconds_for(prompt, 129);
  const double read = seconds_for(long_prompt, 1);
  const double decode = 128 / (many - few);
  // int8: a byte, and a float per 256 of them.
  const double word = precision == Precision::kFloat      ? 4
                      : precision == Precision::kBfloat16 ? 2
                                                          : 1 + 4 / 256.0;
  const double bytes = size.product_parameters() * word;
  const double prefill = static_cast<double>(longest - 1) / (read - few);
  Json result = {{"decode_tokens_per_second", decode},
                 {"prefill_tokens_per_second", prefill},
                 {"decode_weight_gigabytes_per_second", decode * bytes * 1e-9},
                 {"share_of_bandwidth", decode * bytes / machine.bandwidth}};
  if (streams == 1) return result;

  std::vector<std::vector<Token>> prompts(static_cast<size_t>(streams), std::vector<Token>(24));
  const auto seconds_of_all = [&](Index count) {
    config.max_tokens = count;
    return median_seconds(repetitions, [&] {
      for (auto& tokens : prompts)
        for (Token& t : tokens) t = static_cast<Token>(rng.below(static_cast<uint64_t>(size.V)));
      generator.generate_all(prompts, config, streams);
    });
  };
  const double of_one = seconds_of_all(1), of_many = seconds_of_all(65);
  const double rate = 64 * static_cast<double>(streams) / (of_many - of_one);
  result["streams"] = streams;
  result["streams_decode_tokens_per_second"] = rate;
  result["streams_over_one"] = rate / decode;
  result["streams_over_prefill"] = rate / prefill;
  return result;
}

// 64 streams over one adapter and over five, in turn.
Json bench_adapters(const Size& size, Precision precision, Index rank, int repetitions) {
  Model model(size.model());
  model.initialize(1);
  model.set_precision(precision);
  std::vector<std::unique_ptr<Adapter>> owned;
  std::vector<const Adapter*> adapters;
  Rng rng(1);
  for (int a = 0; a < 5; ++a) {
    owned.push_back(
        std::make_unique<Adapter>(model.config(), lora_shape(model.config(), {.rank = rank})));
    for (Real& w : owned.back()->parameters()) w = static_cast<Real>(0.02 * rng.normal());
    adapters.push_back(owned.back().get());
  }
  std::vector<std::vector<Token>> prompts(64);
  for (auto& prompt : prompts)
    for (int t = 0; t < 16; ++t)
      prompt.push_back(static_cast<Token>(rng.below(static_cast<uint64_t>(size.V))));
  GenerationConfig config;
  config.sampling.temperature = 0;
  config.max_tokens = 64;
  config.stop_tokens = {static_cast<Token>(size.V)};  // no token: never stops
  Generator generator(model);
  std::vector<Index> none(64, -1), one(64, 0), five(64);
  for (size_t i = 0; i < five.size(); ++i) five[i] = static_cast<Index>(i % 5);
  std::vector<double> times[3];
  for (int i = 0; i <= repetitions; ++i) {
    int which = 0;
    for (const auto* choice : {&none, &one, &five}) {
      const double begin = now();
      generator.generate_all(prompts, config, 64, {adapters, *choice});
      if (i > 0) times[which].push_back(now() - begin);
      ++which;
    }
  }
  const double tokens = 64 * 64;
  return {{"rank", rank},
          {"tokens_per_second_without", tokens / median(times[0])},
          {"tokens_per_second_one_adapter", tokens / median(times[1])},
          {"tokens_per_second_five_adapters", tokens / median(times[2])},
          {"one_over_none", median(times[0]) / median(times[1])},
          {"five_over_one", median(times[1]) / median(times[2])}};
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
  std::string what, size_name = "xs", precision_name = "fp32", optimizer = "adamw", data, tokenizer;
  int repetitions = 7;
  Index length = 0, rank = 8, streams = 1;
  bool json = false, neighbour = false;
  app.add_option("what", what, "kernels, train, lora, sft, dpo, rl, generate, streams or adapters")
      ->required()
      ->check(CLI::IsMember(
          {"kernels", "train", "lora", "sft", "dpo", "rl", "generate", "streams", "adapters"}));
  app.add_option("--data", data, "sft: conversations to train on");
  app.add_option("--tokenizer", tokenizer, "sft: tokenizer.model; sets the vocabulary size");
  app.add_option("--size", size_name, "xxs, xs, s, m; for generate and streams also s15, s110")
      ->check(CLI::IsMember({"xxs", "xs", "s", "m", "s15", "s110"}))
      ->capture_default_str();
  app.add_option(
         "--length", length,
         "tokens per sequence; the batch keeps its number of tokens; 0 = the size's default")
      ->check(CLI::Range(0, 1 << 16))
      ->capture_default_str();
  app.add_option("--rank", rank, "lora, adapters: of the adapters")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--streams", streams, "generate: texts that are decoded at once, beside one alone")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_flag("--neighbour", neighbour,
               "train: also beside a process that keeps a core busy, which is started for it");
  app.add_option("--precision", precision_name, "fp32 or bf16; for generate and streams also int8")
      ->check(CLI::IsMember({"fp32", "bf16", "int8"}))
      ->capture_default_str();
  app.add_option("--optimizer", optimizer, "train: adamw or muon")
      ->check(CLI::IsMember({"adamw", "muon"}))
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
    MINILLM_CHECK_USAGE(precision != Precision::kInt8 || what == "generate" || what == "streams",
                        "--precision int8: expected with generate or streams");
    MINILLM_CHECK_USAGE(streams == 1 || what == "generate", "--streams: expected with generate");
    MINILLM_CHECK_USAGE(!neighbour || what == "train", "--neighbour: expected with train");
    const Machine machine = measure_machine();
    Json report = {{"what", what},
                   {"size", size_name},
                   {"precision", precision_name},
                   {"threads", thread_count()},
                   {"kernels", gemm::kernels(precision).name},
                   {"machine",
                    {{"fp32_gflops", machine.flops * 1e-9},
                     {"bf16_gflops", machine.bf16_flops * 1e-9},
                     {"read_gigabytes_per_second", machine.bandwidth * 1e-9}}}};
    report["result"] =
        what == "train"
            ? bench_train(size, precision, {optimizer == "muon", neighbour}, repetitions, machine)
        : what == "lora"     ? bench_lora(size, precision, rank, repetitions)
        : what == "sft"      ? bench_sft(size, precision, repetitions, data, tokenizer)
        : what == "dpo"      ? bench_dpo(size, precision, repetitions)
        : what == "rl"       ? bench_rl(size, precision, repetitions)
        : what == "streams"  ? bench_streams(size, precision, repetitions)
        : what == "adapters" ? bench_adapters(size, precision, rank, repetitions)
        : what == "kernels"  ? bench_kernels(size, precision, repetitions, machine)
                             : bench_generate(size, precision, streams, repetitions, machine);
    if (json)
      fmt::print("{}\n", report.dump());
    else
      print_human(report);
    return 0;
  });
}
