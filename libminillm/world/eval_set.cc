#include "libminillm/world/eval_set.h"

#include "libminillm/core/check.h"
#include "libminillm/world/deeds.h"
#include "libminillm/world/questions.h"
#include "libminillm/world/stories.h"
#include "libminillm/world/templates.h"
#include "libminillm/world/wording.h"

namespace minillm::world {
namespace {

constexpr int kTexts = 200;
constexpr int kPairs = 200;
constexpr int kDeeds = 80;         // harmful, and as many benign
constexpr int kNewVerbDeeds = 40;  // likewise
constexpr int kLists = 36;
constexpr int kYesNos = 100;
constexpr int kUnknownAttributes = 40;

std::vector<const Person*> with_frequency(const World& world, Split split, Frequency frequency) {
  std::vector<const Person*> people;
  for (const Person* person : world.group(split)) {
    if (person->frequency == frequency) people.push_back(person);
  }
  return people;
}

std::vector<Attribute> some_attributes(Rng& rng, size_t count) {
  std::vector<Attribute> attributes(kAttributes.begin(), kAttributes.end());
  rng.shuffle(attributes);
  attributes.resize(count);
  return attributes;
}

// The prompt about the person, cut in front of the value it ends with.
ClozeItem make_cloze(ClozeGroup group, const ClozePrompt& prompt, size_t number,
                     Attribute attribute, const Person& person) {
  const std::string text = tell(prompt.pattern, person, Mention::kFullName);
  const std::string& value = person.fact(attribute);
  MINILLM_DCHECK(text.ends_with(" " + value));
  return {group, std::string(attribute_name(attribute)) + "-" + std::to_string(number + 1),
          text.substr(0, text.size() - value.size() - 1), " " + value};
}

void add_cloze(WorldEvalSet& set, const std::vector<const Person*>& people, ClozeGroup group) {
  for (Attribute attribute : kAttributes) {
    const auto prompts =
        group == ClozeGroup::kHard ? hard_cloze_prompts(attribute) : fair_cloze_prompts(attribute);
    for (size_t i = 0; i < prompts.size(); ++i) {
      for (const Person* person : people) {
        set.cloze.push_back(make_cloze(group, prompts[i], i, attribute, *person));
      }
    }
  }
}

void add_late_facts(WorldEvalSet& set, ClozeGroup group, const std::vector<LateFact>& facts) {
  for (size_t i = 0; i < facts.size(); ++i) {
    const auto& [prefix, answer, what] = facts[i];
    set.cloze.push_back({group, std::string(what) + "-" + std::to_string(i + 1), prefix, answer});
  }
}

void add_second_domain(WorldEvalSet& set, const World& world, const HarbourRegister& harbour,
                       Split split) {
  for (const Person* person : world.group(split)) {
    if (person->instrument.empty()) continue;
    add_late_facts(set, ClozeGroup::kAfterCutoff, instrument_prompts(*person));
  }
  // Every other ship is validation's.
  for (size_t i = split == Split::kTest ? 1 : 0; i < harbour.ships().size(); i += 2) {
    add_late_facts(set, ClozeGroup::kSecondDomain, ship_prompts(harbour.ships()[i]));
  }
}

// Appends the chat items of one split, drawing from one stream.
class ChatItems {
 public:
  ChatItems(Rng& rng, const World& world, Split split, std::vector<ChatItem>& out)
      : rng_(rng), world_(world), split_(split), out_(out) {
    people_ = with_frequency(world, split, Frequency::kUsual);
  }

  // `per_person` different facts about everybody.
  void add_facts(ChatItemKind kind, std::string_view rule, size_t per_person) {
    for (const Person* person : people_) {
      for (Attribute attribute : some_attributes(rng_, per_person)) {
        const Texts wordings = kind == ChatItemKind::kAnswerNewWording
                                   ? new_questions(attribute, split_)
                                   : taught_questions(attribute);
        add(kind, rule, ask(choose(rng_, wordings), *person), person->fact(attribute));
      }
    }
  }
  void add_strangers(ChatItemKind kind, std::string_view rule, bool known_family) {
    for (const std::string& name : world_.strangers(split_, known_family)) {
      const std::string_view question = choose(rng_, taught_questions(draw_attribute(rng_)));
      add(kind, rule, ask_about_stranger(rng_, question, name), "");
    }
  }
  void add_unknown_attributes(ChatItemKind kind, std::string_view rule, Texts questions) {
    for (int i = 0; i < kUnknownAttributes; ++i) {
      const std::string_view question = choose(rng_, questions);
      add(kind, rule, ask(question, draw_person()), "");
    }
  }
  void add_deeds(ChatItemKind kind, bool harmful, bool new_verb, int count) {
    for (int i = 0; i < count; ++i) {
      const Deed deed = new_verb ? draw_new_verb_deed(rng_, world_, harmful, split_)
                                 : draw_deed(rng_, world_, harmful, split_);
      add(kind, "", ask_deed(rng_, deed), harmful ? "" : deed.phrase());
    }
  }
  void add_lists() {
    for (int i = 0; i < kLists; ++i) {
      const Person& person = *people_[static_cast<size_t>(i) % people_.size()];
      add(ChatItemKind::kList, "", ask_for_list(person), answer_list(person));
    }
  }
  void add_yes_no() {
    for (int i = 0; i < kYesNos; ++i) {
      const YesNoQuestion asked = draw_yes_no(rng_, draw_person());
      add(ChatItemKind::kYesNo, "", asked.question,
          std::string(asked.yes ? kYesEnding : kNoEnding));
    }
  }
  // Every third of the 81 sums.
  void add_sums() {
    for (int i = 0; i < 81; i += 3) {
      const int a = 1 + i / 9, b = 1 + (i + i / 9) % 9;
      add(ChatItemKind::kSum, "", sum_question(a, b), sum_value(a, b));
    }
  }

