#include "libminillm/data/record_formats.h"

#include <algorithm>
#include <array>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"

namespace minillm {
namespace {

constexpr size_t kMaxKeysShown = 8;

const char* const kUnpairedUnsupported =
    "unpaired preference data (one answer and a 'label') is not supported: expected 'chosen' and "
    "'rejected'";

// What says that an answer is good or bad.
bool is_verdict(const Json& label) {
  constexpr std::array<std::string_view, 20> kVerdicts = {
      "good",     "bad",  "chosen",    "rejected",    "desirable", "undesirable", "positive",
      "negative", "true", "false",     "yes",         "no",        "1",           "0",
      "up",       "down", "thumbs_up", "thumbs_down", "like",      "dislike"};
  if (label.is_boolean() || label == 0 || label == 1 || label == -1) return true;
  return label.is_string() &&
         std::find(kVerdicts.begin(), kVerdicts.end(), label.get<std::string>()) != kVerdicts.end();
}

// One answer and a verdict on it: what KTO learns from.
bool is_unpaired(const Row& row) {
  if (row.has("kto_tag")) return true;
  const char* key = row.first_of({"label", "feedback", "thumb", "thumbs", "is_good", "desirable",
                                  "is_preferred", "preferred", "is_chosen", "liked", "upvoted"});
  return key != nullptr && is_verdict(row.value().at(key)) &&
         find_conversation_format(row) != nullptr;
}

const char* describe(RowKind kind) {
  switch (kind) {
    case RowKind::kText:
      return "texts ({\"text\": ...})";
    case RowKind::kConversation:
      return "conversations";
    case RowKind::kPreference:
      return "preference pairs";
    case RowKind::kUnpaired:
      return "unpaired preferences";
    case RowKind::kUnknown:
      break;
  }
  return "an unknown format";
}

const char* stage_for(RowKind kind) {
  return kind == RowKind::kText ? "pretrain" : kind == RowKind::kConversation ? "sft" : "dpo";
}

std::string describe_keys(const Json& row) {
  if (!row.is_object()) return row.type_name();
  if (row.contains("parent_id") && row.contains("text") && row.contains("role"))
    return "a message of an OASST tree (the file of whole trees is read: ...trees.jsonl)";
  std::string keys = "keys";
  size_t shown = 0;
  for (const auto& [key, value] : row.items()) {
    if (++shown > kMaxKeysShown) return keys + ", ...";
    keys += fmt::format("{}'{}'{}", shown == 1 ? " " : ", ", key, value.is_null() ? " (null)" : "");
  }
  return shown == 0 ? "an empty object" : keys;
}

}  // namespace

RowKind row_kind(const Row& row) {
  // A tree is conversations, too: the reader decides which.
  const bool tree = is_message_tree(row);
  if (!tree && find_preference_format(row) != nullptr) return RowKind::kPreference;
  if (is_unpaired(row)) return RowKind::kUnpaired;
  if (find_conversation_format(row) != nullptr) return RowKind::kConversation;
  if (row.value().is_object() && row.value().contains("parent_id") && row.has("role"))
    return RowKind::kUnknown;
  const bool text =
      row.value().is_string() || row.has("text") ||
      (row.has("content") && row.value().at("content").is_string() && !row.has("role"));
  return text ? RowKind::kText : RowKind::kUnknown;
}

void check_row_kind(const DatasetReport& report, const Row& row, RowKind expected) {
  const RowKind kind = row_kind(row);
  if (kind == expected) return;
  if (expected == RowKind::kPreference && is_message_tree(row)) return;
  if (kind == RowKind::kUnknown) {
    throw BadRecord{"unknown row format",
                    fmt::format("expected {}, got {} (data.columns says which column is what)",
                                describe(expected), describe_keys(row.value()))};
  }
  const bool first = report.format.empty();
  if (kind == RowKind::kUnpaired) {
    MINILLM_CHECK(!first, "'{}': {}", report.path, kUnpairedUnsupported);
    throw BadRecord{kUnpairedUnsupported, ""};
  }
  MINILLM_CHECK(!first,
                "'{}': wrong kind of data set: expected {}, got {} (which the {} stage takes)",
                report.path, describe(expected), describe(kind), stage_for(kind));
  throw BadRecord{"row of another kind",
                  fmt::format("expected {}, got {}", describe(expected), describe(kind))};
}

}  // namespace minillm
