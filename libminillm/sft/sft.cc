#include "libminillm/sft/sft.h"

#include <algorithm>
#include <iterator>

#include "libminillm/core/check.h"
#include "libminillm/core/sha256.h"
#include "libminillm/eval/sft_eval.h"
#include "libminillm/stage/conversation_dataset.h"
#include "libminillm/stage/replay.h"
#include "libminillm/stage/stage_run.h"
#include "libminillm/train/preflight.h"

namespace minillm {
namespace {

ReplayShare replay_share(const SftConfig& config) {
  if (config.replay_loss_share != 0)
    return {"sft.replay_loss_share", config.replay_loss_share, /*of_targets=*/true};
  return {"sft.replay_share", config.replay_share};
}

void validate(const SftConfig& config) {
  replay_share(config).validate();
  parse_document_split(config.document_split);
}

// How much of the data carries loss; throws Error if nothing does.
std::string describe_targets(const std::vector<RenderedSequence>& sequences) {
  Index empty = 0;
  for (const RenderedSequence& sequence : sequences) empty += sequence.supervised_count() == 0;
  const TokenCount count = count_tokens(sequences);
  return check_targets(std::ssize(sequences), empty, count.targets, count.tokens);
}

// Which tokens the texts have; without texts all but control tokens, which pretraining never sees.
std::vector<bool> known_tokens(const std::vector<RenderedSequence>& texts, StageRun& run) {
  std::vector<bool> known(static_cast<size_t>(run.model().config().vocab_size), texts.empty());
  for (const RenderedSequence& text : texts)
    for (const Token token : text.tokens) known[static_cast<size_t>(token)] = true;
  if (!texts.empty()) return known;
  for (Token token = 0; token < run.tokenizer().vocab_size(); ++token)
    if (run.tokenizer().is_control(token)) known[static_cast<size_t>(token)] = false;
  return known;
}

// Adds as much text of the stage before as makes up its share; returns that text.
std::vector<RenderedSequence> add_replay(RenderedConversations& rows,
                                         const std::vector<std::string>& documents,
                                         const SftConfig& config, const StageRun& run) {
  const TokenCount own = count_tokens(rows.sequences);
  const ReplayShare share = replay_share(config);
  RenderedConversations text =
      draw_documents(documents, run.tokenizer(), run.longest(), share, own, config.train.seed);
  run.say(describe_replay(share, own, count_tokens(text.sequences)));
  std::ranges::copy(text.sequences, std::back_inserter(rows.sequences));
  rows.hash = sha256(rows.hash + text.hash);
  return std::move(text.sequences);
}

TrainOutcome train(const SftConfig& config, StageRun& run, SftData data) {
  const auto render = [&](Dataset<Conversation> rows) {
    return render_conversations(rows, run.tokenizer(), run.longest(), run.events());
  };
  run.warn_of_shared(count_shared(data.train.records, data.held_out.records),
                     std::ssize(data.held_out.records));
  RenderedConversations rows = render(std::move(data.train)), held_out;
  const std::string targets_line = describe_targets(rows.sequences);
  std::vector<RenderedSequence> replayed;
  if (!data.replay.records.empty()) replayed = add_replay(rows, data.replay.records, config, run);
  if (config.freeze_embeddings) run.freeze_embedding(known_tokens(replayed, run));
  run.depends_on("template", run.tokenizer().chat_template()->id);
  run.depends_on("train", rows.hash);
  ConversationDataset dataset(std::move(rows.sequences), config.train.batch_tokens,
                              config.train.seed, run.model().virtual_tokens());
  if (!data.held_out.records.empty()) {
    held_out = render(std::move(data.held_out));
    run.evaluate_on(held_out.hash, count_tokens(held_out.sequences).tokens, [&] {
      return named_metrics(
          evaluate_sft(run.model(), held_out.sequences, run.scoring("evaluating")));
    });
  }
  return train_on_next_tokens(run, dataset, [&] { run.say(targets_line); });
}

}  // namespace

void list_fields(ConfigFields& fields, SftConfig& config) {
  list_fields(fields, config.train);
  list_fields(fields, config.data);
  fields.add("data.document_split", config.document_split,
             "what ends a document in a replayed .txt file: \"blank_line\", \"line\" or \"file\"");
  fields.add("sft.replay_share", config.replay_share,
             "fraction of all tokens that is replayed text, if some is given");
  fields.add("sft.replay_loss_share", config.replay_loss_share,
             "the same as a fraction of the tokens that carry loss; 0 = sft.replay_share counts");
  fields.add("sft.freeze_embeddings", config.freeze_embeddings,
             "train neither the embedding nor a head tied to it, but for tokens that are new");
}

TrainOutcome sft(SftConfig config, const StageOptions& options, const TrainerEvents& events) {
  validate(config);
  StageRun run("sft", config, options, events);
  run.expect_files();
  run.start_from(open_starting_point(options, Heads::kLanguageModel, use_of_start(config.train)));
  const auto read_texts = [&](const std::vector<std::string>& files, BadRecordPolicy policy,
                              const RowMapping& mapping) {
    return read_documents(files, policy, mapping, parse_document_split(config.document_split));
  };
  return train(config, run,
               {.train = run.read(options.train_files, read_conversations),
                .held_out = run.read(options.eval_files, read_conversations),
                .replay = run.read(options.replay_files, read_texts)});
}

TrainOutcome sft(SftConfig config, SftData data, StageModel& model, const StageOptions& options,
                 const TrainerEvents& events) {
  validate(config);
  StageRun run("sft", config, options, events);
  run.start_from(model);
  return train(config, run, std::move(data));
}

}  // namespace minillm
