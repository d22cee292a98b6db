#include "libminillm/world/open_book_eval.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/world/json.h"
#include "libminillm/world/open_book.h"
#include "libminillm/world/questions.h"
#include "libminillm/world/wording.h"

namespace minillm::world {
namespace {

constexpr std::string_view kKinds[] = {"closed",       "late",     "late_new_wording",
                                       "among_others", "not_told", "against_memory"};
constexpr std::string_view kMetricNames[] = {"late_known_rate_closed",
                                             "retrieval_hit_at_3",
                                             "late_answer_accuracy",
                                             "late_answer_accuracy_new_wording",
                                             "late_answer_accuracy_among_others",
                                             "late_admitted_rate",
                                             "note_over_memory_rate",
                                             "distractor_taken_rate",
                                             "late_answer_accuracy_among_others_by_name",
                                             "late_admitted_rate_by_name",
                                             "distractor_taken_rate_by_name"};

std::string about(std::string_view question, const Person& person) {
  return fill_pattern(question, {{"name", person.name}});
}

// Draws the questions of a split, in the order of OpenBookItemKind.
class OpenBookItems {
 public:
  OpenBookItems(Rng& rng, const World& world, Split split)
      : rng_(rng), world_(world), split_(split) {
    for (const Person* person : world.group(split))
      if (!person->instrument.empty()) players_.push_back(person);
  }

  // Two wordings each; `shown`: the notes, where they are not looked up.
  void add_late(OpenBookItemKind kind, Texts questions,
                const std::optional<std::vector<std::string>>& shown) {
    for (const Person* player : players_)
      for (const std::string_view question : two_of(questions))
        items_.push_back({kind, about(question, *player), shown, player->instrument, {}});
  }

  void add_among_others() {
    for (const Person* player : players_) {
      OpenBookItem item = about_others(OpenBookItemKind::kAmongOthers, *player, 2);
      std::vector<std::string>& notes = *item.notes;
      std::string news = write_news(rng_, *player);  // drawn before its place
      notes.insert(notes.begin() + static_cast<ptrdiff_t>(rng_.below(notes.size() + 1)),
                   std::move(news));
      item.value = player->instrument;
      items_.push_back(std::move(item));
    }
  }

  // Only about others, one to three of them, and none at all.
  void add_not_told() {
    for (const Person* player : players_) {
      items_.push_back(about_others(OpenBookItemKind::kNotTold, *player, 1 + rng_.below(3)));
      items_.push_back({OpenBookItemKind::kNotTold,
                        about(choose(rng_, taught_instrument_questions()), *player),
                        std::vector<std::string>(),
                        "",
                        {}});
    }
  }

  // One to three notes about somebody whom the stories tell of, all saying the same other value.
  void add_against_memory() {
    for (const Person* person : world_.group(split_)) {
      if (person->frequency != Frequency::kUsual) continue;
      const Attribute attribute = draw_attribute(rng_);
      const Person other = with_other_values(rng_, world_, *person);
      std::vector<std::string> notes;
      for (size_t count = 1 + rng_.below(3); notes.size() < count;) {
        std::string note = write_note(rng_, other, attribute);
        if (std::ranges::find(notes, note) == notes.end()) notes.push_back(std::move(note));
      }
      items_.push_back({OpenBookItemKind::kAgainstMemory,
                        ask(choose(rng_, taught_questions(attribute)), other),
                        notes,
                        other.fact(attribute),
                        {person->fact(attribute)}});
    }
  }

  std::vector<OpenBookItem> take() { return std::move(items_); }

 private:
  std::vector<std::string_view> two_of(Texts all) {
    std::vector<std::string_view> some(all.begin(), all.end());
    rng_.shuffle(some);
    some.resize(2);
    return some;
  }

  // With notes about `count` other players, none of whom plays what this one does.
  OpenBookItem about_others(OpenBookItemKind kind, const Person& player, size_t count) {
    OpenBookItem item = {
        kind, about(choose(rng_, taught_instrument_questions()), player), {}, "", {}};
    std::vector<const Person*> others = players_;
    rng_.shuffle(others);
    item.notes.emplace();
    for (const Person* other : others) {
      if (item.wrong.size() == count) break;
      if (other->instrument == player.instrument) continue;
      item.notes->push_back(write_news(rng_, *other));
      item.wrong.push_back(other->instrument);
    }
    return item;
  }

