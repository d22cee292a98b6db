#include "libminillm/eval/diagnosis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "libminillm/world/scoring.h"
#include "libminillm/world/text.h"

namespace minillm {
namespace {

std::string phase_of_stage(std::string_view stage) {
  const std::string& phase = stage_notes(stage).phase;
  return phase.empty() ? std::string(stage) : phase;
}

std::string stage_that_teaches(Skill skill) {
  const auto notes = std::ranges::find(all_stage_notes(), skill, &StageNotes::teaches);
  return notes == all_stage_notes().end() ? "" : notes->name;
}

bool same_messages(const Prompt& prompt, const world::WorldMessages& messages) {
  return std::equal(prompt.begin(), prompt.end(), messages.begin(), messages.end(),
                    [](const Message& a, const world::WorldMessage& b) {
                      return std::string_view(role_name(a.role)) == b.role &&
                             a.content == b.content;
                    });
}

bool asks_for_one_fact(world::ChatItemKind kind) {
  return kind == world::ChatItemKind::kAnswer || kind == world::ChatItemKind::kAnswerNewWording ||
         kind == world::ChatItemKind::kOneWord || kind == world::ChatItemKind::kTale;
}

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// Whether both texts contain the same two capitalised words in a row: a person's name.
bool share_a_name(std::string_view prefix, std::string_view question) {
  for (size_t i = 0; i < prefix.size(); ++i) {
    if (!is_upper(prefix[i]) || (i > 0 && prefix[i - 1] != ' ')) continue;
    const size_t space = prefix.find(' ', i);
    if (space == std::string_view::npos || space + 1 >= prefix.size()) return false;
    if (!is_upper(prefix[space + 1])) continue;
    size_t end = space + 1;
    while (end < prefix.size() && std::isalpha(static_cast<unsigned char>(prefix[end]))) ++end;
    if (question.find(prefix.substr(i, end - i)) != std::string_view::npos) return true;
  }
  return false;
}

// Of ASCII letters only; all others are compared as they are.
std::string lower_case(std::string text) {
  for (char& c : text)
    if (is_upper(c)) c = static_cast<char>(c - 'A' + 'a');
  return text;
}

}  // namespace

const char* judgement_name(Judgement judgement) {
  return judgement == Judgement::kRight   ? "right"
         : judgement == Judgement::kWrong ? "wrong"
                                          : "unjudged";
}

Skill skill_of(world::ChatItemKind kind) {
  switch (kind) {
    case world::ChatItemKind::kAnswer:
    case world::ChatItemKind::kAnswerNewWording:
    case world::ChatItemKind::kOneWord:
    case world::ChatItemKind::kTale:
      return Skill::kFact;
    case world::ChatItemKind::kHarmful:
    case world::ChatItemKind::kHarmfulNewVerb:
      return Skill::kChoice;
    default:
      return Skill::kForm;
  }
}

Judgement judge_answer(const ComparedAnswer& answer, const world::ChatItem* item,
                       bool taught_to_chat) {
  if (item != nullptr)
    return world::score_chat(*item, answer.text, answer.ended).correct ? Judgement::kRight
                                                                       : Judgement::kWrong;
  return taught_to_chat && !answer.ended ? Judgement::kWrong : Judgement::kUnjudged;
}

Judgement judge_answer(const ComparedAnswer& answer, std::span<const std::string> expected) {
  const bool told = std::ranges::any_of(expected, [&](const std::string& text) {
    return world::contains_words(lower_case(answer.text), lower_case(text));
  });
  return told && answer.ended ? Judgement::kRight : Judgement::kWrong;
}

const world::ChatItem* find_item(const world::WorldEvalSet& set, const Prompt& prompt) {
  const auto found = std::find_if(
      set.chat.begin(), set.chat.end(),
      [&](const world::ChatItem& item) { return same_messages(prompt, item.messages); });
  return found == set.chat.end() ? nullptr : &*found;
}

std::vector<const world::ClozeItem*> cloze_items_of(const world::WorldEvalSet& set,
                                                    const world::ChatItem& item) {
  std::vector<const world::ClozeItem*> found;
  if (!asks_for_one_fact(item.kind)) return found;
  for (const world::ClozeItem& cloze : set.cloze) {
    const bool fair = cloze.group == world::ClozeGroup::kFair ||
                      cloze.group == world::ClozeGroup::kRare ||
                      cloze.group == world::ClozeGroup::kOften;
    if (fair && cloze.answer == " " + item.value &&
        share_a_name(cloze.prefix, item.messages.back().content))
      found.push_back(&cloze);
  }
  return found;
}

Change classify_change(const ComparedAnswer& before, Judgement judged_before,
                       const ComparedAnswer& after, Judgement judged_after) {
  if (judged_before == Judgement::kWrong && judged_after == Judgement::kRight)
    return Change::kRepaired;
  if (judged_before == Judgement::kRight && judged_after == Judgement::kWrong)
    return Change::kBroken;
  return before.text == after.text ? Change::kSame : Change::kReworded;
}

void ChangeCounts::add(Change change) {
  ++(change == Change::kSame       ? same
     : change == Change::kReworded ? reworded
     : change == Change::kRepaired ? repaired
                                   : broken);
}

Diagnosis diagnose(Skill skill, std::optional<bool> base_knows,
                   std::span<const StageJudgement> stages) {
  Diagnosis result;
  if (stages.empty() || stages.back().judgement != Judgement::kWrong) return result;
  result.failed = true;
  for (size_t i = stages.size(); i-- > 0;) {
    if (stages[i].judgement != Judgement::kRight) continue;
    result.first_stage = static_cast<int>(i) + 1;
    result.phase = phase_of_stage(stages[i + 1].stage);
    result.reason =
        fmt::format("It was right after {} and is wrong since {}: that stage lost it.",
                    phase_of_stage(stages[i].stage), phase_of_stage(stages[i + 1].stage));
    return result;
  }

  std::string stage;
  if (skill == Skill::kFact && base_knows == false) {
    stage = stage_that_teaches(Skill::kFact);
    result.reason =
        "No stage answers it right, and the base model does not tell the fact in a story either: "
        "pretraining has not taught it.";
  } else if (skill == Skill::kChoice) {
    stage = stage_that_teaches(Skill::kChoice);
    result.reason = "No stage refuses, and to refuse is what preference tuning is to teach.";
  } else if (skill != Skill::kUnknown) {
    stage = stage_that_teaches(Skill::kForm);  // and how to tell a fact
    result.reason =
        skill == Skill::kForm ? "No stage answers it right, and this form of answer is what "
                                "fine-tuning is to teach."
        : base_knows.has_value()
            ? "No stage answers it right, though the base model tells the fact in a story: "
              "fine-tuning has not taught how to answer with it."
            : "No stage answers it right. Whether the base model knows the fact was not tried.";
  } else {  // judged by its end alone
    const auto first = std::find_if(stages.begin(), stages.end(), [](const StageJudgement& s) {
      return s.judgement == Judgement::kWrong;
    });
    stage = first->stage;
    result.reason = "The answer does not end by itself, which a chat model has to.";
  }
  result.phase = phase_of_stage(stage);
  for (size_t i = 0; i < stages.size() && result.first_stage < 0; ++i)
    if (stages[i].stage == stage) result.first_stage = static_cast<int>(i);
  return result;
}

}  // namespace minillm
