// minillm-bench streams: what the engine makes of many streams, and of somebody's long prompt.

#include <memory>

#include "libminillm/core/rng.h"
#include "libminillm/generate/engine.h"
#include "tools/bench.h"

namespace minillm {
namespace {

constexpr Index kPrompt = 24, kTokens = 64, kLongPrompt = 2048;

class Streams {
 public:
  Streams(const Size& size, Precision precision) : model_(with_long_context(size)) {
    model_.initialize(1);
    packed_ = std::make_shared<PackedWeights>(model_.config(), model_.weights(), precision);
  }

  Engine engine(Index slots, Index prompt_rows, Index slot_rows) const {
    return Engine(model_, nullptr, packed_,
                  {.slots = slots,
                   .prompt_rows = prompt_rows,
                   .queue = 1024,
                   .slot_rows = slot_rows,
                   .reuse_prefixes = false});
  }
  EngineRequest request(Index prompt, Index max_tokens, double temperature) {
    const auto vocabulary = static_cast<uint64_t>(model_.config().vocab_size);
    EngineRequest request;
    for (Index t = 0; t < prompt; ++t)
      request.prompt.push_back(static_cast<Token>(rng_.below(vocabulary)));
    request.config.max_tokens = max_tokens;
    request.config.sampling.temperature = temperature;
    request.config.sampling.top_p = temperature > 0 ? 0.9 : 1;
    request.config.stop_tokens = {static_cast<Token>(vocabulary)};  // no token: never stops
    return request;
  }

 private:
  static ModelConfig with_long_context(const Size& size) {
    ModelConfig config = size.model();
    config.max_position_embeddings = std::max(config.max_position_embeddings, kLongPrompt + 64);
    return config;
  }

  Model model_;
  std::shared_ptr<const PackedWeights> packed_;
  Rng rng_{1};
};

double tokens_per_second(Streams& streams, Index count, double temperature, int repetitions) {
  Engine engine = streams.engine(count, 256, kPrompt + kTokens);
  const double seconds = median_seconds(repetitions, [&] {
    for (Index i = 0; i < count; ++i)
      engine.submit(streams.request(kPrompt, kTokens, temperature), {});
    while (engine.step()) continue;
  });
  return static_cast<double>(count * kTokens) / seconds;
}

// Seven streams run; an eighth comes with its long prompt: how long the others wait for a token.
Json long_prompt(Streams& streams, Index prompt_rows, int repetitions) {
  std::vector<double> longest, first_token, alone;
  for (int i = 0; i <= repetitions; ++i) {
    Engine engine = streams.engine(8, prompt_rows, kLongPrompt + 64);
    for (int s = 0; s < 7; ++s) engine.submit(streams.request(kPrompt, kLongPrompt, 0), {});
    for (int s = 0; s < 8; ++s) engine.step();
    const auto step_seconds = [&] {
      const double begin = now();
      engine.step();
      return now() - begin;
    };
    std::vector<double> plain;
    for (int s = 0; s < 16; ++s) plain.push_back(step_seconds());
    bool spoke = false;
    engine.submit(streams.request(kLongPrompt, 2, 0),
                  {.on_token = [&](const TokenEvent&) { spoke = true; }});
    double slowest = 0, all = 0;
    while (!spoke) {
      const double seconds = step_seconds();
      slowest = std::max(slowest, seconds);
      all += seconds;
    }
    if (i == 0) continue;  // warms up
    alone.push_back(median(plain));
    longest.push_back(slowest);
    first_token.push_back(all);
  }
  return {{"prompt_rows", prompt_rows},
          {"step_milliseconds", median(alone) * 1e3},
          {"longest_step_milliseconds", median(longest) * 1e3},
          {"first_token_milliseconds", median(first_token) * 1e3}};
}

}  // namespace

Json bench_streams(const Size& size, Precision precision, int repetitions) {
  Streams streams(size, precision);
  Json result = {{"streams", Json::array()}, {"long_prompt", Json::array()}};
  for (const Index count : {1, 2, 4, 8, 16, 32, 64})
    result["streams"].push_back(
        {{"streams", count},
         {"greedy_tokens_per_second", tokens_per_second(streams, count, 0, repetitions)},
         {"top_p_tokens_per_second", tokens_per_second(streams, count, 0.8, repetitions)}});
  for (const Index prompt_rows : {Index{64}, Index{256}, kLongPrompt})
    result["long_prompt"].push_back(long_prompt(streams, prompt_rows, repetitions));
  return result;
}

}  // namespace minillm