  Rng& rng_;
  const World& world_;
  Split split_;
  std::vector<const Person*> players_;
  std::vector<OpenBookItem> items_;
};

OpenBookItem parse_item(const JsonObject& line) {
  const std::string kind = line.string("kind");
  const auto found = std::ranges::find(kKinds, kind);
  MINILLM_CHECK(found != std::end(kKinds), "{}: unknown name '{}'", line.subject(), kind);
  OpenBookItem item = {static_cast<OpenBookItemKind>(found - std::begin(kKinds)),
                       line.string("question"),
                       {},
                       line.string("value"),
                       line.strings("wrong")};
  if (line.find("notes") != nullptr) item.notes = line.strings("notes");
  return item;
}

}  // namespace

std::vector<OpenBookItem> make_open_book_eval(const World& world, Split split) {
  MINILLM_DCHECK(split != Split::kTrain);
  Rng rng = world_rng(world.seed(), split == Split::kTest ? WorldStream::kOpenBookTest
                                                          : WorldStream::kOpenBookValidation);
  OpenBookItems items(rng, world, split);
  items.add_late(OpenBookItemKind::kClosed, taught_instrument_questions(),
                 std::vector<std::string>());
  items.add_late(OpenBookItemKind::kLate, taught_instrument_questions(), {});
  items.add_late(OpenBookItemKind::kLateNewWording, new_instrument_questions(split), {});
  items.add_among_others();
  items.add_not_told();
  items.add_against_memory();
  return items.take();
}

std::string open_book_eval_to_jsonl(const std::vector<OpenBookItem>& items, Split split) {
  std::string out;
  for (const OpenBookItem& item : items) {
    const Json line = {{"type", "open_book"},
                       {"split", split_name(split)},
                       {"kind", kKinds[static_cast<size_t>(item.kind)]},
                       {"question", item.question},
                       {"notes", item.notes ? Json(*item.notes) : Json()},
                       {"value", item.value},
                       {"wrong", item.wrong}};
    out += line.dump() + "\n";
  }
  return out;
}

std::vector<OpenBookItem> load_open_book_eval(const std::string& path, Split split) {
  std::vector<OpenBookItem> items;
  for_each_eval_line(path, split, [&](const JsonObject& line) {
    MINILLM_CHECK(line.string("type") == "open_book", "{}: unknown type '{}'", line.subject(),
                  line.string("type"));
    items.push_back(parse_item(line));
  });
  return items;
}

void OpenBookScore::count(std::string_view name, bool hit) {
  WorldMetric& tally = tallies_[std::string(name)];
  tally.count += hit;
  tally.of += 1;
}

void OpenBookScore::add(const OpenBookItem& item, const std::vector<std::string>& notes,
                        std::string_view text, bool by_name) {
  const auto count_shown = [&](std::string metric, bool hit) {
    count(metric.append(by_name ? "_by_name" : ""), hit);
  };
  const std::string said = trimmed(text);
  const bool denied = admits_not_knowing(said);
  const bool right = !denied && contains_words(said, item.value);
  const bool wrong = !right && std::ranges::any_of(item.wrong, [&](const std::string& value) {
    return contains_words(said, value);
  });
  switch (item.kind) {
    case OpenBookItemKind::kClosed:
      count("late_known_rate_closed", right);
      break;
    case OpenBookItemKind::kLate:
      count("retrieval_hit_at_3", std::ranges::any_of(notes, [&](const std::string& note) {
              return contains_words(note, item.value);
            }));
      count("late_answer_accuracy", right);
      break;
    case OpenBookItemKind::kLateNewWording:
      count("late_answer_accuracy_new_wording", right);
      break;
    case OpenBookItemKind::kAmongOthers:
      count_shown("late_answer_accuracy_among_others", right);
      count_shown("distractor_taken_rate", wrong);
      break;
    case OpenBookItemKind::kNotTold:
      count_shown("late_admitted_rate", denied);
      if (!item.wrong.empty()) count_shown("distractor_taken_rate", wrong);
      break;
    case OpenBookItemKind::kAgainstMemory:
      count("note_over_memory_rate", right);
      break;
  }
}

std::vector<WorldMetric> OpenBookScore::metrics() const {
  std::vector<WorldMetric> out;
  for (const std::string_view name : kMetricNames) {
    const auto found = tallies_.find(name);
    WorldMetric metric = found == tallies_.end() ? WorldMetric() : found->second;
    metric.name = name;
    if (metric.of > 0)
      metric.value = static_cast<double>(metric.count) / static_cast<double>(metric.of);
    out.push_back(std::move(metric));
  }
  return out;
}

}  // namespace minillm::world
