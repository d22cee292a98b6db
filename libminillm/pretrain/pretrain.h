// Pretraining: the model learns to continue text, and with that everything it will ever know.
//
//   data       raw text, documents apart
//   objective  next-token prediction on every token (objectives/next_token.h)
//   result     a base model: it continues text; it does not answer
//
// With `init_from` it is continued pretraining: the same stage on other text, from another stage's
// weights.

#ifndef LIBMINILLM_PRETRAIN_PRETRAIN_H_
#define LIBMINILLM_PRETRAIN_PRETRAIN_H_

#include <string>

#include "libminillm/nn/model_config.h"
#include "libminillm/stage/stage.h"
#include "libminillm/train/train_config.h"

namespace minillm {

struct PretrainConfig {
  ModelConfig model;  // ignored with init_from: the checkpoint says
  TrainConfig train;
  DataConfig data;
  std::string document_split =
      "blank_line";        // what ends a document in a .txt file: "blank_line", "line", "file"
  int64_t max_length = 0;  // longest window of a document; 0 = model.max_position_embeddings
};
void list_fields(ConfigFields& fields, PretrainConfig& config);

// `tokenizer_path` may be empty: then init_from's tokenizer is used, or, from scratch, one of
// model.vocab_size is trained on the training files. Throws Error (core/error.h tells the exit
// codes).
TrainOutcome pretrain(PretrainConfig config, const StageOptions& options,
                      const std::string& tokenizer_path, const TrainerEvents& events);

}  // namespace minillm

#endif  // LIBMINILLM_PRETRAIN_PRETRAIN_H_
