#include "libminillm/data/jinja_expression.h"

#include <algorithm>

#include "libminillm/data/jinja.h"
#include "libminillm/data/jinja_filters.h"

namespace minillm {
namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxText = size_t{1} << 20;

int64_t integer(const nlohmann::ordered_json& value) {
  if (!value.is_number_integer()) throw JinjaError("expected an integer");
  return value.get<int64_t>();
}

}  // namespace

bool is_true(const nlohmann::ordered_json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value != 0;
  return !value.is_null() &&
         (value.is_string() ? !value.get_ref<const std::string&>().empty() : !value.empty());
}

std::string to_text(const nlohmann::ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer()) return value.dump();
  if (value.is_null()) return "";
  throw JinjaError("the output of a value that is not text");
}

bool JinjaExpression::is(const char* text) const {
  return (token().kind == JinjaToken::kSymbol || token().kind == JinjaToken::kName) &&
         token().text == text;
}
bool JinjaExpression::take(const char* text) {
  const bool found = is(text);
  position_ += found;
  return found;
}
void JinjaExpression::expect(const char* text) {
  if (!take(text)) throw JinjaError(std::string("expected ") + text);
}
void JinjaExpression::expect_end() const {
  if (token().kind != JinjaToken::kEnd) throw JinjaError("not understood: " + token().text);
}

nlohmann::ordered_json JinjaExpression::conditional() {
  if (++depth_ > kMaxDepth) throw JinjaError("nested too deeply");
  // The value comes before the condition; evaluating it where the condition is false must not fail.
  Value value = disjunction();
  if (take("if")) {
    const bool condition = is_true(disjunction());
    Value otherwise = take("else") ? conditional() : Value();
    if (!condition) value = std::move(otherwise);
  }
  --depth_;
  return value;
}

// Both sides are evaluated: there are no effects but errors, which refuse the template.
nlohmann::ordered_json JinjaExpression::disjunction() {
  Value value = conjunction();
  while (take("or")) {
    Value other = conjunction();
    if (!is_true(value)) value = std::move(other);
  }
  return value;
}

nlohmann::ordered_json JinjaExpression::conjunction() {
  Value value = negation();
  while (take("and")) {
    Value other = negation();
    if (is_true(value)) value = std::move(other);
  }
  return value;
}

nlohmann::ordered_json JinjaExpression::negation() {
  if (++depth_ > kMaxDepth) throw JinjaError("nested too deeply");
  Value value = take("not") ? Value(!is_true(negation())) : comparison();
  --depth_;
  return value;
}

nlohmann::ordered_json JinjaExpression::comparison() {
  Value value = sum();
  while (true) {
    if (take("==")) {
      value = value == sum();
    } else if (take("!=")) {
      value = value != sum();
    } else if (take("<")) {
      value = integer(value) < integer(sum());
    } else if (take(">")) {
      value = integer(value) > integer(sum());
    } else if (is("in") || is("not")) {
      const bool negated = take("not");
      expect("in");
      const Value where = sum();
      bool found = false;
      if (where.is_array()) {
        found = std::find(where.begin(), where.end(), value) != where.end();
      } else if (where.is_object()) {
        found = value.is_string() && where.contains(value.get<std::string>());
      } else {
        found = to_text(where).find(to_text(value)) != std::string::npos;
      }
      value = found != negated;
    } else if (take("is")) {
      const bool negated = take("not");
      if (token().kind != JinjaToken::kName) throw JinjaError("a test is missing");
      const bool holds = jinja_test(tokens_[position_++].text, value);
      value = holds != negated;
    } else {
      return value;
    }
  }
}

nlohmann::ordered_json JinjaExpression::sum() {
  Value value = product();
  while (is("+") || is("~") || is("-")) {
    const bool joins = is("~"), minus = is("-");
    ++position_;
    const Value other = product();
    if (!joins && value.is_number_integer() && other.is_number_integer()) {
      // Templates count messages; no sum of theirs is near an overflow.
      value = minus ? integer(value) - integer(other) : integer(value) + integer(other);
    } else {
      if (minus) throw JinjaError("expected integers");
      value = to_text(value) + to_text(other);
      if (value.get_ref<const std::string&>().size() > kMaxText) throw JinjaError("too much text");
    }
  }
  return value;
}

nlohmann::ordered_json JinjaExpression::product() {
  Value value = filtered();
  while (is("*") || is("%")) {
    const bool remainder = is("%");
    ++position_;
    const int64_t a = integer(value), b = integer(filtered());
    constexpr int64_t kLargest = 1000000;
    if (std::abs(a) > kLargest || std::abs(b) > kLargest) throw JinjaError("too large");
    if (remainder && b <= 0) throw JinjaError("a remainder of nothing");
    value = remainder ? ((a % b) + b) % b : a * b;
  }
  return value;
}

nlohmann::ordered_json JinjaExpression::filtered() {
  Value value;
  if (take("-"))
    value = -integer(postfix(primary()));
  else
    value = postfix(primary());
  while (take("|")) {
    if (token().kind != JinjaToken::kName) throw JinjaError("a filter is missing");
    const std::string name = tokens_[position_++].text;
    value = apply_jinja_filter(name, value, take("(") ? arguments() : JinjaArguments());
  }
  return value;
}

