// Pretraining: the model learns to continue text, and with that everything it will ever know.
//
//   data       raw text, cut into documents
//   objective  next-token prediction on every token (objectives/next_token.h)
//   result     a base model: it continues text; it does not answer
//
// With options.init_from it is continued pretraining: the same stage on other text, starting from
// the weights of another run. So that what those know is not forgotten, text of before can be
// replayed among the new (options.replay_files).

#ifndef LIBMINILLM_PRETRAIN_PRETRAIN_H_
#define LIBMINILLM_PRETRAIN_PRETRAIN_H_

#include <string>
#include <vector>

#include "libminillm/data/dataset_reader.h"  // Dataset
#include "libminillm/nn/model_config.h"
#include "libminillm/stage/stage.h"
#include "libminillm/train/train_config.h"

namespace minillm {

struct PretrainConfig {
  ModelConfig model;  // of a fresh model; one that is given keeps its own
  TrainConfig train;
  DataConfig data;
  // What ends a document in a .txt file: "blank_line", "line", "file".
  std::string document_split = "blank_line";
  int64_t max_length = 0;     // longest window of a document; 0 = model.max_position_embeddings
  double replay_share = 0.2;  // of all tokens, if texts are replayed
};
void list_fields(ConfigFields& fields, PretrainConfig& config);

// The work of events.on_progress that heeds no stop request from its 0 to its 1: sentencepiece asks
// nobody. Until it is done the run directory holds no file that matters.
inline constexpr const char* kTrainingTokenizer = "training the tokenizer";

// Trains options.init_from, or from scratch: a new model with the tokenizer of options.tokenizer,
// or with one of model.vocab_size pieces that is trained on the training files. Throws Error;
// core/error.h lists the exit codes.
TrainOutcome pretrain(PretrainConfig config, const StageOptions& options,
                      const TrainerEvents& events);

// Documents in memory.
struct PretrainData {
  Dataset<std::string> train, held_out, replay;
};
// Trains `model` in place. Without options.out nothing is written.
TrainOutcome pretrain(PretrainConfig config, const PretrainData& data, StageModel& model,
                      const StageOptions& options = {}, const TrainerEvents& events = {});
// What pretraining from scratch starts from: random weights, for the tokenizer's pieces.
StageModel fresh_model(const PretrainConfig& config, Tokenizer tokenizer);
// A tokenizer of config.model.vocab_size pieces for such documents, as bytes.
std::string train_tokenizer(const PretrainConfig& config,
                            const std::vector<std::string>& documents);

}  // namespace minillm

#endif  // LIBMINILLM_PRETRAIN_PRETRAIN_H_
