#include "libminillm/sft/sft.h"

#include <algorithm>
#include <iterator>

#include "libminillm/core/check.h"
#include "libminillm/core/sha256.h"
#include "libminillm/eval/sft_eval.h"
#include "libminillm/stage/conversation_dataset.h"
#include "libminillm/stage/stage_run.h"
#include "libminillm/train/preflight.h"

namespace minillm {
namespace {

void validate(const SftConfig& config) {
  MINILLM_CHECK_USAGE(config.replay_share >= 0 && config.replay_share < 1,
                      "config: sft.replay_share: expected a number from 0 to below 1, got {}",
                      config.replay_share);
}

// How much of the data carries loss; throws Error if nothing does.
std::string describe_targets(const std::vector<RenderedSequence>& sequences) {
  Index empty = 0, targets = 0;
  for (const RenderedSequence& sequence : sequences) {
    const Index supervised = sequence.supervised_count();
    empty += supervised == 0;
    targets += supervised;
  }
  return check_targets(std::ssize(sequences), empty, targets, tokens_of(sequences));
}

// Adds as much text of the stage before as makes up its share.
void add_replay(RenderedConversations& rows, std::vector<std::string> documents,
                const SftConfig& config, StageRun& run) {
  const auto tokens = static_cast<double>(tokens_of(rows.sequences));
  const double share = config.replay_share / (1 - config.replay_share);
  RenderedConversations text =
      draw_documents(std::move(documents), run.tokenizer(), run.longest(),
                     static_cast<Index>(tokens * share), config.train.seed, run.events());
  std::ranges::move(text.sequences, std::back_inserter(rows.sequences));
  rows.hash = sha256(rows.hash + text.hash);
}

TrainOutcome train(const SftConfig& config, StageRun& run, SftData data) {
  if (config.freeze_embeddings) run.freeze_embedding();
  const auto render = [&](Dataset<Conversation> rows) {
    return render_conversations(rows, run.tokenizer(), run.longest(), run.events());
  };
  RenderedConversations rows = render(std::move(data.train)), held_out;
  const std::string targets_line = describe_targets(rows.sequences);
  if (!data.replay.records.empty()) add_replay(rows, std::move(data.replay.records), config, run);
  run.depends_on("template", run.tokenizer().chat_template()->id);
  run.depends_on("train", rows.hash);
  ConversationDataset dataset(std::move(rows.sequences), config.train.batch_tokens,
                              config.train.seed);
  if (!data.held_out.records.empty()) {
    held_out = render(std::move(data.held_out));
    run.evaluate_on(held_out.hash, tokens_of(held_out.sequences), [&] {
      return named_metrics(
          evaluate_sft(run.model(), held_out.sequences, run.progress("evaluating")));
    });
  }
  return train_on_next_tokens(run, dataset, [&] { run.say(targets_line); });
}

}  // namespace

void list_fields(ConfigFields& fields, SftConfig& config) {
  list_fields(fields, config.train);
  list_fields(fields, config.data);
  fields.add("sft.replay_share", config.replay_share,
             "fraction of all tokens that is replayed text, if some is given");
  fields.add("sft.freeze_embeddings", config.freeze_embeddings,
             "do not train the embedding, nor a head that is tied to it");
}

TrainOutcome sft(SftConfig config, const StageOptions& options, const TrainerEvents& events) {
  validate(config);
  StageRun run("sft", config, options, events);
  run.expect_files();
  run.start_from(open_starting_point(options));
  return train(config, run,
               {.train = run.read(options.train_files, read_conversations),
                .held_out = run.read(options.eval_files, read_conversations),
                .replay = run.read(options.replay_files, read_documents)});
}

TrainOutcome sft(SftConfig config, SftData data, StageModel& model, const StageOptions& options,
                 const TrainerEvents& events) {
  validate(config);
  StageRun run("sft", config, options, events);
  run.start_from(model);
  return train(config, run, std::move(data));
}

}  // namespace minillm
