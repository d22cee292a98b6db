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

std::string stage_that_teaches(Lesson lesson) {
  const auto notes = std::ranges::find(all_stage_notes(), lesson, &StageNotes::teaches);
  return notes == all_stage_notes().end() ? "" : notes->name;
}

bool same_messages(const Prompt& prompt, const WorldMessages& messages) {
  return std::equal(prompt.begin(), prompt.end(), messages.begin(), messages.end(),
                    [](const Message& a, const WorldMessage& b) {
                      return std::string_view(role_name(a.role)) == b.role &&
                             a.content == b.content;
                    });
}

bool asks_for_one_fact(ChatItemKind kind) {
  return kind == ChatItemKind::kAnswer || kind == ChatItemKind::kAnswerNewWording ||
         kind == ChatItemKind::kOneWord || kind == ChatItemKind::kTale;
}

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// Whether two neighbouring words with capitals, a person's name, stand in both texts.
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

// ASCII only: other letters have to be written alike.
std::string lower_case(std::string text) {
  for (char& c : text)
    if (is_upper(c)) c = static_cast<char>(c - 'A' + 'a');
  return text;
}

}  // namespace

const char* verdict_name(Verdict verdict) {
  return verdict == Verdict::kRight ? "right" : verdict == Verdict::kWrong ? "wrong" : "unjudged";
}

Lesson lesson_of(ChatItemKind kind) {
  switch (kind) {
    case ChatItemKind::kAnswer:
    case ChatItemKind::kAnswerNewWording:
    case ChatItemKind::kOneWord:
    case ChatItemKind::kTale:
      return Lesson::kFact;
    case ChatItemKind::kHarmful:
    case ChatItemKind::kHarmfulNewVerb:
      return Lesson::kChoice;
    default:
      return Lesson::kForm;
  }
}

Verdict judge_answer(const ComparedAnswer& answer, const ChatItem* item, bool taught_to_chat) {
  if (item != nullptr)
    return score_chat(*item, answer.text, answer.ended).correct ? Verdict::kRight : Verdict::kWrong;
  return taught_to_chat && !answer.ended ? Verdict::kWrong : Verdict::kUnjudged;
}

Verdict judge_answer(const ComparedAnswer& answer, std::span<const std::string> expected) {
  const bool told = std::ranges::any_of(expected, [&](const std::string& text) {
    return contains_words(lower_case(answer.text), lower_case(text));
  });
  return told && answer.ended ? Verdict::kRight : Verdict::kWrong;
}

const ChatItem* find_item(const WorldEvalSet& set, const Prompt& prompt) {
  const auto found = std::find_if(set.chat.begin(), set.chat.end(), [&](const ChatItem& item) {
    return same_messages(prompt, item.messages);
  });
  return found == set.chat.end() ? nullptr : &*found;
}

std::vector<const ClozeItem*> cloze_items_of(const WorldEvalSet& set, const ChatItem& item) {
  std::vector<const ClozeItem*> found;
  if (!asks_for_one_fact(item.kind)) return found;
  for (const ClozeItem& cloze : set.cloze) {
    const bool fair = cloze.group == ClozeGroup::kFair || cloze.group == ClozeGroup::kRare ||
                      cloze.group == ClozeGroup::kOften;
    if (fair && cloze.answer == " " + item.value &&
        share_a_name(cloze.prefix, item.messages.back().content))
      found.push_back(&cloze);
  }
  return found;
}

Change classify_change(const ComparedAnswer& before, Verdict verdict_before,
                       const ComparedAnswer& after, Verdict verdict_after) {
  if (verdict_before == Verdict::kWrong && verdict_after == Verdict::kRight)
    return Change::kRepaired;
  if (verdict_before == Verdict::kRight && verdict_after == Verdict::kWrong) return Change::kBroken;
  return before.text == after.text ? Change::kSame : Change::kReworded;
}

void ChangeCounts::add(Change change) {
  ++(change == Change::kSame       ? same
     : change == Change::kReworded ? reworded
     : change == Change::kRepaired ? repaired
                                   : broken);
}

Diagnosis diagnose(Lesson lesson, std::optional<bool> base_knows,
                   std::span<const StageVerdict> stages) {
  Diagnosis result;
  if (stages.empty() || stages.back().verdict != Verdict::kWrong) return result;
  result.failed = true;
  for (size_t i = stages.size(); i-- > 0;) {
    if (stages[i].verdict != Verdict::kRight) continue;
    result.first_stage = static_cast<int>(i) + 1;
    result.phase = phase_of_stage(stages[i + 1].stage);
    result.reason =
        fmt::format("It was right after {} and is wrong since {}: that stage lost it.",
                    phase_of_stage(stages[i].stage), phase_of_stage(stages[i + 1].stage));
    return result;
  }

  std::string stage;
  if (lesson == Lesson::kFact && base_knows == false) {
    stage = stage_that_teaches(Lesson::kFact);
    result.reason =
        "No stage answers it right, and the base model does not tell the fact in a story either: "
        "pretraining has not taught it.";
  } else if (lesson == Lesson::kChoice) {
    stage = stage_that_teaches(Lesson::kChoice);
    result.reason = "No stage refuses, and to refuse is what preference tuning is to teach.";
  } else if (lesson != Lesson::kUnknown) {
    stage = stage_that_teaches(Lesson::kForm);  // and how to tell a fact
    result.reason =
        lesson == Lesson::kForm ? "No stage answers it right, and this form of answer is what "
                                  "fine-tuning is to teach."
        : base_knows.has_value()
            ? "No stage answers it right, though the base model tells the fact in a story: "
              "fine-tuning has not taught how to answer with it."
            : "No stage answers it right. Whether the base model knows the fact was not tried.";
  } else {  // judged by its end alone
    const auto first = std::find_if(stages.begin(), stages.end(), [](const StageVerdict& s) {
      return s.verdict == Verdict::kWrong;
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
