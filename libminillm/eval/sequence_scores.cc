#include "libminillm/eval/sequence_scores.h"

#include <numeric>

#include "libminillm/core/check.h"
#include "libminillm/data/packing.h"
#include "libminillm/eval/batch_scorer.h"

namespace minillm {
namespace {

constexpr size_t kAnswersAtOnce = 64;  // answers that share one copy of their prompt

}  // namespace

std::vector<Real> token_log_probs(const Model& model, std::span<const Token> tokens) {
  const Index rows = std::ssize(tokens) - 1, context = model.positions();
  MINILLM_CHECK(rows >= 1, "log-probabilities: expected at least 2 tokens, got {}", tokens.size());
  MINILLM_CHECK(rows <= context,
                "log-probabilities: too long: expected at most {} tokens (the model's "
                "max_position_embeddings + 1), got {}",
                context + 1, tokens.size());
  std::vector<Real> result;
  const ItemSize size[] = {{rows, rows}};
  BatchScorer(model, size)
      .run([&](TokenBatch& batch, Index) { append_text(batch, tokens); },
           [&](const ScoredBatch& scored) {
             result.assign(scored.logp.begin(), scored.logp.end());
           });
  return result;
}

std::vector<SequenceScore> score_sequences(const Model& model,
                                           std::span<const RenderedSequence> sequences,
                                           const Scoring& scoring) {
  std::vector<ItemSize> sizes;
  for (const RenderedSequence& sequence : sequences)
    sizes.push_back({std::ssize(sequence.tokens) - 1, sequence.supervised_count()});
  std::vector<SequenceScore> result;
  BatchScorer scorer(model, sizes);
  scorer.find_most_probable();
  scorer.run([&](TokenBatch& batch,
                 Index i) { append_sequence(batch, sequences[static_cast<size_t>(i)]); },
             [&](const ScoredBatch& scored) {
               size_t m = 0;
               for (Index i = scored.begin; i < scored.end; ++i) {
                 SequenceScore& score = result.emplace_back();
                 score.tokens = sizes[static_cast<size_t>(i)].targets;
                 for (const size_t end = m + static_cast<size_t>(score.tokens); m < end; ++m) {
                   score.logp += scored.logp[m];
                   score.most_probable += scored.most_probable[m];
                   score.first_choices.push_back(scored.first_choices[m]);
                 }
               }
             },
             scoring);
  return result;
}

std::vector<double> answer_log_probs(const Model& model, const PromptWithAnswers& item,
                                     const Scoring& scoring) {
  MINILLM_CHECK(!item.prompt.empty(), "answers: the prompt has no tokens");
  const std::vector<std::span<const Token>> views(item.answers.begin(), item.answers.end());
  std::vector<Answers> groups;
  std::vector<ItemSize> sizes;
  for (size_t begin = 0; begin < views.size(); begin += kAnswersAtOnce) {
    groups.push_back(Answers(views).subspan(begin, std::min(kAnswersAtOnce, views.size() - begin)));
    ItemSize& size = sizes.emplace_back(ItemSize{std::ssize(item.prompt), 0});
    for (const std::span<const Token> answer : groups.back()) {
      MINILLM_CHECK(!answer.empty(), "answers: one has no tokens");
      size.rows += std::ssize(answer) - 1;
      size.targets += std::ssize(answer);
    }
  }
  std::vector<double> result;
  BatchScorer(model, sizes)
      .run([&](TokenBatch& batch,
               Index i) { append_answers(batch, item.prompt, groups[static_cast<size_t>(i)]); },
           [&](const ScoredBatch& scored) {
             auto logp = scored.logp.begin();
             for (Index i = scored.begin; i < scored.end; ++i) {
               for (const std::span<const Token> answer : groups[static_cast<size_t>(i)]) {
                 result.push_back(std::accumulate(logp, logp + std::ssize(answer), 0.0));
                 logp += std::ssize(answer);
               }
             }
           },
           scoring);
  return result;
}

}  // namespace minillm
