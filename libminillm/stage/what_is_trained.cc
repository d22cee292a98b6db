// What of its model a stage trains: all of it, an adapter, or all but some rows of the embedding.

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/eval/stage_notes.h"
#include "libminillm/nn/adapter_composition.h"  // merged
#include "libminillm/nn/virtual_tokens.h"
#include "libminillm/stage/stage_run.h"

namespace minillm {
namespace {

// Whether a stage of this history taught to chat.
bool knows_chats(const std::vector<LineageEntry>& lineage) {
  return std::ranges::any_of(
      lineage, [](const LineageEntry& entry) { return stage_notes(entry.stage).chat; });
}

std::vector<Token> control_tokens(const Tokenizer& tokenizer) {
  std::vector<Token> tokens;
  for (Token token = 0; token < tokenizer.vocab_size(); ++token)
    if (tokenizer.is_control(token)) tokens.push_back(token);
  return tokens;
}

}  // namespace

// The model, into which an adapter that it has is merged; or an adapter: a new one, or that which
// the model has.
void StageRun::choose_what_is_trained() {
  Model& model = start_->model;
  const AdapterConfig& config = train_.adapter;
  if (!config.enabled()) {
    if (model.adapter() == nullptr) return;
    say("the starting point's adapter is merged into its weights, all of which are trained "
        "(lora.rank trains an adapter)");
    model = merged(model);
    return;
  }
  MINILLM_CHECK_USAGE(!start_->weights_hash.empty(),
                      "config: lora.rank, parallel.width, prompt.tokens, prefix.tokens: expected 0 "
                      "where training is from scratch: there is nothing yet to adapt");
  AdapterShape shape = adapter_shape(model.config(), config);
  const Adapter* const before = model.adapter();
  if (before != nullptr)
    shape.tokens = before->shape().tokens;
  else if (config.new_tokens() && stage_notes(stage_).chat && !knows_chats(start_->lineage))
    shape.tokens = control_tokens(tokenizer());
  const auto adapter = std::make_shared<Adapter>(model.config(), shape);
  if (before != nullptr) {
    const AdapterShape& own = before->shape();
    MINILLM_CHECK_USAGE(own.updates == shape.updates &&
                            own.virtual_tokens == shape.virtual_tokens &&
                            own.prefix == shape.prefix,
                        "config: the starting point's adapter is {}, with other settings than "
                        "asked for: expected its own, or none of lora.rank, parallel.width, "
                        "prompt.tokens and prefix.tokens, which merges LoRA into the model and "
                        "trains that",
                        describe(own));
    std::ranges::copy(before->parameters(), adapter->parameters().begin());
    adapter->base_path = before->base_path, adapter->base_hash = before->base_hash;
  } else {
    adapter->initialize(train_.seed, model.weights());
    if (adapter->virtual_tokens() > 0)
      initialize_virtual_tokens(
          *adapter, model,
          tokens_to_begin_as(*adapter, tokenizer().encode(config.virtual_tokens().text),
                             model.config().vocab_size, train_.seed));
    adapter->base_path = start_->path;
    if (!start_->path.empty()) adapter->base_hash = start_->weights_hash;
  }
  model.adapt(adapter);
  say(fmt::format("trained: an adapter of {} parameters; {} are frozen", adapter->tensors().size(),
                  model.config().parameter_count()));
}

void StageRun::freeze_embedding(const std::vector<bool>& known) {
  if (model().adapter() != nullptr) return;  // all of it is frozen
  const TensorInfo& embedding = *model().tensors().find("model.embed_tokens.weight");
  const Index rows = embedding.shape.front(), width = embedding.shape.back();
  Index frozen = 0;
  for (Index row = 0; row < rows; ++row) {
    if (!known[static_cast<size_t>(row)]) continue;
    ++frozen;
    const Index begin = embedding.offset + row * width;
    if (!frozen_.empty() && frozen_.back().end == begin)
      frozen_.back().end += width;
    else
      frozen_.push_back({begin, begin + width});
  }
  say(fmt::format("frozen: {} of {} rows of {}", frozen, rows, embedding.name));
}

}  // namespace minillm
