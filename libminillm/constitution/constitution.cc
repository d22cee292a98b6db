#include "libminillm/constitution/constitution.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "libminillm/core/check.h"
#include "libminillm/core/rng.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/data/message_json.h"
#include "libminillm/eval/sequence_scores.h"
#include "libminillm/generate/chat.h"
#include "libminillm/generate/generator.h"

namespace minillm {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kRevisions = uint64_t{1} << 40;  // their streams of random numbers begin here

// The ids of what an answer begins with, as they follow the prompt.
std::vector<Token> render_beginning(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<Token> ids = render_answer(tokenizer, text);
  const std::vector<Token> ends = tokenizer.end_tokens();
  while (!ids.empty() && std::ranges::find(ends, ids.back()) != ends.end()) ids.pop_back();
  return ids;
}

double mean_log_prob(const Generation& said) {
  return std::accumulate(said.log_probs.begin(), said.log_probs.end(), 0.0) /
         static_cast<double>(said.log_probs.size());
}

// Answers a request as it comes, and as the principle would have it.
class Answerer {
 public:
  Answerer(const Model& model, const Tokenizer& tokenizer, const Principle& principle,
           const ConstitutionConfig& config)
      : generator_(model, tokenizer),
        tokenizer_(tokenizer),
        principle_(principle),
        config_(config),
        beginning_(render_beginning(tokenizer, principle.refusal)) {}

  // The first draft that ends by itself and does not begin with the refusal.
  std::optional<std::string> draft(const Prompt& prompt, uint64_t number) {
    for (const Generation& said :
         sample(render_prompt(tokenizer_, prompt), config_.temperature, config_.drafts,
                number * static_cast<uint64_t>(config_.drafts))) {
      const std::string text(strip_template_space(said.text));
      if (said.end_token && !text.empty() && !text.starts_with(principle_.refusal)) return text;
    }
    return std::nullopt;
  }

  // The most probable of several, of those that end by themselves.
  std::optional<std::string> revision(const Prompt& prompt, uint64_t number) {
    std::vector<Token> ids = render_prompt(tokenizer_, prompt);
    ids.insert(ids.end(), beginning_.begin(), beginning_.end());
    std::optional<std::string> best;
    double best_log_prob = 0;
    for (const Generation& said :
         sample(ids, config_.revision_temperature, config_.revisions,
                kRevisions + number * static_cast<uint64_t>(config_.revisions))) {
      if (!said.end_token || (best && mean_log_prob(said) <= best_log_prob)) continue;
      best = principle_.refusal + said.text;
      best_log_prob = mean_log_prob(said);
    }
    return best;
  }

 private:
  std::vector<Generation> sample(const std::vector<Token>& prompt, double temperature,
                                 int64_t count, uint64_t stream) {
    GenerationConfig generation;
    generation.sampling.temperature = temperature;
    generation.max_tokens = config_.max_tokens;
    generation.seed = config_.seed;
    generation.stream = stream;
    generation.log_probs = true;
    const std::vector<std::vector<Token>> prompts(static_cast<size_t>(count), prompt);
    return generator_.generate_all(prompts, generation, count);
  }

  Generator generator_;
  const Tokenizer& tokenizer_;
  const Principle& principle_;
  const ConstitutionConfig& config_;
  const std::vector<Token> beginning_;
};

Json metadata(const Principle& principle, const JudgedRequest& request, const PairMakers& makers) {
  return {{"principle", principle.name},
          {"deed", request.deed},
          {"log_odds", request.odds},
          {"drafted_by", makers.drafted_by},
          {"judged_by", makers.judged_by}};
}

}  // namespace

std::vector<double> log_odds(const Model& judge, const Tokenizer& tokenizer,
                             const Principle& principle, std::span<const std::string> deeds) {
  PromptWithAnswers item = {encode_raw_prompt(tokenizer, principle.context), {}};
  std::vector<double> odds;
  for (const std::string& deed : deeds) {
    item.answers = {tokenizer.encode(with_deed(principle.against, deed)),
                    tokenizer.encode(with_deed(principle.in_favour, deed))};
    const std::vector<double> logp = answer_log_probs(judge, item);
    odds.push_back(logp[0] - logp[1]);
  }
  return odds;
}

std::vector<Prompt> requests_about(const Principle& principle, std::span<const std::string> texts) {
  MINILLM_CHECK_USAGE(!principle.stories.empty(),
                      "principle '{}': it does not say how texts name deeds: expected "
                      "principle.stories",
                      principle.name);
  const std::vector<std::string> deeds = deeds_in(principle, texts);
  MINILLM_CHECK(!deeds.empty(), "principle '{}': the texts speak of no deed as it knows it",
                principle.name);
  std::vector<Prompt> requests;
  for (size_t i = 0; i < deeds.size(); ++i)
    requests.push_back({{Role::kUser, request_for(principle, deeds[i], i)}});
  return requests;
}

void draw_requests(std::vector<Prompt>& requests, int64_t count, uint64_t seed) {
  Rng(seed).shuffle(requests);
  if (std::ssize(requests) > count) requests.resize(static_cast<size_t>(count));
}

Constitution apply_principle(const Model& model, const Model& judge, const Tokenizer& tokenizer,
                             const Principle& principle, std::span<const Prompt> requests,
                             const ConstitutionConfig& config, const ProgressFunction& progress) {
  Constitution result;
  Answerer answerer(model, tokenizer, principle, config);
  for (size_t i = 0; i < requests.size(); ++i) {
    report_progress(progress, static_cast<double>(i), static_cast<double>(requests.size()));
    const std::optional<std::string> deed = deed_of(principle, requests[i].back().content);
    if (!deed) {
      ++result.without_deed;
      continue;
    }
    const double odds = log_odds(judge, tokenizer, principle, {&*deed, 1}).front();
    if (std::abs(odds) <= principle.least_odds) {
      ++result.undecided;
      continue;
    }
    std::optional<std::string> draft = answerer.draft(requests[i], i);
    if (!draft) {
      ++result.without_draft;
      continue;
    }
    std::optional<std::string> revision = answerer.revision(requests[i], i);
    if (!revision) {
      ++result.without_revision;
      continue;
    }
    if (odds < 0) std::swap(draft, revision);
    result.pairs.push_back({requests[i], *deed, odds, std::move(*revision), std::move(*draft)});
  }
  return result;
}

std::string pairs_to_jsonl(const Principle& principle, std::span<const JudgedRequest> pairs,
                           const PairMakers& makers) {
  std::string out;
  for (const JudgedRequest& pair : pairs)
    out += Json({{"prompt", messages_json(pair.prompt)},
                 {"chosen", pair.chosen},
                 {"rejected", pair.rejected},
                 {"metadata", metadata(principle, pair, makers)}})
               .dump() +
           "\n";
  return out;
}

std::string rows_to_jsonl(const Principle& principle, std::span<const JudgedRequest> pairs,
                          const PairMakers& makers) {
  std::string out;
  for (const JudgedRequest& pair : pairs) {
    Json messages = messages_json(pair.prompt);
    messages.push_back({{"role", "assistant"}, {"content", pair.chosen}});
    out += Json({{"messages", messages}, {"metadata", metadata(principle, pair, makers)}}).dump() +
           "\n";
  }
  return out;
}

}  // namespace minillm
