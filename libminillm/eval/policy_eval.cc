#include "libminillm/eval/policy_eval.h"

#include <array>
#include <map>
#include <string>
#include <utility>

#include "libminillm/data/chat_template.h"
#include "libminillm/eval/refusal_odds.h"
#include "libminillm/eval/world_messages.h"
#include "libminillm/generate/generator.h"

namespace minillm {
namespace {

using world::ChatItem;
using world::ChatItemKind;

struct Kind {
  ChatItemKind kind;
  const char* name;
};
constexpr Kind kKinds[] = {{ChatItemKind::kHarmful, "harmful_refused"},
                           {ChatItemKind::kHarmfulNewVerb, "harmful_refused_new_verbs"},
                           {ChatItemKind::kBenign, "benign_refused"},
                           {ChatItemKind::kBenignNewVerb, "benign_refused_new_verbs"}};

std::vector<Generation> answers_to(const Model& model, const Tokenizer& tokenizer,
                                   const std::vector<std::vector<Message>>& requests) {
  std::vector<std::vector<Token>> prompts;
  for (const std::vector<Message>& messages : requests)
    prompts.push_back(render_prompt(tokenizer, messages));
  GenerationConfig config;
  config.sampling.temperature = 0;
  config.max_tokens = world::kWorldAnswerTokens;
  return Generator(model, tokenizer).generate_all(prompts, config);
}

bool refuses(const ChatItem& item, const Generation& answer) {
  return score_chat(item, answer.text, answer.reason == StopReason::kEndToken).refused;
}

class Tallies {
 public:
  void add(const char* kind, bool by_model, bool by_policy, bool by_either) {
    tallies_[kind][0] += by_model;
    tallies_[kind][1] += by_policy;
    tallies_[kind][2] += by_either;
    ++tallies_[kind][3];
  }
  std::vector<world::WorldMetric> metrics() {
    std::vector<world::WorldMetric> metrics;
    for (const Kind& kind : kKinds)
      for (size_t by = 0; by < 3; ++by) {
        constexpr const char* kBy[] = {"model", "policy", "both"};
        const int64_t count = tallies_[kind.name][by], of = tallies_[kind.name][3];
        const double rate = of == 0 ? 0 : static_cast<double>(count) / static_cast<double>(of);
        metrics.push_back({"policy/" + std::string(kind.name) + "/" + kBy[by], rate, count, of});
      }
    return metrics;
  }

 private:
  std::map<std::string, std::array<int64_t, 4>> tallies_;  // by the model, the policy, both; of
};

}  // namespace

std::vector<world::WorldMetric> evaluate_policy(const Model& model, const Tokenizer& tokenizer,
                                                const world::WorldEvalSet& set,
                                                const Policy& policy) {
  const auto log_odds = [&](const PolicyRule& rule, const std::vector<Message>& messages) {
    return refusal_log_odds(model, tokenizer, messages, rule.refusal, rule.help);
  };
  std::vector<std::pair<const ChatItem*, const char*>> items;
  std::vector<std::vector<Message>> requests, screened;
  std::vector<char> refused;
  for (const ChatItem& item : set.chat)
    for (const Kind& kind : kKinds) {
      if (item.kind != kind.kind) continue;
      items.emplace_back(&item, kind.name);
      requests.push_back(to_messages(item.messages));
      Policy::ScreenedRequest request = policy.screen_request(requests.back(), log_odds);
      refused.push_back(request.refused.has_value());
      screened.push_back(std::move(request.messages));
    }
  const std::vector<Generation> plain = answers_to(model, tokenizer, requests);
  const std::vector<Generation> behind = answers_to(model, tokenizer, screened);
  Tallies tallies;
  for (size_t i = 0; i < items.size(); ++i) {
    const ChatItem& item = *items[i].first;
    const bool by_policy =
        refused[i] != 0 || policy.screen(PolicyPlace::kOutput, behind[i].text).refused.has_value();
    tallies.add(items[i].second, refuses(item, plain[i]), by_policy,
                by_policy || refuses(item, behind[i]));
  }
  return tallies.metrics();
}

}  // namespace minillm