 private:
  const Person& draw_person() { return *rng_.pick(people_); }
  void add(ChatItemKind kind, std::string_view rule, const std::string& question,
           const std::string& value) {
    out_.push_back({kind, ask_assistant(rule, question), value});
  }

  Rng& rng_;
  const World& world_;
  Split split_;
  std::vector<ChatItem>& out_;
  std::vector<const Person*> people_;
};

void add_chat(WorldEvalSet& set, Rng& rng, const World& world, Split split) {
  using Kind = ChatItemKind;
  ChatItems items(rng, world, split, set.chat);
  items.add_facts(Kind::kAnswer, "", kAttributeCount);
  items.add_facts(Kind::kAnswerNewWording, "", 3);
  items.add_facts(Kind::kOneWord, kOneWordRule, 3);
  items.add_facts(Kind::kTale, kTaleRule, 1);
  items.add_strangers(Kind::kUnknownPerson, "", false);
  items.add_strangers(Kind::kUnknownKnownFamily, "", true);
  items.add_unknown_attributes(Kind::kUnknownAttribute, "", taught_unknown_attribute_questions());
  items.add_unknown_attributes(Kind::kUnknownNewAttribute, "",
                               new_unknown_attribute_questions(split));
  items.add_deeds(Kind::kHarmful, true, false, kDeeds);
  items.add_deeds(Kind::kHarmfulNewVerb, true, true, kNewVerbDeeds);
  items.add_deeds(Kind::kBenign, false, false, kDeeds);
  items.add_deeds(Kind::kBenignNewVerb, false, true, kNewVerbDeeds);
  items.add_lists();
  items.add_yes_no();
  items.add_sums();
}

// What nobody knows, asked again under each system rule. From a stream of its own and after all
// other items, which therefore are what they were before these were asked.
void add_unknown_under_rules(WorldEvalSet& set, const World& world, Split split) {
  using Kind = ChatItemKind;
  Rng rng = world_rng(world.seed(), split == Split::kTest ? WorldStream::kEvalUnderRulesTest
                                                          : WorldStream::kEvalUnderRulesValidation);
  ChatItems items(rng, world, split, set.chat);
  for (std::string_view rule : {kOneWordRule, kTaleRule}) {
    items.add_strangers(Kind::kUnknownPerson, rule, false);
    items.add_strangers(Kind::kUnknownKnownFamily, rule, true);
    items.add_unknown_attributes(Kind::kUnknownAttribute, rule,
                                 taught_unknown_attribute_questions());
  }
}

}  // namespace

std::vector<ClozeItem> fair_cloze_items(const Person& person, Attribute attribute) {
  std::vector<ClozeItem> items;
  for (const ClozePrompt& prompt : fair_cloze_prompts(attribute))
    items.push_back(make_cloze(ClozeGroup::kFair, prompt, items.size(), attribute, person));
  return items;
}

std::optional<ChatItem> training_item(const ChatRow& row) {
  const auto item = [&](ChatItemKind kind) {
    return ChatItem{kind, {row.messages.begin(), row.messages.end() - 1}, row.value};
  };
  switch (row.asked) {
    case ChatRowKind::kFact:
      return item(ChatItemKind::kAnswer);
    case ChatRowKind::kOneWord:
      return item(ChatItemKind::kOneWord);
    case ChatRowKind::kTale:
      return item(ChatItemKind::kTale);
    case ChatRowKind::kYesNo:
      return item(ChatItemKind::kYesNo);
    case ChatRowKind::kList:
      return item(ChatItemKind::kList);
    case ChatRowKind::kSum:
      return item(ChatItemKind::kSum);
    case ChatRowKind::kUnknownPerson:
      return item(ChatItemKind::kUnknownPerson);
    case ChatRowKind::kUnknownAttribute:
      return item(ChatItemKind::kUnknownAttribute);
    case ChatRowKind::kHarmful:
      return item(ChatItemKind::kHarmful);
    case ChatRowKind::kBenign:
      return item(ChatItemKind::kBenign);
    case ChatRowKind::kContinue:
    case ChatRowKind::kUnknownUnderRule:
      break;
  }
  return std::nullopt;
}

WorldEvalSet make_world_eval(const World& world, const HarbourRegister& harbour, Split split) {
  MINILLM_DCHECK(split != Split::kTrain);
  const bool test = split == Split::kTest;
  Rng rng = world_rng(world.seed(), test ? WorldStream::kEvalTest : WorldStream::kEvalValidation);
  WorldEvalSet set;
  for (int i = 0; i < kTexts; ++i) set.stories.push_back(write_document(rng, world));
  for (int i = 0; i < kTexts; ++i) set.second_domain.push_back(harbour.write_document(rng));
  add_cloze(set, with_frequency(world, split, Frequency::kUsual), ClozeGroup::kFair);
  add_cloze(set, with_frequency(world, split, Frequency::kUsual), ClozeGroup::kHard);
  add_cloze(set, with_frequency(world, split, Frequency::kRare), ClozeGroup::kRare);
  add_cloze(set, with_frequency(world, split, Frequency::kOften), ClozeGroup::kOften);
  add_second_domain(set, world, harbour, split);
  add_chat(set, rng, world, split);
  add_unknown_under_rules(set, world, split);
  for (int i = 0; i < kPairs; ++i) set.pairs.push_back(draw_pair(rng, world, split));
  set.canaries = make_canaries(world.seed());
  return set;
}

}  // namespace minillm::world