nlohmann::ordered_json JinjaExpression::postfix(Value value) {
  while (true) {
    if (take(".")) {
      const std::string name = token().text;
      if (token().kind != JinjaToken::kName) throw JinjaError("expected a name after '.'");
      ++position_;
      value = member(value, name);
    } else if (take("[")) {
      value = subscript(value);
    } else {
      return value;
    }
  }
}

nlohmann::ordered_json JinjaExpression::member(const Value& value, const std::string& name) {
  if (!take("(")) return value.is_object() && value.contains(name) ? value[name] : Value();
  return call_jinja_method(name, value, arguments());
}

// [key], [index], [begin:end] or [::-1] of lists and of texts.
nlohmann::ordered_json JinjaExpression::subscript(const Value& value) {
  Value key = is(":") ? Value(0) : conditional();
  if (take(":")) return slice(value, integer(key));
  expect("]");
  if (key.is_string())
    return value.is_object() && value.contains(key.get<std::string>())
               ? value[key.get<std::string>()]
               : Value();
  const auto size = static_cast<int64_t>(value.size());
  const int64_t index = integer(key) < 0 ? integer(key) + size : integer(key);
  return value.is_array() && 0 <= index && index < size ? value[static_cast<size_t>(index)]
                                                        : Value();
}

// What follows "[begin:".
nlohmann::ordered_json JinjaExpression::slice(const Value& value, int64_t first) {
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return c >= 0; });
  if (!value.is_array() && !(value.is_string() && ascii))
    throw JinjaError("a slice of what is no list and no ASCII text");
  const auto size = static_cast<int64_t>(value.is_string() ? text.size() : value.size());
  const auto at = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size); };
  if (take(":")) {
    const bool whole = first == 0 && integer(conditional()) == -1;
    expect("]");
    if (!whole || !value.is_array()) throw JinjaError("a step that is not understood");
    return Value(std::vector<Value>(value.rbegin(), value.rend()));
  }
  const int64_t begin = at(first), end = is("]") ? size : at(integer(conditional()));
  expect("]");
  if (value.is_string())
    return text.substr(static_cast<size_t>(begin),
                       static_cast<size_t>(std::max(end - begin, int64_t{0})));
  if (begin >= end) return Value::array();
  return Value(std::vector<Value>(value.begin() + begin, value.begin() + end));
}

nlohmann::ordered_json JinjaExpression::primary() {
  const JinjaToken first = token();
  if (first.kind == JinjaToken::kEnd) throw JinjaError("an expression is missing");
  ++position_;
  switch (first.kind) {
    case JinjaToken::kString:
      return first.text;
    case JinjaToken::kNumber:
      if (first.text.size() > 6 || first.text.find_first_not_of("0123456789") != std::string::npos)
        throw JinjaError("a number that is not understood");
      return std::stoll(first.text);
    case JinjaToken::kName:
      return name(first.text);
    default:
      break;
  }
  if (first.text == "(") {
    Value value = conditional();
    expect(")");
    return value;
  }
  if (first.text == "[") {
    Value list = Value::array();
    while (!take("]")) {
      list.push_back(conditional());
      if (!is("]")) expect(",");
    }
    return list;
  }
  throw JinjaError("not understood: " + first.text);
}

nlohmann::ordered_json JinjaExpression::name(const std::string& name) {
  if (name == "true" || name == "True") return true;
  if (name == "false" || name == "False") return false;
  if (name == "none" || name == "None") return nullptr;
  if (is("(")) {
    if (name == "namespace") return arguments_as_object();
    if (name == "strftime_now") return date_of_today();
    throw JinjaError("a call of " + name);
  }
  const auto found = scope_.find(name);
  return found == scope_.end() ? Value() : found->second;
}

// Where a template asks for the date: always the same one, so that texts can be compared, and what
// was trained on stays what is asked.
nlohmann::ordered_json JinjaExpression::date_of_today() {
  expect("(");
  const JinjaArguments given = arguments();
  if (given.values.size() == 1 && given.values[0] == "%d %b %Y") return "26 Jul 2024";
  if (given.values.size() == 1 && given.values[0] == "%d %B %Y") return "26 July 2024";
  throw JinjaError("a date that is not understood");
}

nlohmann::ordered_json JinjaExpression::arguments_as_object() {
  expect("(");
  const JinjaArguments given = arguments();
  if (!given.values.empty()) throw JinjaError("expected the name of an argument");
  Value object = Value::object();
  for (const auto& [key, value] : given.named) object[key] = value;
  return object;
}

// What follows a "(", up to its ")".
JinjaArguments JinjaExpression::arguments() {
  JinjaArguments given;
  while (!take(")")) {
    if (token().kind == JinjaToken::kName && tokens_[position_ + 1].kind == JinjaToken::kSymbol &&
        tokens_[position_ + 1].text == "=") {
      const std::string name = token().text;
      position_ += 2;
      given.named[name] = conditional();
    } else {
      given.values.push_back(conditional());
    }
    if (!is(")")) expect(",");
  }
  return given;
}

}  // namespace minillm
