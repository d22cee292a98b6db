#include "libminillm/data/record_formats.h"

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"

namespace minillm {
namespace {

constexpr size_t kMaxKeysShown = 8;

const char* const kUnpairedUnsupported =
    "unpaired preference data (one answer and a 'label'): expected 'chosen' and 'rejected' (only "
    "dpo.loss = \"kto\" learns from single answers)";

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
  const PreferenceFormat* preference = tree ? nullptr : find_preference_format(row);
  if (preference != nullptr)
    return preference->parse == parse_judged_answer ? RowKind::kUnpaired : RowKind::kPreference;
  if (find_conversation_format(row) != nullptr) return RowKind::kConversation;
  if (row.value().is_object() && row.value().contains("parent_id") && row.has("role"))
    return RowKind::kUnknown;
  const bool text =
      row.value().is_string() || row.has("text") ||
      (row.has("content") && row.value().at("content").is_string() && !row.has("role"));
  return text ? RowKind::kText : RowKind::kUnknown;
}

void check_row_kind(const DatasetReport& report, const Row& row, RowKind expected,
                    bool takes_unpaired) {
  const RowKind kind = row_kind(row);
  if (kind == expected || (takes_unpaired && kind == RowKind::kUnpaired)) return;
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
