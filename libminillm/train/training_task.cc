#include "libminillm/train/training_task.h"

namespace minillm {

TrainingTask model_task(Model& model, const Tokenizer* tokenizer) {
  TrainingTask task;
  task.trainable = trainable_of(model);
  task.contents = [&model, tokenizer] {
    CheckpointContents contents;
    contents.model = &model;
    contents.tokenizer = tokenizer;
    return contents;
  };
  task.load = [&model](const Checkpoint& checkpoint) { checkpoint.load_parameters(model); };
  return task;
}

}  // namespace minillm
