// What a stage is told, and the model that it takes and gives back. How it is run: stage_run.h.
//
// A stage itself (pretrain/, sft/, dpo/) is a data set, a config, a micro-step and an evaluation.

#ifndef LIBMINILLM_STAGE_STAGE_H_
#define LIBMINILLM_STAGE_STAGE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/core/config.h"
#include "libminillm/data/dataset_reader.h"  // DatasetReport
#include "libminillm/data/tokenizer.h"
#include "libminillm/nn/model.h"
#include "libminillm/train/trainer.h"

namespace minillm {

// Which files a run reads and writes: what differs from run to run, and so is not in the config.
struct StageOptions {
  std::vector<std::string> train_files;
  std::vector<std::string> eval_files;  // held out; may be empty
  // What the previous stage learned from, so that it is not forgotten: texts for pretrain and sft,
  // conversations for dpo; may be empty.
  std::vector<std::string> replay_files;
  std::string init_from;  // a checkpoint or run directory; pretraining may leave it empty
  // Adapters on init_from, as one, where it is not itself an adapter. With lora.rank they are
  // trained on, else they are merged into the weights first.
  std::vector<Checkpoint::AdapterArgument> adapters;
  bool force = false;  // takes adapters of another base
  // Pretraining from scratch: a sentencepiece model; empty: one is trained on the training files.
  std::string tokenizer;
  // How conversations are written (data/chat_template.h); empty: as init_from was taught.
  std::string chat_template;
  // The run directory. A stage on rows in memory may leave it empty: nothing is written then.
  std::string out;
  bool resume = false;  // continue the run in `out`
  // Prepare the data, say what memory the run takes, and stop; nothing is written to `out`.
  bool dry_run = false;
  // Who trains together, each with the same config and options (dist/communicator.h); null: one
  // rank. They see the same files. Only the first writes to `out`, and only it is heard.
  Communicator* ranks = nullptr;
};

// The part of every stage's config that is about data.
struct DataConfig {
  std::string on_bad_record = "error";  // or "skip"
  // RowMapping: what columns and roles are called that have names of their own.
  std::map<std::string, std::string> columns, roles;
  std::string reasoning = "drop";           // or "think": learned in front of the answer
  std::vector<std::string> sample_prompts;  // continued every train.sample_every steps
  int64_t sample_tokens = 48;
};
void list_fields(ConfigFields& fields, DataConfig& config);  // keys "data.*"
// Throws Error (kUsage) on a column, role or choice that there is not.
RowMapping row_mapping(const DataConfig& config);

// What a stage starts from, and what one on rows in memory trains in place.
struct StageModel {
  Model model;
  Tokenizer tokenizer;
  std::vector<LineageEntry> lineage;  // the stages it has been through, oldest first
  // Of its checkpoint; of weights that have none, SHA-256 over their bytes; empty: it is fresh.
  std::string weights_hash;
  std::string path = {};  // of its checkpoint; empty: it has none
  std::vector<std::string> warnings = {};
};
// The model gets these heads: a score head begins at zero. Throws Error if there is no such
// checkpoint, it has no tokenizer, it has no language-model head and is to have one, or it was
// taught another chat template than its tokenizer has and none is chosen.
StageModel open_starting_point(const StageOptions& options, Heads heads = Heads::kLanguageModel,
                               Checkpoint::Use use = Checkpoint::Use::kAny);
// How a stage uses the weights that it starts from: where an adapter is trained they are only read.
Checkpoint::Use use_of_start(const TrainConfig& config);
// Another model with the same weights: to train several from one start, or to compare.
StageModel copy_of(const StageModel& start);
// The same with other heads.
StageModel with_heads(const StageModel& start, Heads heads);

// Passes a message on if anybody listens.
void report_message(const TrainerEvents& events, const std::string& message);
// Says what was read: one line per file, with what was dropped and why.
void report_datasets(const std::vector<DatasetReport>& reports, const TrainerEvents& events);

}  // namespace minillm

#endif  // LIBMINILLM_STAGE_STAGE_H_
