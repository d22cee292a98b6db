#include "libminillm/eval/world_eval.h"

#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/eval/preference_eval.h"
#include "libminillm/eval/reward_eval.h"
#include "libminillm/eval/sequence_scores.h"
#include "libminillm/eval/text_loss.h"
#include "libminillm/eval/world_messages.h"
#include "libminillm/generate/shared_generation.h"

namespace minillm {
namespace {

world::WorldMetric bits_per_byte(std::string name, const Model& model, const Tokenizer& tokenizer,
                                 const std::vector<std::string>& documents,
                                 const Scoring& scoring) {
  if (documents.empty()) return {std::move(name), 0, 0, 0};
  const TextLoss loss =
      evaluate_text(model, make_evaluation_text(documents, tokenizer, model.positions()),
                    tokenizer.eos(), scoring);
  return {std::move(name), loss.bits_per_byte(), std::llround(loss.bits()),
          std::llround(loss.bytes)};
}

// A fact is known if every token of its value is the model's first choice.
void score_cloze(world::WorldScore& score, const Model& model, const Tokenizer& tokenizer,
                 const std::vector<world::ClozeItem>& items, const Scoring& scoring) {
  std::vector<RenderedSequence> sequences;
  for (const world::ClozeItem& item : items) sequences.push_back(render_cloze(tokenizer, item));
  const std::vector<SequenceScore> scores = score_sequences(model, sequences, scoring);
  for (size_t i = 0; i < items.size(); ++i)
    score.add_cloze(items[i], scores[i].most_probable == scores[i].tokens);
}

std::vector<Generation> answer_greedily(const Model& model, const Tokenizer& tokenizer,
                                        const std::vector<std::vector<Token>>& prompts,
                                        const Scoring& scoring) {
  GenerationConfig config;
  config.sampling.temperature = 0;
  config.max_tokens = world::kWorldAnswerTokens;
  Generator generator(model, tokenizer);
  return generate_among(scoring.ranks, generator, prompts, config);
}

void score_chat_items(world::WorldScore& score, const Model& model, const Tokenizer& tokenizer,
                      const std::vector<world::ChatItem>& items, const Scoring& scoring) {
  std::vector<std::vector<Token>> prompts;
  for (const world::ChatItem& item : items)
    prompts.push_back(render_prompt(tokenizer, to_messages(item.messages)));
  const std::vector<Generation> answers = answer_greedily(model, tokenizer, prompts, scoring);
  for (size_t i = 0; i < items.size(); ++i)
    score.add_chat(items[i], answers[i].text, answers[i].reason == StopReason::kEndToken);
}

void score_pairs(world::WorldScore& score, const Model& model, const Tokenizer& tokenizer,
                 const std::vector<world::WorldPair>& items, const Scoring& scoring) {
  std::vector<RenderedPair> pairs;
  for (const world::WorldPair& item : items)
    pairs.push_back(render_pair(tokenizer, {to_messages(item.prompt), item.chosen, item.rejected}));
  const std::vector<PairLogProbs> scores = model.config().has_lm_head()
                                               ? pair_log_probs(model, pairs, scoring)
                                               : pair_scores(model, pairs, scoring);
  for (size_t i = 0; i < items.size(); ++i)
    score.add_pair(items[i], scores[i].chosen, scores[i].rejected);
}

void score_canaries(world::WorldScore& score, const Model& model, const Tokenizer& tokenizer,
                    const std::vector<world::Canary>& canaries, const Scoring& scoring) {
  for (const world::Canary& canary : canaries) {
    PromptWithAnswers item = {encode_raw_prompt(tokenizer, canary.prefix), {}};
    for (const std::string& candidate : canary.candidates)
      item.answers.push_back(tokenizer.encode(candidate));
    score.add_canary(canary, answer_log_probs(model, item, scoring));
  }
}

}  // namespace

world::WorldScore score_world(const Model& model, const Tokenizer& tokenizer,
                              const world::WorldEvalSet& set, const Scoring& scoring) {
  world::WorldScore score;
  const bool speaks = model.config().has_lm_head();  // a reward model prefers, and says nothing
  if (speaks) {
    score_cloze(score, model, tokenizer, set.cloze, scoring);
    score_chat_items(score, model, tokenizer, set.chat, scoring);
  }
  score_pairs(score, model, tokenizer, set.pairs, scoring);
  if (speaks) score_canaries(score, model, tokenizer, set.canaries, scoring);
  return score;
}

std::vector<world::WorldMetric> world_text_metrics(const Model& model, const Tokenizer& tokenizer,
                                                   const world::WorldEvalSet& set,
                                                   const Scoring& scoring) {
  if (!model.config().has_lm_head()) return {};
  return {
      bits_per_byte("bits_per_byte", model, tokenizer, set.stories, scoring),
      bits_per_byte("bits_per_byte_second_domain", model, tokenizer, set.second_domain, scoring)};
}

std::vector<world::WorldMetric> evaluate_world(const Model& model, const Tokenizer& tokenizer,
                                               const world::WorldEvalSet& set,
                                               const Scoring& scoring) {
  const world::WorldScore score = score_world(model, tokenizer, set, scoring);
  std::vector<world::WorldMetric> metrics = world_text_metrics(model, tokenizer, set, scoring);
  for (world::WorldMetric& metric : score.metrics()) metrics.push_back(std::move(metric));
  return metrics;
}

std::vector<world::WorldMetric> evaluate_open_book(const Model& model, const Tokenizer& tokenizer,
                                                   const std::vector<world::OpenBookItem>& items,
                                                   const NoteSource& source, const Scoring& scoring,
                                                   const NoteRule& rule) {
  using Kind = world::OpenBookItemKind;
  MINILLM_CHECK(model.config().has_lm_head(), "open book: a reward model says nothing");
  struct Shown {
    const world::OpenBookItem& item;
    std::vector<std::string> notes;
    bool by_name;
  };
  std::vector<Shown> shown;
  for (const world::OpenBookItem& item : items) {
    std::vector<std::string> notes;
    if (item.notes) {
      notes = *item.notes;
    } else {
      for (Note& note : source(item.question, kMostNotes)) notes.push_back(std::move(note.text));
    }
    shown.push_back({item, notes, false});
    if (!rule || (item.kind != Kind::kAmongOthers && item.kind != Kind::kNotTold)) continue;
    std::erase_if(notes, [&](const std::string& note) { return !rule(item.question, note); });
    shown.push_back({item, notes, true});
  }
  std::vector<std::vector<Token>> prompts;
  for (const Shown& one : shown) {
    std::vector<Message> prompt = {{Role::kUser, one.item.question}};
    std::vector<Note> notes;
    for (const std::string& text : one.notes) notes.push_back({text, "", 0});
    if (one.item.kind != Kind::kClosed) prompt = with_notes(std::move(prompt), notes);
    prompts.push_back(render_prompt(tokenizer, prompt));
  }
  const std::vector<Generation> answers = answer_greedily(model, tokenizer, prompts, scoring);
  world::OpenBookScore score;
  for (size_t i = 0; i < shown.size(); ++i)
    score.add(shown[i].item, shown[i].notes, answers[i].text, shown[i].by_name);
  return score.metrics();
}

}  // namespace minillm
