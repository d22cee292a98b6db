// Reads a document sentence by sentence, as stories are written: a template, a person, a value.

#include "libminillm/world/fact_check.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "libminillm/world/questions.h"
#include "libminillm/world/templates.h"
#include "libminillm/world/wording.h"

namespace minillm::world {
namespace {

// Whether a sentence may begin after it. A colon: "Answer: Jofick Harford keeps a goat."
bool ends_sentence(std::string_view piece) {
  return piece == "." || piece == "?" || piece == "!" || piece == ":";
}

std::optional<int> number(std::string_view piece) {
  int value = 0;
  const auto [end, error] = std::from_chars(piece.data(), piece.data() + piece.size(), value);
  if (error != std::errc() || end != piece.data() + piece.size()) return {};
  return value;
}

bool is_street(std::string_view name) {
  const Texts streets = attribute_values(Attribute::kStreet);
  return std::ranges::find(streets, name) != streets.end();
}

bool is_pronoun(std::string_view subject) {
  const std::string lower = decapitalized(std::string(subject));
  return lower == "he" || lower == "she" || lower == "his" || lower == "her";
}

}  // namespace

std::string_view statement_kind_name(StatementKind kind) {
  constexpr std::string_view kNames[] = {"fact", "known", "sum"};
  return kNames[static_cast<size_t>(kind)];
}

std::string_view truth_name(Truth truth) {
  constexpr std::string_view kNames[] = {"true", "false", "nobody"};
  return kNames[static_cast<size_t>(truth)];
}

FactChecker::FactChecker(const World& world) : world_(world), one_word_("One word: {value}.") {
  for (const Person& person : world_.people()) {
    by_name_.emplace(person.name, &person);
    by_first_.emplace(person.first, &person);
  }
  for (Attribute attribute : kAttributes) {
    for (std::string_view pattern : story_templates(attribute))
      facts_.push_back({attribute, SentencePattern(pattern)});
    for (std::string_view pattern : taught_questions(attribute))
      questions_.push_back({attribute, SentencePattern(pattern)});
  }
  for (std::string_view opening : fact_openings()) openings_.emplace_back(opening);
  for (const bool known : {false, true})
    for (std::string_view pattern : known_templates(known))
      known_.push_back({known, SentencePattern(pattern)});
  for (std::string_view pattern : person_denials())
    known_.push_back({false, SentencePattern(pattern)});
}

const Person* FactChecker::person_of(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

// One document, from its first word on.
class FactChecker::Reading {
 public:
  Reading(const FactChecker& checker, std::string_view document)
      : checker_(checker), document_(document), pieces_(text_pieces(document)) {}

  std::vector<Statement> read() {
    for (size_t at = 0; at < pieces_.size();) {
      const bool begins = at == 0 || pieces_[at].begins_line || ends_sentence(pieces_[at - 1].text);
      if (begins && read_sentence(at)) continue;
      read_name(at);
      read_sum(at);
      ++at;
    }
    return std::move(statements_);
  }

 private:
  std::span<const TextPiece> from(size_t at) const { return std::span(pieces_).subspan(at); }

  // Whether there is a statement or a question here, after which `at` then is.
  bool read_sentence(size_t& at) {
    for (const KnownPattern& known : checker_.known_) {
      if (!known.pattern.matches(from(at), match_)) continue;
      const bool is_known = checker_.person_of(match_.subject) != nullptr;
      add(StatementKind::kKnown, is_known == known.known ? Truth::kTrue : Truth::kFalse, at,
          match_.subject);
      name_ = match_.subject;
      return true;
    }
    for (const FactPattern& question : checker_.questions_) {
      if (!question.pattern.matches(from(at), match_)) continue;
      asked_ = question.attribute;
      name_ = match_.subject;
      at += match_.pieces;
      return true;
    }
    if (asked_ && checker_.one_word_.matches(from(at), match_)) {
      add_fact(*asked_, match_.any_value, at);
      return true;
    }
    return read_fact(at);
  }

  bool read_fact(size_t& at) {
    size_t opening = 0;
    for (const SentencePattern& pattern : checker_.openings_)
      if (pattern.matches(from(at), match_)) opening = match_.pieces;
    for (const FactPattern& fact : checker_.facts_) {
      const size_t begin = at + (fact.pattern.begins_with_subject() ? opening : 0);
      if (!fact.pattern.matches(from(begin), match_)) continue;
      at = begin;
      add_fact(fact.attribute, match_.values[static_cast<size_t>(fact.attribute)], at);
      return true;
    }
    return false;
  }

  // Who is meant by the subject, whom the next pronoun then is. No subject: an answer of one word.
  const Person* find_subject() {
    if (!match_.subject.empty() && !is_pronoun(match_.subject)) {
      const bool first_name = match_.subject.find(' ') == std::string_view::npos;
      const bool of_last = first_name && name_.starts_with(std::string(match_.subject) + " ");
      if (!of_last) name_ = match_.subject;
      if (const auto found = checker_.by_first_.find(name_); found != checker_.by_first_.end())
        name_ = found->second->name;
    }
    return checker_.person_of(name_);
  }

  void add_fact(Attribute attribute, std::string_view value, size_t& at) {
    const Person* const person = find_subject();
    Truth truth = Truth::kNobody;
    if (person != nullptr) {
      const std::string_view animal = match_.values[static_cast<size_t>(Attribute::kAnimal)];
      const bool is_so = person->fact(attribute) == value &&
                         (animal.empty() || person->fact(Attribute::kAnimal) == animal);
      truth = is_so ? Truth::kTrue : Truth::kFalse;
    }
    const std::string_view name = name_.empty() ? match_.subject : std::string_view(name_);
    Statement& statement = add(StatementKind::kFact, truth, at, name);
    statement.attribute = attribute;
    statement.value = value;
  }

  Statement& add(StatementKind kind, Truth truth, size_t& at, std::string_view name) {
    const TextPiece& last = pieces_[at + match_.pieces - 1];
    const size_t begin = pieces_[at].begin, end = last.begin + last.text.size();
    statements_.push_back({.kind = kind,
                           .truth = truth,
                           .text = std::string(document_.substr(begin, end - begin)),
                           .name = std::string(name)});
    at += match_.pieces;
    return statements_.back();
  }

  // A full name outside statements: "This is a tale of Jofick Harford."
  void read_name(size_t at) {
    if (at == 0 || !is_capitalized_word(pieces_[at].text)) return;
    const TextPiece& before = pieces_[at - 1];
    if (!is_capitalized_word(before.text) ||
        before.begin + before.text.size() + 1 != pieces_[at].begin)
      return;
    const std::string_view name =
        document_.substr(before.begin, pieces_[at].begin + pieces_[at].text.size() - before.begin);
    if (!is_street(name)) name_ = name;
  }

  void read_sum(size_t at) {
    if (at + 4 >= pieces_.size() || pieces_[at + 1].text != "plus" ||
        pieces_[at + 3].text != "makes")
      return;
    const std::optional<int> a = number(pieces_[at].text), b = number(pieces_[at + 2].text),
                             sum = number(pieces_[at + 4].text);
    if (!a || !b || !sum) return;
    match_.pieces = 5;
    add(StatementKind::kSum, int64_t{*a} + *b == *sum ? Truth::kTrue : Truth::kFalse, at, "");
  }

  const FactChecker& checker_;
  const std::string_view document_;
  const std::vector<TextPiece> pieces_;
  std::vector<Statement> statements_;
  PatternMatch match_;
  std::string name_;                // the last person named
  std::optional<Attribute> asked_;  // by the last question
};

std::vector<Statement> FactChecker::check(std::string_view document) const {
  return Reading(*this, document).read();
}

bool all_true(const std::vector<Statement>& statements) {
  return std::ranges::all_of(statements,
                             [](const Statement& one) { return one.truth == Truth::kTrue; });
}

void StatementCounts::add(const std::vector<Statement>& document) {
  ++documents;
  if (!all_true(document)) ++untrue_documents;
  for (const Statement& statement : document) {
    ++counts_[{statement.kind, statement.truth}];
    if (statement.kind != StatementKind::kFact || statement.truth != Truth::kTrue) continue;
    distinct.emplace(statement.name, statement.attribute);
    people.insert(statement.name);
  }
}

int64_t StatementCounts::count(StatementKind kind, Truth truth) const {
  const auto found = counts_.find({kind, truth});
  return found == counts_.end() ? 0 : found->second;
}

int64_t StatementCounts::count(StatementKind kind) const {
  return count(kind, Truth::kTrue) + count(kind, Truth::kFalse) + count(kind, Truth::kNobody);
}

double StatementCounts::untrue_share() const {
  const int64_t facts = count(StatementKind::kFact);
  return facts == 0 ? 0
                    : static_cast<double>(facts - count(StatementKind::kFact, Truth::kTrue)) /
                          static_cast<double>(facts);
}

}  // namespace minillm::world
