#include "libminillm/policy/policy.h"

#include <algorithm>
#include <utility>

#include "libminillm/core/file.h"
#include "libminillm/policy/policy_file.h"
#include "libminillm/policy/text_filter.h"

namespace minillm {
namespace {

constexpr uint64_t kMaxFileBytes = 4 << 20;

}  // namespace

const char* policy_place_name(PolicyPlace place) {
  switch (place) {
    case PolicyPlace::kInput:
      return "input";
    case PolicyPlace::kNotes:
      return "notes";
    case PolicyPlace::kOutput:
      return "output";
  }
  return "";
}

bool PolicyRule::applies_to(PolicyPlace place) const {
  return std::ranges::find(places, place) != places.end();
}

Policy Policy::parse(const std::string& toml, const std::string& name) {
  Policy policy;
  policy.rules_ = read_policy_rules(toml, name);
  return policy;
}

Policy Policy::load(const std::string& path) { return parse(read_file(path, kMaxFileBytes), path); }

bool Policy::has_rules_for(PolicyPlace place) const {
  return std::ranges::any_of(rules_,
                             [&](const PolicyRule& rule) { return rule.applies_to(place); });
}

bool Policy::asks_model() const {
  return std::ranges::any_of(rules_, [](const PolicyRule& rule) { return rule.asks_model(); });
}

Policy::Screened Policy::screen(PolicyPlace place, const std::string& text) const {
  TextFilter filter(*this, place);
  Screened screened;
  screened.text = filter.push(text);
  screened.text += filter.finish();
  screened.refused = filter.verdict();
  return screened;
}

std::vector<Note> Policy::screen_notes(std::vector<Note> notes) const {
  std::erase_if(notes, [&](Note& note) {
    Screened screened = screen(PolicyPlace::kNotes, note.text);
    note.text = std::move(screened.text);
    return screened.refused.has_value();
  });
  return notes;
}

Policy::ScreenedRequest Policy::screen_request(std::vector<Message> messages,
                                               const LogOdds& log_odds) const {
  ScreenedRequest request;
  for (Message& message : messages) {
    if (message.role != Role::kUser) continue;
    Screened screened = screen(PolicyPlace::kInput, message.content);
    message.content = std::move(screened.text);
    if (!request.refused) request.refused = std::move(screened.refused);
  }
  for (const PolicyRule& rule : rules_) {
    if (request.refused || !log_odds) break;
    if (rule.asks_model() && log_odds(rule, messages) > rule.threshold)
      request.refused = {rule.name, PolicyPlace::kInput, rule.text};
  }
  request.messages = std::move(messages);
  return request;
}

}  // namespace minillm
