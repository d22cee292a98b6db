#include "libminillm/nn/virtual_tokens.h"

#include "libminillm/core/check.h"
#include "libminillm/core/rng.h"
#include "libminillm/nn/kv_cache.h"
#include "libminillm/nn/workspace.h"

namespace minillm {
namespace {

constexpr uint64_t kDrawStream = 0x7669727475616c;  // "virtual"

}  // namespace

std::vector<Token> tokens_to_begin_as(const Adapter& adapter, std::span<const Token> text,
                                      Index vocab_size, uint64_t seed) {
  std::vector<Token> tokens;
  Rng rng(seed, kDrawStream);
  for (size_t i = 0; std::ssize(tokens) < adapter.virtual_tokens(); ++i)
    tokens.push_back(text.empty() ? static_cast<Token>(rng.below(static_cast<uint64_t>(vocab_size)))
                                  : text[i % text.size()]);
  return tokens;
}

void initialize_virtual_tokens(Adapter& adapter, const Model& base, std::span<const Token> tokens) {
  const ModelConfig& config = base.config();
  const Index P = adapter.virtual_tokens();
  MINILLM_CHECK(std::ssize(tokens) == P, "virtual tokens: expected {} to begin as, got {}", P,
                tokens.size());
  KvCache cache(config, P);
  Workspace workspace(config, P, 1, Workspace::Mode::kInference, base.inner_states());
  base.forward({{tokens.begin(), tokens.end()}, {{0, P, 0, 0, -1}}, {}}, workspace, &cache);

  const TensorInfo& tensor = *adapter.tensors().find(kPromptName);
  Real* const values = adapter.parameters().data() + tensor.offset;
  const Index stride = tensor.shape.back();
  if (!adapter.shape().prefix) {
    for (Index i = 0; i < P; ++i)
      base.weights().embed.read_row(tokens[static_cast<size_t>(i)], values + i * stride);
    return;
  }
  const Index width = stride / (2 * config.num_hidden_layers);
  for (Index layer = 0; layer < config.num_hidden_layers; ++layer) {
    for (Index row = 0; row < P; ++row) {
      Real* const keys = values + row * stride + 2 * layer * width;
      cache.read(layer, row, keys, keys + width);
    }
  }
}

}  // namespace minillm
