// Policy: rules before and after a model: what may be asked, what notes may say, what is answered.
//
// A TOML file:
//
//   [[rule]]
//   name = "weapons"
//   where = ["input", "output"]     # or notes; one of them may stand without brackets
//   words = ["poison", "pipe bomb"] # whole words, or a pattern, or a model; see below
//   action = "refuse"               # or "replace"
//   text = "I will not help with that."
//
//   words    any of them as whole words; white space within one is any, up to 8 characters
//   pattern  a regular expression (constrain/regex.h) that matches a part of the text; without
//            anchors, with at most 1,000 bytes, so that a stream need not be held back for long
//   model    { refusal = "I will not", help = "Sure", threshold = 2.5 }: of requests that a chat
//            model answers with the refusal more probably than with the help, by that many nats
//
// Spellings that are taken as one: upper and lower case of Latin, Greek and Cyrillic letters (not
// beyond Latin-1), and full-width forms of ASCII. Look-alikes of other alphabets, accents, digits
// for letters and invisible characters are not.
//
// refuse: a request is not put to the model and a note is not shown; an answer ends where the match
// begins, with the rule's text. replace: the text takes the place of the match. Replacing is done
// first; what it makes anew and a rule matches, be it one that replaces, is refused: nothing that a
// rule of the output matches is ever told.

#ifndef LIBMINILLM_POLICY_POLICY_H_
#define LIBMINILLM_POLICY_POLICY_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "libminillm/constrain/byte_automaton.h"
#include "libminillm/data/notes.h"
#include "libminillm/data/record.h"  // Message

namespace minillm {

enum class PolicyPlace { kInput, kNotes, kOutput };
const char* policy_place_name(PolicyPlace place);  // "input", ...

struct PolicyRule {
  enum class Action { kRefuse, kReplace };

  std::string name;
  std::vector<PolicyPlace> places;
  Action action = Action::kRefuse;
  std::string text;

  // Any of them matches. Empty: the model judges.
  std::vector<ByteAutomaton> automata;
  bool whole_words = false;
  std::string refusal, help;  // of a model's judgement
  double threshold = 0;       // nats

  bool applies_to(PolicyPlace place) const;
  bool asks_model() const { return automata.empty(); }
};

// Which rule refused a text, and where.
struct PolicyVerdict {
  std::string rule;
  PolicyPlace place = PolicyPlace::kInput;
  std::string text;  // what is told instead
};

class Policy {
 public:
  // Throws Error (kUsage) `policy '<name>':<line>: ...`.
  static Policy parse(const std::string& toml, const std::string& name);
  static Policy load(const std::string& path);

  const std::vector<PolicyRule>& rules() const { return rules_; }
  bool has_rules_for(PolicyPlace place) const;
  // Whether a rule for requests asks a model.
  bool asks_model() const;

  // A whole text with its replacements; or the rule that refuses it. No model is asked.
  struct Screened {
    std::string text;
    std::optional<PolicyVerdict> refused;
  };
  Screened screen(PolicyPlace place, const std::string& text) const;
  // Notes that may be shown, with their replacements; those that a rule refuses are left out.
  std::vector<Note> screen_notes(std::vector<Note> notes) const;

  // A conversation with what the user said in it screened as input. The models' rules judge it as a
  // whole.
  //   log_odds   how much more probable the rule's refusal is as an answer than its help, in nats
  //              (eval/refusal_odds.h); null: rules that ask it are left out
  struct ScreenedRequest {
    std::vector<Message> messages;
    std::optional<PolicyVerdict> refused;
  };
  using LogOdds =
      std::function<double(const PolicyRule& rule, const std::vector<Message>& messages)>;
  ScreenedRequest screen_request(std::vector<Message> messages, const LogOdds& log_odds = {}) const;

 private:
  std::vector<PolicyRule> rules_;
};

}  // namespace minillm

#endif  // LIBMINILLM_POLICY_POLICY_H_
