#include "libminillm/eval/choice_items.h"

#include <algorithm>
#include <span>
#include <unordered_map>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/utf8.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/data_form.h"
#include "libminillm/data/line_reader.h"
#include "libminillm/eval/choice_forms.h"

namespace minillm {
namespace {

// --- Requests: several records an item ---------------------------------------------------------

// From this doc_id on, oe-eval asks for the same answers without the question, for a metric that is
// not here; OLMo leaves these out, too (OEEvalTask, olmo/eval/downstream.py).
constexpr int64_t kFirstUnconditional = 1'000'000;

bool is_unconditional(const Json& record) {
  const Json* doc = find_field(record, "doc_id");
  return doc != nullptr && doc->is_number_integer() && doc->get<int64_t>() >= kFirstUnconditional;
}

class Requests {
 public:
  void add(const Json& record, int64_t line) {
    const Json* request = find_field(record, "request");
    if (request == nullptr) fail_field("request", "an object", nullptr);
    if (is_unconditional(record)) return;
    Choice choice{text_of(*request, "context"), text_of(*request, "continuation")};
    check_choice(choice);
    const std::string doc = id_of(record, "doc_id");
    if (doc.empty()) fail_field("doc_id", "a string or an integer", nullptr);
    const auto [found, is_new] = index_.emplace(doc, items_.size());
    if (is_new) {
      const std::string native = id_of(record, "native_id");
      items_.push_back({{native.empty() ? doc : native, {}, 0}, {}, line});
    }
    Open& open = items_[found->second];
    constexpr size_t kMostChoices = 1000;
    const size_t index = index_of(record, "idx", kMostChoices);
    const size_t right = index_of(record, "label", kMostChoices);
    if (!is_new && right != open.item.right)
      throw BadRecord{"two labels",
                      fmt::format("expected {} as in the other requests of doc_id {}, "
                                  "got {}",
                                  open.item.right, doc, right)};
    open.item.right = right;
    if (open.there.size() <= index) {
      open.there.resize(index + 1);
      open.item.choices.resize(index + 1);
    }
    if (open.there[index])
      throw BadRecord{"request twice", fmt::format("doc_id {} has two of 'idx' {}", doc, index)};
    open.there[index] = true;
    open.item.choices[index] = std::move(choice);
  }
  // `right_alone`: the other answers are left out, and need not be there.
  void finish(const std::string& path, bool right_alone, int64_t limit,
              std::vector<ChoiceItem>& items) {
    for (Open& open : items_) {
      if (std::ssize(items) >= limit) return;
      const auto missing = std::ranges::find(open.there, false) - open.there.begin();
      const bool no_right = open.item.right >= open.there.size() || !open.there[open.item.right];
      MINILLM_CHECK(!no_right,
                    "{}:{}: the right answer is missing: expected a request with 'idx' {} "
                    "(the label), got none of this doc_id",
                    path, open.line, open.item.right);
      if (right_alone) {
        open.item.choices = {std::move(open.item.choices[open.item.right])};
        open.item.right = 0;
      } else {
        MINILLM_CHECK(
            missing == std::ssize(open.there),
            "{}:{}: a request is missing: expected 'idx' 0 to {} of this doc_id, got no {} "
            "(is the file cut off?)",
            path, open.line, open.there.size() - 1, missing);
        MINILLM_CHECK(
            open.there.size() > 1,
            "{}:{}: nothing to choose: expected at least 2 requests of this doc_id, got 1 "
            "(a text to be continued is another kind of file)",
            path, open.line);
      }
      items.push_back(std::move(open.item));
    }
  }

