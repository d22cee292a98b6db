#include "libminillm/eval/choice_log.h"

#include <nlohmann/json.hpp>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/strict_json.h"

namespace minillm {
namespace {

using Ordered = nlohmann::ordered_json;

constexpr int64_t kMost = int64_t{1} << 40;

// The same file may be asked in both ways.
const char* kind_of(const ChoiceTask& task) {
  return task.items.front().choices.size() == 1 ? "continuation" : "choice";
}

ItemScore parse_score(const JsonObject& line) {
  ItemScore score;
  score.problem = line.string_or("not_asked", "");
  if (!score.problem.empty()) return score;
  score.truncated = line.boolean_or("truncated", false);
  score.divided = line.boolean_or("divided", false);
  const std::vector<double> logp = line.numbers("logp"), tokens = line.numbers("tokens");
  std::vector<double> probable(logp.size());
  if (line.find("most_probable") != nullptr) probable = line.numbers("most_probable");
  MINILLM_CHECK(tokens.size() == logp.size() && probable.size() == logp.size(),
                "{}: expected as many 'tokens' and 'most_probable' as 'logp', got {}, {} and {}",
                line.subject(), tokens.size(), probable.size(), logp.size());
  for (size_t i = 0; i < logp.size(); ++i) {
    const bool counts = tokens[i] >= 1 && tokens[i] < static_cast<double>(kMost) &&
                        probable[i] >= 0 && probable[i] <= tokens[i];
    MINILLM_CHECK(counts, "{}: expected 'tokens' from 1 and no more 'most_probable', got {} and {}",
                  line.subject(), tokens[i], probable[i]);
    score.choices.push_back(
        {logp[i], static_cast<int64_t>(tokens[i]), static_cast<int64_t>(probable[i])});
  }
  return score;
}

Ordered score_line(const ChoiceTask& task, size_t index, const ItemScore& score) {
  const ChoiceItem& item = task.items[index];
  Ordered line = {{"item", index}, {"id", item.id}};
  if (!score.problem.empty()) {
    line["not_asked"] = score.problem;
    return line;
  }
  Ordered logp, tokens, probable;
  for (const ChoiceScore& choice : score.choices) {
    logp.push_back(choice.logp);
    tokens.push_back(choice.tokens);
    probable.push_back(choice.most_probable);
  }
  line["logp"] = logp;
  line["tokens"] = tokens;
  if (score.choices.size() == 1) line["most_probable"] = probable;
  if (score.truncated) line["truncated"] = true;
  if (score.divided) line["divided"] = true;
  if (score.choices.size() == 1) {
    line["greedy"] = score.choices.front().greedy();
    return line;
  }
  const ItemVerdict verdict = judge_item(item, score);
  line["right"] = item.right;
  line["best"] = verdict.best;
  line["best_per_character"] = verdict.best_per_character;
  line["best_per_byte"] = verdict.best_per_byte;
  line["best_per_token"] = verdict.best_per_token;
  return line;
}

}  // namespace

struct ChoiceLog::Section {
  std::string kind, file, hash, model;
  std::vector<std::pair<size_t, ItemScore>> scores = {};
};

ChoiceLog::ChoiceLog(const std::string& path, std::string model, bool reads_only)
    : path_(path), model_(std::move(model)) {
  if (path.empty()) return;
  const std::string content = file_exists(path) ? read_file(path) : "";
  size_t number = 0, begin = 0;
  for (size_t end; (end = content.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string subject = fmt::format("items '{}':{}", path, ++number);
    const nlohmann::json value = parse_json(content.substr(begin, end - begin), subject);
    const JsonObject line(value, subject);
    if (line.find("task") != nullptr) {
      sections_.push_back(
          {line.string("kind"), line.string("file"), line.string("sha256"), line.string("model")});
      continue;
    }
    MINILLM_CHECK(!sections_.empty(),
                  "{}: expected a line with 'task' first, got another (is it a file of items?)",
                  subject);
    sections_.back().scores.emplace_back(line.integer_in("item", 0, kMost), parse_score(line));
  }
  MINILLM_CHECK(begin > 0 || content.empty() || content.starts_with("{\"task\":"),
                "items '{}': expected a line with 'task' first, got something else (is it a file "
                "of items?)",
                path);
  if (reads_only) return;
  if (begin < content.size()) write_file_atomic(path, std::string_view(content).substr(0, begin));
  file_.emplace(FileDescriptor::to_append(path));
}

ChoiceLog::~ChoiceLog() = default;

std::vector<std::optional<ItemScore>> ChoiceLog::begin(const ChoiceTask& task) {
  std::vector<std::optional<ItemScore>> scores(task.items.size());
  task_ = &task;
  announced_ = false;
  for (const Section& section : sections_) {
    if (section.file != task.path || section.kind != kind_of(task)) continue;
    MINILLM_CHECK(section.hash == task.hash,
                  "items '{}': they are of another '{}': expected SHA-256 {}, got {} (remove the "
                  "file, or name another one)",
                  path_, task.path, section.hash, task.hash);
    MINILLM_CHECK(section.model == model_,
                  "items '{}': another model was asked: expected {}, got {} (remove the file, or "
                  "name another one)",
                  path_, section.model, model_);
    for (const auto& [item, score] : section.scores) {
      if (item >= task.items.size()) continue;
      MINILLM_CHECK(
          !score.problem.empty() || score.choices.size() == task.items[item].choices.size(),
          "items '{}': item {} of '{}': expected scores of {} choices, got {}", path_, item,
          task.path, task.items[item].choices.size(), score.choices.size());
      scores[item] = score;
    }
  }
  return scores;
}

void ChoiceLog::add(size_t item, const ItemScore& score) {
  if (!file_) return;
  std::string lines;
  if (!announced_) {
    const Ordered line = {{"task", task_->name}, {"kind", kind_of(*task_)}, {"form", task_->form},
                          {"file", task_->path}, {"sha256", task_->hash},   {"model", model_}};
    lines = line.dump() + "\n";
    announced_ = true;
  }
  file_->write_all(lines + score_line(*task_, item, score).dump() + "\n");
}

}  // namespace minillm
