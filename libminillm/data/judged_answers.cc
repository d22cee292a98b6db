// Rows of one answer and a verdict on it, {"prompt": ..., "completion": ..., "label": true}: what
// KTO learns from (Ethayarajh et al. 2024, arXiv:2402.01306).

#include <algorithm>
#include <array>
#include <optional>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/preference_parts.h"

namespace minillm {
namespace {

// Whether an answer is good, in the words of data sets; nothing if that is no verdict.
std::optional<bool> verdict_of(const Json& label) {
  struct Words {
    std::string_view good, bad;
  };
  constexpr std::array<Words, 10> kWords = {{{"good", "bad"},
                                             {"chosen", "rejected"},
                                             {"desirable", "undesirable"},
                                             {"positive", "negative"},
                                             {"true", "false"},
                                             {"yes", "no"},
                                             {"1", "0"},
                                             {"up", "down"},
                                             {"thumbs_up", "thumbs_down"},
                                             {"like", "dislike"}}};
  if (label.is_boolean()) return label.get<bool>();
  if (label == 1) return true;
  if (label == 0 || label == -1) return false;
  if (!label.is_string()) return std::nullopt;
  const std::string word = lower_case(label.get<std::string>());
  for (const Words& words : kWords)
    if (word == words.good || word == words.bad) return word == words.good;
  return std::nullopt;
}

// The key that holds the verdict, or nullptr.
const char* verdict_key(const Row& row) {
  return row.first_of({"kto_tag", "label", "feedback", "thumb", "thumbs", "is_good", "desirable",
                       "is_preferred", "preferred", "is_chosen", "liked", "upvoted"});
}

}  // namespace

bool is_judged_answer(const Row& row) {
  const char* key = verdict_key(row);
  return key != nullptr && find_conversation_format(row) != nullptr &&
         (verdict_of(row.value().at(key)) || std::string_view(key) == "kto_tag");
}

std::vector<PreferencePair> parse_judged_answer(const Row& row) {
  const char* key = verdict_key(row);
  const std::optional<bool> good = verdict_of(*row.use(key));
  if (!good) throw BadRecord{fmt::format("'{}' is no verdict", key), "expected true or false"};
  std::vector<PreferencePair> answers;
  for (Conversation& conversation : find_conversation_format(row)->parse(row)) {
    PreferencePair& pair = answers.emplace_back();
    expect_text(conversation.messages.back());
    (*good ? pair.chosen : pair.rejected) = std::move(conversation.messages.back().content);
    conversation.messages.pop_back();
    pair.prompt = std::move(conversation.messages);
    expect_prompt(pair.prompt);
  }
  return answers;
}

}  // namespace minillm
