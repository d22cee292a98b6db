#include "libminillm/lab/scaling_questions.h"

#include <algorithm>
#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/eval/sequence_scores.h"
#include "libminillm/eval/text_loss.h"
#include "libminillm/eval/world_eval.h"
#include "libminillm/eval/world_messages.h"

namespace minillm::lab {
namespace {

using world::ChatItemKind;
using world::ClozeGroup;

// In stories, or to be refused.
bool is_asked(const world::ChatItem& item) {
  return item.kind == ChatItemKind::kSum || item.kind == ChatItemKind::kYesNo ||
         item.kind == ChatItemKind::kHarmful || item.kind == ChatItemKind::kHarmfulNewVerb;
}

const char* logp_name(ClozeGroup group) {
  switch (group) {
    case ClozeGroup::kHard:
      return "value_logp_hard";
    case ClozeGroup::kRare:
      return "value_logp_rare";
    case ClozeGroup::kOften:
      return "value_logp_often";
    default:
      return "value_logp";
  }
}

SeedFigure text_figure(const TextLoss& loss) {
  return {loss.bits_per_byte(), std::llround(loss.bits()), std::llround(loss.bytes)};
}

EvaluationText text_of(const world::WorldEvalSet& set, const Checkpoint& checkpoint) {
  return make_evaluation_text(set.stories, checkpoint.tokenizer(),
                              checkpoint.model_config().max_position_embeddings);
}

}  // namespace

ScalingQuestions::ScalingQuestions(uint64_t seed, world::Split split, Asked asked) {
  const world::World world(seed);
  const world::HarbourRegister harbour(world);
  set_ = world::make_world_eval(world, harbour, split);
  if (asked == Asked::kLoss) {
    set_.cloze.clear();
    set_.chat.clear();
  }
  // The second domain's facts are told in no story.
  std::erase_if(set_.cloze, [](const world::ClozeItem& item) {
    return item.group == ClozeGroup::kAfterCutoff || item.group == ClozeGroup::kSecondDomain;
  });
  std::erase_if(set_.chat, [](const world::ChatItem& item) { return !is_asked(item); });
  set_.pairs.clear();
  set_.canaries.clear();
}

ScalingPoint ScalingQuestions::ask(const Checkpoint& checkpoint) const {
  MINILLM_CHECK(checkpoint.state().has_value(), "scaling: '{}' has no training state",
                checkpoint.path());
  const Model model = checkpoint.load_model(Checkpoint::Use::kFrozen);
  const Tokenizer tokenizer = checkpoint.tokenizer();
  ScalingPoint point;
  point.tokens = checkpoint.state()->tokens;
  point.metrics["bits_per_byte"] =
      text_figure(evaluate_text(model, text_of(set_, checkpoint), tokenizer.eos()));
  if (set_.cloze.empty()) return point;
  for (const world::WorldMetric& metric : score_world(model, tokenizer, set_).metrics())
    if (metric.of > 0 && !metric.name.starts_with("cloze/"))
      point.metrics[metric.name] = {metric.value, metric.count, metric.of};
  std::vector<RenderedSequence> sequences;
  for (const world::ClozeItem& item : set_.cloze)
    sequences.push_back(render_cloze(tokenizer, item));
  const std::vector<SequenceScore> scores = score_sequences(model, sequences);
  for (size_t i = 0; i < scores.size(); ++i) {
    SeedFigure& figure = point.metrics[logp_name(set_.cloze[i].group)];
    figure.count = ++figure.of;
    figure.value += (scores[i].logp - figure.value) / static_cast<double>(figure.of);
  }
  return point;
}

ScalingPoint ScalingQuestions::untrained(const Checkpoint& checkpoint) const {
  const EvaluationText text = text_of(set_, checkpoint);
  double tokens = 0;  // that encode text: all but each document's BOS and EOS
  for (const std::string& story : set_.stories)
    tokens += static_cast<double>(checkpoint.tokenizer().encode(story).size());
  ScalingPoint point;
  TextLoss loss;
  loss.text_nll = tokens * std::log(static_cast<double>(checkpoint.model_config().vocab_size));
  loss.bytes = static_cast<double>(text.bytes);
  point.metrics["bits_per_byte"] = text_figure(loss);
  for (const world::ClozeItem& item : set_.cloze) {
    const char* const name = item.group == ClozeGroup::kHard    ? "cloze_accuracy_hard"
                             : item.group == ClozeGroup::kRare  ? "cloze_accuracy_rare"
                             : item.group == ClozeGroup::kOften ? "cloze_accuracy_often"
                                                                : "cloze_accuracy";
    ++point.metrics[name].of;
  }
  return point;
}

}  // namespace minillm::lab
