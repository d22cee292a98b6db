#include "libminillm/pretrain/pretrain.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "libminillm/core/check.h"
#include "libminillm/core/sha256.h"
#include "libminillm/eval/text_loss.h"
#include "libminillm/objectives/next_token.h"
#include "libminillm/pretrain/dataset.h"
#include "libminillm/stage/conversation_dataset.h"
#include "libminillm/stage/replay.h"
#include "libminillm/stage/stage_run.h"
#include "libminillm/train/preflight.h"

namespace minillm {
namespace {

// The tokenizer of a run from scratch: the given one, the one that the continued run has made, or a
// new one trained on the training files.
Tokenizer tokenizer_from_scratch(const PretrainConfig& config, const StageOptions& options,
                                 const StageRun& run) {
  if (!options.tokenizer.empty()) return Tokenizer::load(options.tokenizer);
  const std::string made = join_path(options.out, "tokenizer.model");
  if (run.continues() && file_exists(made)) return Tokenizer::load(made);
  run.say(fmt::format("training a tokenizer of {} pieces on the training files",
                      config.model.vocab_size));
  std::vector<std::string> documents;
  for_each_document(
      options.train_files, parse_document_split(config.document_split),
      parse_bad_record_policy(config.data.on_bad_record),
      [&](std::string_view document) {
        run.heed_stop(kTrainingTokenizer);
        documents.emplace_back(document);
      },
      row_mapping(config.data));
  const ProgressFunction progress = run.preparation(kTrainingTokenizer);
  report_progress(progress, 0, 1);
  const std::string model = train_tokenizer(config, documents);
  report_progress(progress, 1, 1);
  const std::string own = run.path("tokenizer.model");
  write_file_atomic(own, model);
  return Tokenizer::load(own);
}

// The files as token ids. They are kept beside the run, for when it is continued.
TokenShard open_shard(const std::string& path, const std::vector<std::string>& files,
                      const PretrainConfig& config, const StageRun& run) {
  const Tokenizer& tokenizer = run.tokenizer();
  const DocumentSplit split = parse_document_split(config.document_split);
  const RowMapping mapping = row_mapping(config.data);
  std::optional<TokenShard> made;
  if (run.continues() && file_exists(path)) {
    made.emplace(TokenShard::open(path, tokenizer.vocab_size()));
    if (made->source_hash() != shard_source_hash(files, split, tokenizer, mapping)) made.reset();
  }
  SharedEncoding share;
  if (Communicator* ranks = run.ranks(); ranks != nullptr && !any(*ranks, made.has_value()))
    share = {ranks->rank(), ranks->ranks(),
             [ranks](std::span<const std::byte> own) { return all_gather_varying(*ranks, own); }};
  if (made) {
    run.say(fmt::format("{}: reused, {} documents, {} tokens", path, made->documents(),
                        made->tokens()));
    return std::move(*made);
  }
  const ShardReport report =
      write_token_shard(path, files, split, parse_bad_record_policy(config.data.on_bad_record),
                        tokenizer, run.preparation("tokenizing"), mapping, share);
  report_datasets(report.files, run.events());
  run.say(fmt::format("{}: {} documents, {} tokens, {:.2f} bytes per token", path, report.documents,
                      report.tokens,
                      static_cast<double>(report.text_bytes) / static_cast<double>(report.tokens)));
  return TokenShard::open(path, tokenizer.vocab_size());
}

Index longest_window(const PretrainConfig& config, const StageRun& run) {
  return config.max_length > 0 ? std::min<Index>(config.max_length, run.longest()) : run.longest();
}

ReplayShare replay_share(const PretrainConfig& config) {
  return {"pretrain.replay_share", config.replay_share};
}

void validate(const PretrainConfig& config) {
  replay_share(config).validate();
  parse_document_split(config.document_split);
  expect_in_range("data.max_length", config.max_length, 0, kMaxConfigCount);
}

// The training files, and as much of the replayed ones as makes up its share.
std::vector<TextPart> open_text(const PretrainConfig& config, const StageOptions& options,
                                Index longest, StageRun& run) {
  TokenShard shard = open_shard(run.path("train.tokens"), options.train_files, config, run);
  run.depends_on("train", shard.source_hash());
  std::vector<TextPart> parts;
  std::vector<TextWindow> windows = cut_windows(shard, longest);
  parts.push_back({std::move(shard), std::move(windows)});
  if (options.replay_files.empty()) return parts;
  TokenShard replayed = open_shard(run.path("replay.tokens"), options.replay_files, config, run);
  run.depends_on("replay", replayed.source_hash());
  const TokenCount own = count_tokens(parts[0].windows);
  windows = draw_windows(replayed, longest, replay_share(config), own, config.train.seed);
  run.say(describe_replay(replay_share(config), own, count_tokens(windows)));
  parts.push_back({std::move(replayed), std::move(windows)});
  return parts;
}

void evaluate_on(StageRun& run, const std::string& hash, const EvaluationText& text) {
  Index rows = 0;
  for (const std::vector<Token>& window : text.windows) rows += std::ssize(window);
  run.evaluate_on(hash, rows, [&] {
    return named_metrics(
        evaluate_text(run.model(), text, run.tokenizer().eos(), run.scoring("evaluating")));
  });
}

template <typename Batches>
TrainOutcome train(StageRun& run, Batches& dataset) {
  return train_on_next_tokens(run, dataset, [&] {
    if (!run.start().weights_hash.empty()) return;  // only a fresh model must know nothing
    const TokenBatch& batch = dataset.batch(0);
    run.model().forward(batch, run.workspace());
    const auto logp = run.model().log_probs(batch, run.workspace());
    const Contribution loss = next_token_loss(logp, batch.targets);
    run.say(check_fresh_loss(loss.loss / loss.weight, run.model().config().vocab_size));
  });
}

}  // namespace

void list_fields(ConfigFields& fields, PretrainConfig& config) {
  list_fields(fields, config.model);
  list_fields(fields, config.train);
  list_fields(fields, config.data);
  fields.add("data.document_split", config.document_split,
             "what ends a document in a .txt file: \"blank_line\", \"line\" or \"file\"");
  fields.add("data.max_length", config.max_length,
             "longest window of a document, in tokens; 0 = model.max_position_embeddings");
  fields.add("pretrain.replay_share", config.replay_share,
             "fraction of all tokens that is replayed text, if some is given");
}

std::string train_tokenizer(const PretrainConfig& config,
                            const std::vector<std::string>& documents) {
  auto next = documents.begin();
  const TextSource source = [&](std::string& text) {
    if (next == documents.end()) return false;
    text = *next++;
    return true;
  };
  return train_tokenizer(source, {.vocab_size = config.model.vocab_size});
}

StageModel fresh_model(const PretrainConfig& config, Tokenizer tokenizer) {
  ModelConfig model_config = config.model;
  model_config.vocab_size = tokenizer.vocab_size();
  Model model(model_config);
  model.initialize(config.train.seed);
  return {std::move(model), std::move(tokenizer), {}, ""};
}

TrainOutcome pretrain(PretrainConfig config, const StageOptions& options,
                      const TrainerEvents& events) {
  MINILLM_CHECK_USAGE(options.init_from.empty() || options.tokenizer.empty(),
                      "options.tokenizer '{}': a checkpoint brings its own tokenizer (leave out "
                      "options.tokenizer or options.init_from)",
                      options.tokenizer);
  validate(config);
  StageRun run("pretrain", config, options, events);
  run.expect_files();
  run.start_from(
      options.init_from.empty()
          ? fresh_model(config, tokenizer_from_scratch(config, options, run))
          : open_starting_point(options, Heads::kLanguageModel, use_of_start(config.train)));
  config.model = run.model().config();
  const Index longest = longest_window(config, run);
  std::vector<TextPart> parts = open_text(config, options, longest, run);
  EvaluationText held_out;
  if (!options.eval_files.empty()) {
    const TokenShard shard = open_shard(run.path("eval.tokens"), options.eval_files, config, run);
    run.warn_of_shared(count_shared(parts.front().shard, shard), shard.documents());
    held_out = make_evaluation_text(shard, longest);
    evaluate_on(run, shard.source_hash(), held_out);
  }
  PretrainDataset dataset(std::move(parts), config.train.batch_tokens, config.train.seed,
                          run.model().virtual_tokens());
  return train(run, dataset);
}

TrainOutcome pretrain(PretrainConfig config, const PretrainData& data, StageModel& model,
                      const StageOptions& options, const TrainerEvents& events) {
  validate(config);
  StageRun run("pretrain", config, options, events);
  run.start_from(model);
  config.model = model.model.config();
  const Index longest = longest_window(config, run);
  RenderedConversations rows = render_documents(data.train.records, run.tokenizer(), longest);
  run.depends_on("train", rows.hash);
  if (!data.replay.records.empty()) {
    const TokenCount own = count_tokens(rows.sequences);
    RenderedConversations text = draw_documents(data.replay.records, run.tokenizer(), longest,
                                                replay_share(config), own, config.train.seed);
    run.depends_on("replay", text.hash);
    run.say(describe_replay(replay_share(config), own, count_tokens(text.sequences)));
    std::ranges::move(text.sequences, std::back_inserter(rows.sequences));
  }
  ConversationDataset dataset(std::move(rows.sequences), config.train.batch_tokens,
                              config.train.seed, run.model().virtual_tokens());
  EvaluationText held_out;
  if (!data.held_out.records.empty()) {
    held_out = make_evaluation_text(data.held_out.records, run.tokenizer(), longest);
    std::string hash;
    for (const std::string& document : data.held_out.records) hash = sha256(hash + document);
    evaluate_on(run, hash, held_out);
  }
  return train(run, dataset);
}

}  // namespace minillm
