#include "libminillm/data/row.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <optional>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"

namespace minillm {
namespace {

// Keys that say where a record comes from, not what it says.
constexpr std::array<std::string_view, 55> kMetadata = {
    "id", "uid", "uuid", "index", "source", "sources", "origin", "dataset", "subset", "split",
    "category", "subcategory", "topic", "subtopic", "domain", "task", "tags", "tag", "type",
    "language", "lang", "model", "models", "generator", "url", "link", "title", "name", "author",
    "date", "created", "timestamp", "license", "meta", "metadata", "hash", "file", "path",
    "filename", "annotator", "user_name", "user_type", "difficulty", "principle", "reason", "level",
    "quality", "input_quality", "intent",
    // of well-known data sets: UltraFeedback, MetaMath, Magpie, Argilla
    "correct_answers", "incorrect_answers", "original_question", "labelling_prompt",
    "labelling_model", "generation_prompt"};
// Keys that change what a record teaches.
constexpr std::array<std::string_view, 31> kMeaningful = {"context",   "reasoning_content",
                                                          "reasoning", "thinking",
                                                          "thought",   "thoughts",
                                                          "rationale", "chain_of_thought",
                                                          "cot",       "complex_cot",
                                                          "train",     "loss",
                                                          "loss_mask", "trainable",
                                                          "training",  "weight",
                                                          "mask",      "masked",
                                                          "label",     "tools",
                                                          "functions", "system",
                                                          "documents", "choices",
                                                          "options",   "image",
                                                          "images",    "video",
                                                          "videos",    "audio",
                                                          "audios"};

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

// What a row's used keys say, to see whether another only says it again.
class UsedTexts {
 public:
  explicit UsedTexts(const RowReading& reading) : reading_(reading) {
    for (const auto& [object, keys] : reading.used)
      for (const std::string& key : keys)
        if (const auto value = object->find(key); value != object->end()) add(*value);
  }
  // Whether all texts of `value` are among those used, or hold all of them (as a prompt that is
  // already rendered does).
  bool repeat(const Json& value) {
    if (value.is_structured())
      return std::all_of(value.begin(), value.end(), [&](const Json& v) { return repeat(v); });
    if (!value.is_string() || !holds_text(value)) return true;
    const std::string_view text = trim(value.get_ref<const std::string&>());
    // Looked at within limits, so that the time of all such searches is linear in the row.
    constexpr size_t kMaxBytes = size_t{1} << 20, kMaxSearches = 64, kMaxTexts = 64;
    if (text.size() + all_.size() > kMaxBytes || ++searches_ > kMaxSearches) return false;
    return contains_text(all_, text) ||
           (!texts_.empty() && texts_.size() <= kMaxTexts &&
            std::all_of(texts_.begin(), texts_.end(),
                        [&](std::string_view used) { return contains_text(text, used); }));
  }

 private:
  // memmem() is linear in the worst case, too, which std::string_view::find() is not.
  static bool contains_text(std::string_view text, std::string_view part) {
    return memmem(text.data(), text.size(), part.data(), part.size()) != nullptr;
  }
  void add(const Json& value) {
    if (value.is_structured()) {
      for (const Json& element : value)  // an object that was read has keys of its own
        if (!reading_.used.contains(&element)) add(element);
    } else if (value.is_string()) {
      const std::string_view text = trim(value.get_ref<const std::string&>());
      if (text.empty()) return;
      texts_.push_back(text);
      all_.append(texts_.back()).append("\n");
    }
  }

  const RowReading& reading_;
  std::vector<std::string_view> texts_;
  std::string all_;
  size_t searches_ = 0;
};

void rename(Json& object, const std::string& from, const std::string& to, RowReading& reading) {
  Json value = std::move(object[from]);
  object.erase(from);
  object[to] = std::move(value);
  const auto before = reading.written.find(from);
  reading.written[to] = before == reading.written.end() ? from : before->second;
}

// {"Question": ..., "System Prompt": ...}
void lower_names(Json& object, RowReading& reading) {
  std::vector<std::string> names;
  for (const auto& [name, value] : object.items()) names.push_back(name);
  for (const std::string& name : names) {
    std::string lower = name;
    for (char& c : lower)
      c = c == ' ' || c == '-' ? '_'
                               : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (lower != name && !object.contains(lower)) rename(object, name, lower, reading);
  }
}

// "mensch" becomes "role": in the record, and in the objects of its lists.
void map_columns(Json& value, int depth, RowReading& reading) {
  if (value.is_array() && depth > 0) {
    for (Json& element : value) map_columns(element, depth - 1, reading);
  } else if (value.is_object()) {
    for (const auto& [known, own] : reading.mapping.columns) {
      if (!value.contains(own)) continue;
      if (known != own && value.contains(known))
        rename(value, known, known + " (replaced)", reading);
      if (known != own) rename(value, own, known, reading);
      reading.mapped.insert(known);
    }
    if (depth == 0) return;
    for (auto& [name, member] : value.items())
      if (member.is_array()) map_columns(member, depth - 1, reading);
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

Json with_known_names(Json record, RowReading& reading) {
  if (!reading.mapping.columns.empty()) map_columns(record, /*depth=*/2, reading);
  if (record.is_object()) lower_names(record, reading);
  return record;
}

void RowNotes::add(const RowReading& reading) {
  for (const std::string& note : reading.notes) ++notes_[note];
  std::map<std::string, bool> unused;  // each once per record
  std::optional<UsedTexts> used_texts;
  const auto tells_more = [&](const Json& value) {
    if (!holds_text(value)) return false;
    if (!used_texts) used_texts.emplace(reading);
    return !used_texts->repeat(value);
  };
  for (const auto& [object, used] : reading.used) {
    for (const auto& [key, value] : object->items()) {
      if (value.is_null() || used.contains(key)) continue;
      const bool empty = value.is_string() ? is_blank(value.get_ref<const std::string&>())
                                           : value.is_structured() && value.empty();
      if (empty) continue;
      const auto written = reading.written.find(key);
      bool& meaningful = unused[written == reading.written.end() ? key : written->second];
      meaningful =
          meaningful || contains(kMeaningful, key) || (!is_metadata(key) && tells_more(value));
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
        "not used, though it may change what a row means: {} (data.columns says which column is "
        "what)",
        warned));
  }
  for (const auto& [note, count] : notes_)
    report.warnings.push_back(fmt::format("{} of {} rows: {}", count, report.used, note));
}

}  // namespace minillm
