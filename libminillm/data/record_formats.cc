#include "libminillm/data/record_formats.h"

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"

namespace minillm {
namespace {

constexpr size_t kMaxKeysShown = 8;

const char* const kUnpairedUnsupported =
    "unpaired preference data (one answer and a 'label') is not supported: expected 'chosen' and "
    "'rejected'";

// One answer and a verdict on it: what KTO learns from.
bool is_unpaired(const Json& row) {
  if (has_field(row, "kto_tag")) return true;
  const Json* label = find_field(row, "label");
  return label != nullptr && label->is_boolean() && find_conversation_format(row) != nullptr;
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
  std::string keys = "keys";
  size_t shown = 0;
  for (const auto& [key, value] : row.items()) {
    if (++shown > kMaxKeysShown) return keys + ", ...";
    keys += fmt::format("{}'{}'", shown == 1 ? " " : ", ", key);
  }
  return shown == 0 ? "an empty object" : keys;
}

}  // namespace

RowKind row_kind(const Json& row) {
  if (find_preference_format(row) != nullptr) return RowKind::kPreference;
  if (is_unpaired(row)) return RowKind::kUnpaired;
  if (find_conversation_format(row) != nullptr) return RowKind::kConversation;
  return row.is_string() || has_field(row, "text") ? RowKind::kText : RowKind::kUnknown;
}

void check_row_kind(const DatasetReport& report, const Json& row, RowKind expected) {
  const RowKind kind = row_kind(row);
  if (kind == expected) return;
  if (kind == RowKind::kUnknown) {
    throw BadRecord{"unknown row format",
                    fmt::format("expected {}, got {}", describe(expected), describe_keys(row))};
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
