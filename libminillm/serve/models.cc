#include "libminillm/serve/models.h"

#include <algorithm>
#include <filesystem>

#include "libminillm/core/check.h"
#include "libminillm/generate/chat.h"
#include "libminillm/nn/packed_weights.h"
#include "libminillm/serve/api_error.h"

namespace minillm {
namespace {

std::vector<std::string> lineage_of(const Checkpoint& checkpoint) {
  std::vector<std::string> stages;
  if (checkpoint.state())
    for (const LineageEntry& entry : checkpoint.state()->lineage) stages.push_back(entry.stage);
  return stages;
}

std::string name_of(const ModelSource& source, const std::vector<std::string>& lineage) {
  if (!source.name.empty()) return source.name;
  if (!lineage.empty()) return lineage.back();
  const auto path = std::filesystem::path(source.path).lexically_normal();
  return path.has_filename() ? path.filename() : path.parent_path().filename();
}

size_t longest_token(const Tokenizer& tokenizer) {
  size_t longest = 1;
  for (Token token = 0; token < tokenizer.vocab_size(); ++token)
    longest = std::max(longest, tokenizer.token_bytes(token).size());
  return longest;
}

const char* precision_name(Precision precision) {
  switch (precision) {
    case Precision::kFloat:
      return "fp32";
    case Precision::kBfloat16:
      return "bf16";
    case Precision::kInt8:
      return "int8";
  }
  return "unknown";
}

}  // namespace

ModelSource parse_model_source(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || std::filesystem::exists(text)) return {"", text};
  ModelSource source{text.substr(0, equals), text.substr(equals + 1)};
  MINILLM_CHECK_USAGE(!source.name.empty() && !source.path.empty(),
                      "checkpoint '{}': expected NAME=PATH or PATH", text);
  return source;
}

Models::Models(const std::vector<ModelSource>& sources, const ModelsConfig& config,
               const std::function<void(const std::string&)>& on_warning) {
  MINILLM_CHECK_USAGE(!sources.empty(), "models: expected one or more");
  for (const ModelSource& source : sources) add(source, config, on_warning);
}

Models::Base& Models::base_of(const Checkpoint& base, const Tokenizer& tokenizer,
                              const ModelsConfig& config) {
  std::unique_ptr<Base>& found = bases_[base.weights_hash()];
  if (found == nullptr) {
    found =
        std::make_unique<Base>(Base{base.load_model(Checkpoint::Use::kFrozen), tokenizer, nullptr});
    const Weights& weights = found->model.weights();
    auto packed = std::make_shared<PackedWeights>(found->model.config(), weights,
                                                  config.weights.value_or(weights.head.precision));
    found->engine =
        std::make_unique<Engine>(found->model, &found->tokenizer, std::move(packed), config.engine);
  }
  return *found;
}

void Models::add(const ModelSource& source, const ModelsConfig& config,
                 const std::function<void(const std::string&)>& on_warning) {
  const Checkpoint checkpoint = Checkpoint::open(source.path);
  for (const std::string& warning : checkpoint.warnings()) on_warning(warning);
  MINILLM_CHECK(checkpoint.has_tokenizer(),
                "checkpoint '{}': it has no tokenizer, without which no text can be served",
                source.path);
  MINILLM_CHECK(checkpoint.model_config().heads == Heads::kLanguageModel,
                "checkpoint '{}': expected a language model, got a reward model", source.path);
  const Tokenizer tokenizer = checkpoint.tokenizer();
  const std::string taught = taught_chat_template(checkpoint.state());
  if (!config.force) check_chat_template(taught, tokenizer);

  const bool is_adapter = checkpoint.base() != nullptr;
  Base& base = base_of(is_adapter ? *checkpoint.base() : checkpoint, tokenizer, config);
  MINILLM_CHECK(tokenizer.hash() == base.tokenizer.hash(),
                "checkpoint '{}': its tokenizer is another than that of its base", source.path);
  std::shared_ptr<const Adapter> adapter;
  if (is_adapter) adapter = std::make_shared<const Adapter>(checkpoint.load_adapter(base.model));

  const ModelConfig& model = base.model.config();
  const std::vector<std::string> lineage = lineage_of(checkpoint);
  const Index rows = config.engine.slot_rows == 0
                         ? model.max_position_embeddings
                         : std::min(config.engine.slot_rows, model.max_position_embeddings);
  ServedModel served{
      .name = name_of(source, lineage),
      .lineage = lineage,
      .tokenizer = tokenizer,
      .longest_token = longest_token(tokenizer),
      .chats = tokenizer.chat_template() != nullptr && (!taught.empty() || lineage.empty()),
      .config = model,
      .parameters = model.parameter_count() + (adapter ? std::ssize(adapter->parameters()) : 0),
      .context = rows - (adapter ? adapter->virtual_tokens() : 0),
      .weights_hash = checkpoint.weights_hash(),
      .weights = precision_name(config.weights.value_or(base.model.weights().head.precision)),
      .adapter = adapter,
      .engine = base.engine.get()};
  MINILLM_CHECK_USAGE(
      std::ranges::none_of(models_,
                           [&](const ServedModel& other) { return other.name == served.name; }),
      "models: two are named '{}' (NAME=PATH gives a name)", served.name);
  models_.push_back(std::move(served));
}

const ServedModel& Models::find(std::string_view name) const {
  if (name.empty()) return models_.front();
  const auto found = std::ranges::find(models_, name, &ServedModel::name);
  if (found != models_.end()) return *found;
  std::string names;
  for (const ServedModel& model : models_) names += (names.empty() ? "" : ", ") + model.name;
  throw ApiError(404, fmt::format("model '{}': not served: expected {}", name, names), "model",
                 "model_not_found");
}

std::vector<Engine*> Models::engines() const {
  std::vector<Engine*> engines;
  for (const auto& [hash, base] : bases_) engines.push_back(base->engine.get());
  return engines;
}

}  // namespace minillm
