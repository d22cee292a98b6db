#include "libminillm/eval/layer_eval.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "libminillm/data/chat_template.h"
#include "libminillm/eval/refusal_odds.h"
#include "libminillm/eval/world_messages.h"
#include "libminillm/generate/chat.h"  // strip_template_space
#include "libminillm/generate/shared_generation.h"

namespace minillm {
namespace {

struct Answer {
  std::string text;
  bool ended = false;
};

// Everything that asks one model.
class Asker {
 public:
  Asker(const Model& model, const Tokenizer& tokenizer, const Scoring& scoring)
      : model_(model), tokenizer_(tokenizer), ranks_(scoring.ranks), generator_(model, tokenizer) {
    config_.sampling.temperature = 0;
    config_.max_tokens = world::kWorldAnswerTokens;
  }

  std::vector<Answer> ask(const std::vector<world::ChatItem>& items, const AnswerLayers& layers) {
    std::vector<Answer> answers(items.size());
    std::vector<size_t> asked;
    std::vector<std::vector<Message>> prompts;
    for (size_t i = 0; i < items.size(); ++i) {
      std::vector<Message> messages = to_messages(items[i].messages);
      if (layers.policy != nullptr) {
        Policy::ScreenedRequest request = layers.policy->screen_request(
            std::move(messages), [&](const PolicyRule& rule, const std::vector<Message>& all) {
              return refusal_log_odds(model_, tokenizer_, all, rule.refusal, rule.help);
            });
        if (request.refused) {
          answers[i] = {request.refused->text, true};
          continue;
        }
        messages = std::move(request.messages);
      }
      asked.push_back(i);
      prompts.push_back(noted(std::move(messages), layers));
    }
    std::vector<Answer> said =
        layers.tools.empty() ? plain(prompts) : with_calls(prompts, layers.tools);
    for (size_t k = 0; k < asked.size(); ++k) {
      answers[asked[k]] = std::move(said[k]);
      if (layers.policy != nullptr) screen(answers[asked[k]], *layers.policy);
    }
    return answers;
  }

 private:
  std::vector<Message> noted(std::vector<Message> messages, const AnswerLayers& layers) const {
    if (!layers.notes) return messages;
    std::vector<Note> notes = layers.notes(question_of(messages), kMostNotes);
    if (layers.policy != nullptr)
      std::erase_if(notes, [&](Note& note) {
        Policy::Screened screened = layers.policy->screen(PolicyPlace::kNotes, note.text);
        note.text = std::move(screened.text);
        return screened.refused.has_value();
      });
    return with_notes(std::move(messages), notes);
  }

  std::vector<Generation> generate(const std::vector<std::vector<Token>>& prompts) {
    return generate_among(ranks_, generator_, prompts, config_);
  }

  std::vector<Answer> plain(const std::vector<std::vector<Message>>& conversations) {
    std::vector<std::vector<Token>> prompts;
    for (const std::vector<Message>& messages : conversations)
      prompts.push_back(render_prompt(tokenizer_, messages));
    std::vector<Answer> answers;
    for (const Generation& said : generate(prompts))
      answers.push_back({said.text, said.reason == StopReason::kEndToken});
    return answers;
  }

  // Round by round, the answers of a round together.
  std::vector<Answer> with_calls(const std::vector<std::vector<Message>>& conversations,
                                 const std::vector<CallableTool>& tools) {
    std::vector<ToolLoop> loops;
    std::vector<size_t> open;
    for (const std::vector<Message>& messages : conversations) {
      open.push_back(loops.size());
      loops.emplace_back(tokenizer_, tools, messages);
    }
    std::vector<Answer> answers(loops.size());
    while (!open.empty()) {
      std::vector<std::vector<Token>> prompts;
      for (const size_t i : open) prompts.push_back(loops[i].prompt());
      const std::vector<Generation> said = generate(prompts);
      std::vector<size_t> next;
      for (size_t k = 0; k < open.size(); ++k) {
        ToolLoop& loop = loops[open[k]];
        if (loop.take(said[k]))
          next.push_back(open[k]);
        else
          answers[open[k]] = {loop.answer().content, said[k].reason == StopReason::kEndToken};
      }
      open = std::move(next);
    }
    return answers;
  }

  static void screen(Answer& answer, const Policy& policy) {
    Policy::Screened screened = policy.screen(PolicyPlace::kOutput, answer.text);
    if (screened.refused)
      answer = {screened.refused->text, true};
    else
      answer.text = std::move(screened.text);
  }

  const Model& model_;
  const Tokenizer& tokenizer_;
  Communicator* const ranks_;
  Generator generator_;
  GenerationConfig config_;
};

std::vector<world::WorldMetric> metrics_of(const std::vector<world::ChatItem>& items,
                                           const std::vector<Answer>& answers) {
  world::WorldScore score;
  for (size_t i = 0; i < items.size(); ++i)
    score.add_chat(items[i], answers[i].text, answers[i].ended);
  std::vector<world::WorldMetric> metrics = score.metrics();
  std::erase_if(metrics, [](const world::WorldMetric& metric) { return metric.of == 0; });
  return metrics;
}

bool is_right(const world::ChatItem& item, const Answer& answer) {
  return score_chat(item, answer.text, answer.ended).correct;
}

}  // namespace

int64_t LayerResult::repaired() const {
  return std::ranges::count(changed, true, &ChangedAnswer::repaired);
}
int64_t LayerResult::broken() const { return std::ssize(changed) - repaired(); }

std::vector<LayerResult> evaluate_layers(const Model& model, const Tokenizer& tokenizer,
                                         const std::vector<world::ChatItem>& items,
                                         const AnswerLayers& layers, const Scoring& scoring) {
  std::vector<std::pair<std::string, AnswerLayers>> columns;
  if (layers.notes) columns.push_back({"notes", {layers.notes, {}, nullptr}});
  if (!layers.tools.empty()) columns.push_back({"tools", {{}, layers.tools, nullptr}});
  if (layers.policy != nullptr) columns.push_back({"policy", {{}, {}, layers.policy}});
  if (columns.size() > 1) columns.push_back({"all", layers});
  Asker asker(model, tokenizer, scoring);
  const std::vector<Answer> closed = asker.ask(items, {});
  std::vector<LayerResult> results;
  results.push_back({"closed", metrics_of(items, closed), {}});
  for (const auto& [name, layer] : columns) {
    const std::vector<Answer> answers = asker.ask(items, layer);
    LayerResult result{name, metrics_of(items, answers), {}};
    for (size_t i = 0; i < items.size(); ++i) {
      const bool before = is_right(items[i], closed[i]), after = is_right(items[i], answers[i]);
      if (before != after)
        result.changed.push_back({question_of(to_messages(items[i].messages)),
                                  std::string(strip_template_space(closed[i].text)),
                                  std::string(strip_template_space(answers[i].text)), after});
    }
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace minillm
