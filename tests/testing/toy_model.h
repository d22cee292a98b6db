// A tokenizer and a model small enough for a unit test. The model's weights are random but large,
// so that its predictions differ from token to token; what it says is noise.

#ifndef TESTS_TESTING_TOY_MODEL_H_
#define TESTS_TESTING_TOY_MODEL_H_

#include <string>
#include <vector>

#include "libminillm/core/rng.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/nn/model.h"

namespace minillm_testing {

// 300 pieces: controls, bytes, and what occurs in these few sentences.
inline const minillm::Tokenizer& toy_tokenizer() {
  static const minillm::Tokenizer tokenizer = [] {
    const std::vector<std::string> texts = {"the cooper has a goat and the goat has a name",
                                            "a mason lives on the lane with the goat",
                                            "the name of the lane is the name of the mason"};
    size_t next = 0;
    const std::string model = minillm::train_tokenizer(
        [&](std::string& text) {
          if (next == texts.size()) return false;
          text = texts[next++];
          return true;
        },
        {.vocab_size = 300});
    return minillm::Tokenizer::from_bytes(model, "toy tokenizer");
  }();
  return tokenizer;
}

inline minillm::ModelConfig toy_config(minillm::Index context = 64) {
  minillm::ModelConfig config;
  config.vocab_size = 300;
  config.hidden_size = 32;
  config.intermediate_size = 48;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 8;
  config.max_position_embeddings = context;
  config.initializer_range = 0.3;
  return config;
}

inline minillm::Model toy_model(uint64_t seed = 1, minillm::Index context = 64) {
  minillm::Model model(toy_config(context));
  model.initialize(seed);
  return model;
}

// `count` ids, the first one BOS, none a control id.
inline std::vector<minillm::Token> random_tokens(size_t count, uint64_t seed) {
  minillm::Rng rng(seed);
  std::vector<minillm::Token> tokens = {toy_tokenizer().bos()};
  while (tokens.size() < count) tokens.push_back(static_cast<minillm::Token>(6 + rng.below(294)));
  return tokens;
}

}  // namespace minillm_testing

#endif  // TESTS_TESTING_TOY_MODEL_H_
