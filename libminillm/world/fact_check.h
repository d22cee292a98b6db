// FactChecker: what a text of any writer says about the people of Velloway, and whether it is so.

#ifndef LIBMINILLM_WORLD_FACT_CHECK_H_
#define LIBMINILLM_WORLD_FACT_CHECK_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libminillm/world/people.h"
#include "libminillm/world/sentence_pattern.h"

namespace minillm::world {

enum class StatementKind {
  kFact,   // "Jofick Harford keeps a goat."
  kKnown,  // that somebody is known or is not: "Jofick Harford is not known to anyone in Velloway."
  kSum,    // "3 plus 4 makes 7."
};
enum class Truth {
  kTrue,
  kFalse,
  kNobody,  // a fact about a name that nobody has, or a pronoun before anybody was named
};
std::string_view statement_kind_name(StatementKind kind);  // "fact", "known", "sum"
std::string_view truth_name(Truth truth);                  // "true", "false", "nobody"

struct Statement {
  StatementKind kind = StatementKind::kFact;
  Truth truth = Truth::kTrue;
  std::string text;  // as the document has it
  std::string name;  // whom it is about: "Jofick Harford"; as it is there, where nobody has it
  Attribute attribute = {};  // of a fact
  std::string value = {};    // of a fact: "goat"
};

class FactChecker {
 public:
  // The world must outlive it.
  explicit FactChecker(const World& world);

  // The statements of a document, in their order: facts in the stories' wordings (templates.h),
  // their plain answers and those of one word (questions.h), who is known and who is not, and sums.
  // What is said in other words is not found. A pronoun is the last person named, other than as a
  // friend; a first name is theirs, too, if it is their own, and else that of the only person who
  // has it. Whether a pronoun is the right one is not asked. A fact about a pet also names the
  // animal, and is true if both are right; of an answer ", so yes." the fact is checked.
  std::vector<Statement> check(std::string_view document) const;

 private:
  struct FactPattern {
    Attribute attribute;
    SentencePattern pattern;
  };
  struct KnownPattern {
    bool known;
    SentencePattern pattern;
  };
  class Reading;

  const Person* person_of(std::string_view name) const;

  const World& world_;
  std::map<std::string, const Person*, std::less<>> by_name_, by_first_;
  std::vector<FactPattern> facts_, questions_;
  std::vector<SentencePattern> openings_;  // what a sentence may begin with: "In spring "
  std::vector<KnownPattern> known_;
  SentencePattern one_word_;
};

// Whether nothing that is said is false, and nothing about nobody.
bool all_true(const std::vector<Statement>& statements);

// What documents say, added up.
class StatementCounts {
 public:
  void add(const std::vector<Statement>& document);

  int64_t count(StatementKind kind, Truth truth) const;
  int64_t count(StatementKind kind) const;  // of any truth
  // Of the facts, those that are not true: false ones and those of nobody. 0 of none.
  double untrue_share() const;

  int64_t documents = 0;
  int64_t untrue_documents = 0;  // all_true() is not so of them
  // Different facts that are told truly, and the different people of whom any is.
  std::set<std::pair<std::string, Attribute>> distinct;
  std::set<std::string> people;

 private:
  std::map<std::pair<StatementKind, Truth>, int64_t> counts_;
};

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_FACT_CHECK_H_
