#include "libminillm/data/row.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"

namespace minillm {
namespace {

// Keys that say where a record comes from, not what it says.
constexpr std::array<std::string_view, 44> kMetadata = {
    "id",        "uid",       "uuid",      "index",     "source",    "sources",   "origin",
    "dataset",   "subset",    "split",     "category",  "topic",     "subtopic",  "domain",
    "task",      "tags",      "tag",       "type",      "language",  "lang",      "model",
    "models",    "generator", "url",       "link",      "title",     "name",      "author",
    "date",      "created",   "timestamp", "license",   "meta",      "metadata",  "hash",
    "file",      "path",      "filename",  "annotator", "user_name", "user_type", "difficulty",
    "principle", "reason"};
// Keys that change what a record teaches.
constexpr std::array<std::string_view, 22> kMeaningful = {
    "context",   "reasoning_content", "reasoning", "thinking", "thought", "thoughts",
    "rationale", "chain_of_thought",  "cot",       "train",    "loss",    "loss_mask",
    "trainable", "training",          "weight",    "mask",     "masked",  "label",
    "tools",     "functions",         "system",    "documents"};

template <typename Names>
bool contains(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_metadata(const std::string& key) {
  return contains(kMetadata, key) || key.ends_with("_id") || key.ends_with("_hash") ||
         key.starts_with("__");
}

// Whether somebody wrote words there.
bool holds_text(const Json& value) {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    return text.find(' ') != std::string::npos || text.size() > 40;
  }
  return value.is_structured() && std::any_of(value.begin(), value.end(), holds_text);
}

void rename(Json& object, const std::string& from, const std::string& to) {
  Json value = std::move(object[from]);
  object.erase(from);
  object[to] = std::move(value);
}

// {"Question": ..., "System Prompt": ...}
void lower_names(Json& object) {
  std::vector<std::string> names;
  for (const auto& [name, value] : object.items()) names.push_back(name);
  for (const std::string& name : names) {
    std::string lower = name;
    for (char& c : lower)
      c = c == ' ' || c == '-' ? '_'
                               : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (lower != name && !object.contains(lower)) rename(object, name, lower);
  }
}

// "mensch" becomes "role": in the record, and in the objects of its lists.
void map_columns(Json& value, const RowMapping& mapping, int depth, std::set<std::string>* found) {
  if (value.is_array() && depth > 0) {
    for (Json& element : value) map_columns(element, mapping, depth - 1, found);
  } else if (value.is_object()) {
    for (const auto& [known, own] : mapping.columns) {
      if (!value.contains(own)) continue;
      if (known != own && value.contains(known)) rename(value, known, known + " (replaced)");
      rename(value, own, known);
      if (found != nullptr) found->insert(known);
    }
    if (depth == 0) return;
    for (auto& [name, member] : value.items())
      if (member.is_array()) map_columns(member, mapping, depth - 1, found);
  }
}

}  // namespace

bool Row::has(const char* key) const {
  if (!value_.is_object()) return false;
  const auto found = value_.find(key);
  return found != value_.end() && !found->is_null();
}

const char* Row::first_of(std::initializer_list<const char*> keys) const {
  const auto found = std::find_if(keys.begin(), keys.end(), [&](const char* k) { return has(k); });
  return found == keys.end() ? nullptr : *found;
}

const Json* Row::use(const char* key) const {
  if (!has(key)) return nullptr;
  reading_.used[&value_].insert(key);
  return &value_.at(key);
}

std::string Row::text(const char* key) const {
  const Json* field = use(key);
  if (field == nullptr) throw BadRecord{fmt::format("missing '{}'", key), ""};
  if (field->is_structured()) {
    throw BadRecord{"wrong type",
                    fmt::format("'{}': expected a string, got {}", key, field->type_name())};
  }
  return field->is_string() ? field->get<std::string>() : field->dump();
}

std::string Row::optional_text(const char* key) const { return has(key) ? text(key) : ""; }

Json with_known_names(Json record, const RowMapping& mapping, std::set<std::string>* found) {
  if (!mapping.columns.empty()) map_columns(record, mapping, /*depth=*/2, found);
  if (record.is_object()) lower_names(record);
  return record;
}

void RowNotes::add(const RowReading& reading) {
  for (const std::string& note : reading.notes) ++notes_[note];
  std::map<std::string, bool> unused;  // each once per record
  for (const auto& [object, used] : reading.used) {
    for (const auto& [key, value] : object->items()) {
      if (value.is_null() || used.contains(key)) continue;
      const bool empty = value.is_string() ? is_blank(value.get_ref<const std::string&>())
                                           : value.is_structured() && value.empty();
      if (!empty)
        unused[key] =
            unused[key] || contains(kMeaningful, key) || (!is_metadata(key) && holds_text(value));
    }
  }
  for (const auto& [key, meaningful] : unused) {
    ++unused_[key].rows;
    unused_[key].with_text += meaningful;
  }
}

void RowNotes::report(DatasetReport& report) const {
  std::string warned;
  for (const auto& [key, unused] : unused_) {
    report.unused_keys[key] = unused.rows;
    if (unused.with_text == 0) continue;
    warned += fmt::format("{}'{}' ({} rows)", warned.empty() ? "" : ", ", key, unused.with_text);
  }
  if (!warned.empty()) {
    report.warnings.push_back(fmt::format(
        "what {} says is not learned (data.columns says which column is what)", warned));
  }
  for (const auto& [note, count] : notes_)
    report.warnings.push_back(fmt::format("{} of {} rows: {}", count, report.used, note));
}

}  // namespace minillm