 private:
  struct Open {
    ChoiceItem item;
    std::vector<bool> there;  // by idx
    int64_t line;             // of the first request
  };
  std::vector<Open> items_;
  std::unordered_map<std::string, size_t> index_;
};

// --- Files -------------------------------------------------------------------------------------

std::string keys_of(const Json& record) {
  if (!record.is_object()) return record.type_name();
  std::string keys;
  for (const auto& [key, value] : record.items()) {
    if (keys.size() > 200) return "{" + keys + ", ...}";
    keys += (keys.empty() ? "" : ", ") + key;
  }
  return "{" + keys + "}";
}

// "arc_easy" of "olmo/arc_easy.requests.jsonl.gz".
std::string task_name(const std::string& path) {
  std::string name = path.substr(path.find_last_of('/') + 1);
  for (const char* ending :
       {".gz", ".zst", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt", ".requests"})
    if (name.ends_with(ending) && name.size() > std::string_view(ending).size())
      name.resize(name.size() - std::string_view(ending).size());
  return name;
}

void read_records(ChoiceTask& task, std::span<const ItemForm> forms, const char* known,
                  bool right_alone, int64_t limit) {
  const ItemForm* form = nullptr;
  Requests requests;
  for_each_record(task.path, [&](const RawRecord& raw) {
    if (std::ssize(task.items) >= limit) return;
    try {
      const Json record = raw.parse();
      if (form == nullptr) {
        const auto found =
            std::ranges::find_if(forms, [&](const ItemForm& f) { return f.matches(record); });
        if (found == forms.end())
          throw BadRecord{"unknown form", fmt::format("expected {}, got {}", known,
                                                      replace_invalid_utf8(keys_of(record)))};
        form = &*found;
        task.form = form->name;
      }
      if (form->parse == nullptr) return requests.add(record, raw.line);
      ChoiceItem item = form->parse(record);
      if (right_alone) {
        check_choice(item.choices.front());
      } else {
        check_item(item);
      }
      if (item.id.empty()) item.id = std::to_string(task.items.size());
      task.items.push_back(std::move(item));
    } catch (const BadRecord& bad) {
      throw Error(fmt::format("{}:{}: {}{}{}", task.path, raw.line, bad.reason,
                              bad.detail.empty() ? "" : ": ", bad.detail));
    }
  });
  requests.finish(task.path, right_alone, limit, task.items);
}

void read_lines(ChoiceTask& task, int64_t limit) {
  task.form = "last words";
  LineReader lines(task.path);
  for (std::string_view line; std::ssize(task.items) < limit && lines.next(line);) {
    if (is_blank(line)) continue;
    size_t bad_byte = 0;
    MINILLM_CHECK(is_valid_utf8(line, &bad_byte),
                  "{}:{}: invalid UTF-8: byte {} of the file is 0x{:02X} (convert it with iconv -t "
                  "UTF-8)",
                  task.path, lines.line_number(), lines.offset() + bad_byte,
                  static_cast<uint8_t>(line[bad_byte]));
    task.items.push_back(last_word(line, std::to_string(task.items.size())));
  }
}

ChoiceTask open_task(const std::string& path) {
  return {path, task_name(path), "", sha256_file(path), {}};
}

ChoiceTask checked(ChoiceTask task) {
  MINILLM_CHECK(!task.items.empty(), "'{}': no item in it: it is empty", task.path);
  return task;
}

}  // namespace

std::string_view answer_text(const Choice& choice) {
  std::string_view text = choice.continuation;
  if (text.starts_with(' ')) text.remove_prefix(1);
  return text;
}

ChoiceTask read_choice_items(const std::string& path, int64_t limit) {
  ChoiceTask task = open_task(path);
  MINILLM_CHECK(holds_records(path), "'{}': it is plain text: expected {}", path, kChoiceKeys);
  read_records(task, choice_forms(), kChoiceKeys, false, limit);
  return checked(std::move(task));
}

ChoiceTask read_continuation_items(const std::string& path, int64_t limit) {
  ChoiceTask task = open_task(path);
  if (holds_records(path)) {
    read_records(task, continuation_forms(), kContinuationKeys, true, limit);
  } else {
    read_lines(task, limit);
  }
  return checked(std::move(task));
}

}  // namespace minillm
