// The option --policy: rules on what is asked and answered.

#ifndef TOOLS_POLICY_OPTION_H_
#define TOOLS_POLICY_OPTION_H_

#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

#include "libminillm/core/check.h"
#include "libminillm/eval/refusal_odds.h"
#include "libminillm/policy/policy.h"
#include "tools/generation_options.h"

namespace minillm {

inline CLI::Option* add_policy_option(CLI::App& app, std::string& path) {
  return app.add_option("--policy", path,
                        "rules, as a TOML file, that refuse requests, notes and answers or replace "
                        "parts of them");
}

// What is asked, screened; rules that ask a model ask the one that would answer, which has to chat.
inline Policy::ScreenedRequest screen_prompt(const Policy& policy, const LoadedModel& loaded,
                                             std::vector<Message> messages, bool chat) {
  MINILLM_CHECK_USAGE(chat || !policy.asks_model(),
                      "policy: a rule asks the model, which needs --chat");
  return policy.screen_request(
      std::move(messages), [&](const PolicyRule& rule, const std::vector<Message>& asked) {
        return refusal_log_odds(loaded.model, loaded.tokenizer, asked, rule.refusal, rule.help);
      });
}

// Why something else is told, on standard error.
inline void tell_verdict(const PolicyVerdict& verdict) {
  spdlog::info("(refused by the rule '{}': {})", verdict.rule, policy_place_name(verdict.place));
}

}  // namespace minillm

#endif  // TOOLS_POLICY_OPTION_H_
