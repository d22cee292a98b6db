#include "libminillm/eval/tool_eval.h"

#include "libminillm/core/check.h"
#include "libminillm/generate/built_in_tools.h"
#include "libminillm/generate/prompts.h"  // parse_role
#include "libminillm/generate/shared_generation.h"

namespace minillm {
namespace {

constexpr const char* kNoon = "2026-11-27 12:00";  // the clock's, whenever it is asked

world::ToolOutcome outcome_of(const ToolLoop& loop) {
  world::ToolOutcome outcome;
  for (const Message& message : loop.messages())
    for (const ToolCall& call : message.calls)
      outcome.calls.emplace_back(call.name, call.arguments);
  outcome.text = loop.answer().content;
  return outcome;
}

}  // namespace

std::vector<world::WorldMetric> evaluate_tools(const Model& model, const Tokenizer& tokenizer,
                                               const std::vector<world::ToolChat>& items,
                                               const Scoring& scoring) {
  MINILLM_CHECK(model.config().has_lm_head(), "tools: a reward model says nothing");
  std::vector<ToolLoop> loops;
  std::vector<size_t> waiting;
  for (const world::ToolChat& item : items) {
    std::vector<Message> messages;
    for (const world::WorldMessage& message : item.question)
      messages.push_back({parse_role(message.role), message.content});
    waiting.push_back(loops.size());
    loops.emplace_back(tokenizer, built_in_tools(item.offered, {.time = kNoon}), messages);
  }
  GenerationConfig config;
  config.sampling.temperature = 0;
  config.max_tokens = world::kWorldAnswerTokens;
  Generator generator(model, tokenizer);
  // All that wait for an answer are asked together, round by round.
  while (!waiting.empty()) {
    std::vector<std::vector<Token>> prompts;
    for (const size_t i : waiting) prompts.push_back(loops[i].prompt());
    const std::vector<Generation> answers =
        generate_among(scoring.ranks, generator, prompts, config);
    std::vector<size_t> again;
    for (size_t n = 0; n < waiting.size(); ++n)
      if (loops[waiting[n]].take(answers[n])) again.push_back(waiting[n]);
    waiting = std::move(again);
  }
  world::ToolScore score;
  for (size_t i = 0; i < items.size(); ++i) score.add(items[i], outcome_of(loops[i]));
  return score.metrics();
}

}  // namespace minillm
