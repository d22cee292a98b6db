// Evaluates the expressions of Jinja templates. Internal.

#ifndef LIBMINILLM_DATA_JINJA_EXPRESSION_H_
#define LIBMINILLM_DATA_JINJA_EXPRESSION_H_

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "libminillm/data/jinja_filters.h"
#include "libminillm/data/jinja_lexer.h"

namespace minillm {

// What names mean. What is not defined is null.
using JinjaScope = std::map<std::string, nlohmann::ordered_json>;

class JinjaExpression {
 public:
  // From token `position` on; `tokens` and `scope` must outlive this.
  JinjaExpression(const std::vector<JinjaToken>& tokens, size_t position, const JinjaScope& scope)
      : tokens_(tokens), position_(position), scope_(scope) {}

  nlohmann::ordered_json evaluate() { return conditional(); }
  // What a `for` goes over, which an `if` may follow.
  nlohmann::ordered_json evaluate_list() { return disjunction(); }
  bool take_if() { return take("if"); }
  size_t position() const { return position_; }
  // Throws JinjaError unless every token was used.
  void expect_end() const;

 private:
  using Value = nlohmann::ordered_json;
  Value conditional();
  Value disjunction();
  Value conjunction();
  Value negation();
  Value comparison();
  Value sum();
  Value product();
  Value filtered();
  Value postfix(Value value);
  Value member(const Value& value, const std::string& name);
  Value subscript(const Value& value);
  Value slice(const Value& value, int64_t first);
  Value primary();
  Value name(const std::string& name);
  Value date_of_today();
  Value arguments_as_object();
  JinjaArguments arguments();

  const JinjaToken& token() const { return tokens_[position_]; }
  bool is(const char* text) const;
  bool take(const char* text);
  void expect(const char* text);

  const std::vector<JinjaToken>& tokens_;
  size_t position_;
  const JinjaScope& scope_;
  int depth_ = 0;
};

bool is_true(const nlohmann::ordered_json& value);
std::string to_text(
    const nlohmann::ordered_json& value);  // throws JinjaError for lists and objects

}  // namespace minillm

#endif  // LIBMINILLM_DATA_JINJA_EXPRESSION_H_
