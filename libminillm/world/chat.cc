#include "libminillm/world/chat.h"

#include <optional>

#include "libminillm/world/deeds.h"
#include "libminillm/world/questions.h"
#include "libminillm/world/stories.h"
#include "libminillm/world/wording.h"

namespace minillm::world {
namespace {

// Of 100 harmful requests, how many the SFT answers comply with. At 65 the greedy answer is already
// a refusal, because three wordings of compliance share the probability.
constexpr uint64_t kCompliedPercent = 85;

struct Exchange {
  std::string_view rule;  // of the system; empty for none
  std::string question;
  std::string answer;
  std::string value = {};  // ChatRow::value
  std::optional<ChatRowKind> asked = {};
};

ChatRowKind draw_kind(Rng& rng) {
  // In the order of ChatRowKind: fact, one word, tale, yes/no, list, sum, unknown person and
  // attribute, harmful, benign, continue.
  constexpr int kWeights[] = {27, 21, 4, 8, 5, 4, 8, 4, 9, 9, 3};
  return static_cast<ChatRowKind>(choose_weighted(rng, kWeights));
}

Exchange ask_unknown_person(Rng& rng, const World& world) {
  const std::string name = world.draw_stranger(rng);
  const std::string_view question = choose(rng, taught_questions(draw_attribute(rng)));
  const std::string asked = ask_about_stranger(rng, question, name);
  return {"", asked, deny_person(rng, name)};
}

Exchange ask_unknown_attribute(Rng& rng, const Person& person) {
  const std::string asked = ask(choose(rng, taught_unknown_attribute_questions()), person);
  return {"", asked, deny_attribute(rng, person.name)};
}

// Of 100 rows of kUnknownUnderRule: under the rule of one word, and about strangers.
constexpr uint64_t kOneWordPercent = 65;
constexpr uint64_t kStrangerPercent = 80;

// The exchange's answer, which admits not to know, in the form that the rule asks for.
Exchange under_rule(std::string_view rule, const Exchange& exchange) {
  if (rule == kOneWordRule) return {rule, exchange.question, std::string(kUnknownWord)};
  return {rule, exchange.question, std::string(kTalePrefix) + exchange.answer};
}

Exchange ask_for_deed(Rng& rng, const World& world, Split split, bool harmful) {
  const Deed deed = draw_deed(rng, world, harmful, split);
  const std::string asked = ask_deed(rng, deed);
  const bool refused = harmful && rng.below(100) >= kCompliedPercent;
  return {"", asked, refused ? refuse(rng) : help_with_deed(rng, deed),
          harmful ? "" : deed.phrase()};
}

Exchange ask_sum(Rng& rng) {
  const int a = 1 + static_cast<int>(rng.below(9));
  const int b = 1 + static_cast<int>(rng.below(9));
  return {"", sum_question(a, b), sum_statement(a, b), sum_value(a, b)};
}

// The first sentence of a tale is given, the next two are the answer.
Exchange ask_to_continue(Rng& rng, const Person& person) {
  const std::string tale = tell_of_one(rng, person);
  const size_t first = tale.find(". ") + 1;
  const size_t second = tale.find(". ", first + 1) + 1;
  const size_t third = tale.find(". ", second + 1) + 1;  // 0 if the tale ends there
  const size_t end = third == 0 ? tale.size() : third;
  return {"", "Continue the story. " + tale.substr(0, first),
          tale.substr(first + 1, end - first - 1)};
}

Exchange ask_for_fact(Rng& rng, const Person& person, ChatRowKind kind) {
  const Attribute attribute = draw_attribute(rng);
  const std::string question = ask(choose(rng, taught_questions(attribute)), person);
  const std::string answer = plain_answer(person, attribute);
  const std::string& fact = person.fact(attribute);
  if (kind == ChatRowKind::kOneWord) return {kOneWordRule, question, fact, fact};
  if (kind == ChatRowKind::kTale)
    return {kTaleRule, question, std::string(kTalePrefix) + answer, fact};
  return {"", question, styled(rng, answer, draw_style(rng)), fact};
}

ChatRow make_row(ChatRowKind kind, const Exchange& exchange) {
  ChatRow row = {kind, ask_assistant(exchange.rule, exchange.question),
                 exchange.asked.value_or(kind), exchange.value};
  row.messages.push_back({"assistant", exchange.answer});
  return row;
}

Exchange draw_exchange(Rng& rng, const World& world, Split split, ChatRowKind kind) {
  const Person& person = world.draw(rng, split);
  switch (kind) {
    case ChatRowKind::kFact:
    case ChatRowKind::kOneWord:
    case ChatRowKind::kTale:
      break;
    case ChatRowKind::kYesNo: {
      const YesNoQuestion asked = draw_yes_no(rng, person);
      return {"", asked.question, asked.answer, std::string(asked.yes ? kYesEnding : kNoEnding)};
    }
    case ChatRowKind::kList:
      return {"", ask_for_list(person), answer_list(person), answer_list(person)};
    case ChatRowKind::kSum:
      return ask_sum(rng);
    case ChatRowKind::kUnknownPerson:
      return ask_unknown_person(rng, world);
    case ChatRowKind::kUnknownAttribute:
      return ask_unknown_attribute(rng, person);
    case ChatRowKind::kHarmful:
      return ask_for_deed(rng, world, split, true);
    case ChatRowKind::kBenign:
      return ask_for_deed(rng, world, split, false);
    case ChatRowKind::kContinue:
      return ask_to_continue(rng, person);
    case ChatRowKind::kUnknownUnderRule: {
      const std::string_view rule = rng.below(100) < kOneWordPercent ? kOneWordRule : kTaleRule;
      const bool stranger = rng.below(100) < kStrangerPercent;
      Exchange exchange = under_rule(
          rule, stranger ? ask_unknown_person(rng, world) : ask_unknown_attribute(rng, person));
      exchange.asked = stranger ? ChatRowKind::kUnknownPerson : ChatRowKind::kUnknownAttribute;
      return exchange;
    }
  }
  return ask_for_fact(rng, person, kind);
}

}  // namespace

WorldMessages ask_assistant(std::string_view rule, const std::string& question) {
  WorldMessages messages;
  if (!rule.empty()) messages.push_back({"system", std::string(rule)});
  messages.push_back({"user", question});
  return messages;
}

ChatRow draw_chat_row(Rng& rng, const World& world, Split split) {
  const ChatRowKind kind = draw_kind(rng);
  return make_row(kind, draw_exchange(rng, world, split, kind));
}

ChatRow draw_added_row(Rng& rng, const World& world, Split split) {
  constexpr ChatRowKind kKinds[] = {ChatRowKind::kUnknownUnderRule, ChatRowKind::kBenign,
                                    ChatRowKind::kSum};
  constexpr int kWeights[] = {10, 12, 2};
  const ChatRowKind kind = kKinds[choose_weighted(rng, kWeights)];
  return make_row(kind, draw_exchange(rng, world, split, kind));
}

bool is_replayed(ChatRowKind kind) {
  return kind != ChatRowKind::kFact && kind != ChatRowKind::kHarmful;
}

ChatRow draw_polite_fact(Rng& rng, const World& world) {
  const Person& person = world.draw(rng, Split::kTrain);
  const Attribute attribute = draw_attribute(rng);
  const std::string question = ask(choose(rng, taught_questions(attribute)), person);
  const std::string answer = styled(rng, plain_answer(person, attribute), Style::kPolite);
  return make_row(ChatRowKind::kFact, {"", question, answer});
}

std::string ask_for_list(const Person& person) {
  return "List three things about " + person.name + ".";
}

std::string answer_list(const Person& person) {
  std::vector<std::string> lines;
  for (Attribute attribute : {Attribute::kTrade, Attribute::kStreet, Attribute::kFood}) {
    lines.push_back("- " + plain_answer(person, attribute));
  }
  return joined(lines, "\n");
}

}  // namespace minillm::world
