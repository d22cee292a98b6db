// Supervised fine-tuning: a base model learns the form of a conversation: to answer, in the form
// asked for, and to stop.
//
//   data       conversations
//   objective  next-token prediction on the assistant's words and its end token only
//   result     a chat model
//
// A small model forgets what it is not told again, probably because names that no answer mentions
// become improbable. So texts of the stage before can be replayed among the conversations
// (options.replay_files); all of their tokens carry loss.
//
// Method: Ouyang et al. 2022, arXiv:2203.02155, step 1.

#ifndef LIBMINILLM_SFT_SFT_H_
#define LIBMINILLM_SFT_SFT_H_

#include <string>

#include "libminillm/data/dataset_reader.h"  // Dataset
#include "libminillm/data/record.h"          // Conversation
#include "libminillm/stage/stage.h"
#include "libminillm/train/train_config.h"

namespace minillm {

struct SftConfig {
  TrainConfig train;
  DataConfig data;
  double replay_share = 0.2;     // of all tokens, if texts are replayed
  double replay_loss_share = 0;  // of the tokens that carry loss; 0: replay_share counts
  // What ends a document in a replayed .txt file: "blank_line", "line", "file".
  std::string document_split = "blank_line";
  // The embedding and a head tied to it are not trained, but for the rows of tokens that the
  // replayed texts do not have; without texts, for those of control tokens.
  bool freeze_embeddings = false;
};
void list_fields(ConfigFields& fields, SftConfig& config);

// Trains options.init_from on conversations. Throws Error; core/error.h lists the exit codes.
TrainOutcome sft(SftConfig config, const StageOptions& options, const TrainerEvents& events);

// Rows in memory: made by the program, or read by read_conversations.
struct SftData {
  Dataset<Conversation> train, held_out;
  Dataset<std::string> replay;  // texts
};
// Trains `model` in place. Without options.out nothing is written.
TrainOutcome sft(SftConfig config, SftData data, StageModel& model,
                 const StageOptions& options = {}, const TrainerEvents& events = {});

}  // namespace minillm

#endif  // LIBMINILLM_SFT_SFT_H_
