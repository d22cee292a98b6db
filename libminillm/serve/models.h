// Models: the checkpoints that are served, each under a name, and the engines that run them.

#ifndef LIBMINILLM_SERVE_MODELS_H_
#define LIBMINILLM_SERVE_MODELS_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/generate/engine.h"
#include "libminillm/nn/model.h"

namespace minillm {

// NAME=PATH, or PATH alone: then it is named after its stage.
struct ModelSource {
  std::string name;  // empty: the stage's; of a model without lineage, its directory's
  std::string path;  // of a checkpoint or run; an adapter is one, too
};
ModelSource parse_model_source(const std::string& text);

struct ServedModel {
  std::string name;
  std::vector<std::string> lineage;  // stages, oldest first; empty: not known
  Tokenizer tokenizer;               // with the chat template of this model
  size_t longest_token;              // in bytes
  bool chats;                        // it was taught to; or it is not ours, and has a template
  ModelConfig config;
  int64_t parameters;                      // with its adapter's
  Index context;                           // positions for prompt and answer
  std::string weights_hash;                // Checkpoint::weights_hash
  const char* weights;                     // what they are rounded to: "fp32", "bf16", "int8"
  std::shared_ptr<const Adapter> adapter;  // on the engine's model; null: none
  Engine* engine;
};

struct ModelsConfig {
  EngineConfig engine = {};  // of each
  std::optional<Precision> weights = {};
  bool force = false;  // a tokenizer with another chat template than the model was taught is fine
};

class Models {
 public:
  // Loads them all. Adapters of one base, and the base itself, share its weights and its engine.
  // `on_warning`: what Checkpoint::warnings() says. Throws Error, also if two have one name.
  Models(const std::vector<ModelSource>& sources, const ModelsConfig& config,
         const std::function<void(const std::string&)>& on_warning);

  const std::vector<ServedModel>& all() const { return models_; }
  // Empty: the first one. Throws ApiError 404 if there is none of that name.
  const ServedModel& find(std::string_view name) const;
  std::vector<Engine*> engines() const;

 private:
  // A base with what runs it.
  struct Base {
    Model model;
    Tokenizer tokenizer;
    std::unique_ptr<Engine> engine;
  };
  Base& base_of(const Checkpoint& base, const Tokenizer& tokenizer, const ModelsConfig& config);
  void add(const ModelSource& source, const ModelsConfig& config,
           const std::function<void(const std::string&)>& on_warning);

  std::map<std::string, std::unique_ptr<Base>> bases_;  // by weights_hash
  std::vector<ServedModel> models_;
};

}  // namespace minillm

#endif  // LIBMINILLM_SERVE_MODELS_H_
