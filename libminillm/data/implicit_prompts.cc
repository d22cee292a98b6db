// Pairs whose prompt is what both answers share.

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/preference_parts.h"

namespace minillm {
namespace {

constexpr std::array<AnswerKeys, 9> kAnswerKeys = {{{"chosen", "rejected"},
                                                    {"chosen_messages", "rejected_messages"},
                                                    {"preferred_output", "non_preferred_output"},
                                                    {"chosen_response", "rejected_response"},
                                                    {"response_j", "response_k"},
                                                    {"text_correct", "text_incorrect"},
                                                    {"chosen_answer", "rejected_answer"},
                                                    {"preferred", "dispreferred"},
                                                    {"accepted", "rejected"}}};

// A key, none of those known, that may well hold the prompt.
std::optional<std::string> unknown_prompt(const Row& row) {
  RowReading reading{row.reading().mapping};
  for (const auto& [key, value] : row.value().items()) {
    if (!value.is_string() || row.reading().used[&row.value()].contains(key)) continue;
    const Json alone = {{key, value}};
    RowReading one{row.reading().mapping};
    const Row member(alone, one);
    RowNotes notes;
    notes.add(one);
    DatasetReport report;
    notes.report(report);
    if (!report.warnings.empty()) return key;
  }
  return std::nullopt;
}

}  // namespace

std::optional<AnswerKeys> answer_keys(const Row& row) {
  for (const AnswerKeys& keys : kAnswerKeys) {
    if (std::string_view(keys.chosen) == "accepted" && !row.has("accepted")) continue;
    if (row.has(keys.chosen) || row.has(keys.rejected)) return keys;
  }
  return std::nullopt;
}

PreferencePair make_implicit_pair(const Row& row, Messages chosen, const Messages& rejected,
                                  Messages preamble) {
  for (const Messages* side : {&std::as_const(chosen), &rejected}) {
    if (side->empty() || side->back().role != Role::kAssistant) {
      throw BadRecord{"answer does not end with an assistant message", ""};
    }
  }
  for (const Message* answer : {&std::as_const(chosen.back()), &rejected.back()}) {
    expect_learned(*answer);
    expect_text(*answer);
  }
  if (!std::equal(chosen.begin(), chosen.end() - 1, rejected.begin(), rejected.end() - 1,
                  same_message)) {
    throw BadRecord{"chosen and rejected differ before their last message", ""};
  }
  preamble.insert(preamble.end(), chosen.begin(), chosen.end() - 1);
  return make_pair(row, std::move(preamble), chosen.back().content, rejected.back().content);
}

PreferencePair parse_dialogues(const Row& row) {
  const AnswerKeys keys = *answer_keys(row);
  // If there is a prompt as well, the answers continue it.
  const std::string prompt = is_dialogue(row, "prompt") ? row.text("prompt") : "";
  return make_implicit_pair(row, parse_dialogue(prompt + row.text(keys.chosen)),
                            parse_dialogue(prompt + row.text(keys.rejected)), parse_preamble(row));
}

PreferencePair parse_common_beginning(const Row& row) {
  const AnswerKeys keys = *answer_keys(row);
  const std::string chosen = row.text(keys.chosen), rejected = row.text(keys.rejected);
  if (const auto key = unknown_prompt(row)) {
    throw BadRecord{
        "pair without a prompt",
        fmt::format("expected 'prompt', got '{}' (data.columns says which column is what)", *key)};
  }
  const auto [differs, unused] =
      std::mismatch(chosen.begin(), chosen.end(), rejected.begin(), rejected.end());
  size_t common = static_cast<size_t>(differs - chosen.begin());
  while (common > 0 && !std::isspace(static_cast<unsigned char>(chosen[common - 1]))) --common;
  Messages prompt = parse_preamble(row);
  prompt.push_back({Role::kUser, std::string(trim(chosen.substr(0, common)))});
  return make_pair(row, std::move(prompt), std::string(trim(chosen.substr(common))),
                   std::string(trim(rejected.substr(common))));
}

}  // namespace minillm
