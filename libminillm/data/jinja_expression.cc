#include "libminillm/data/jinja_expression.h"

#include <algorithm>

#include "libminillm/data/jinja.h"

namespace minillm {
namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxText = size_t{1} << 20;

std::string strip(const std::string& text, bool begin, bool end) {
  constexpr const char* kSpace = " \t\n\v\f\r";
  const size_t first = text.find_first_not_of(kSpace), last = text.find_last_not_of(kSpace);
  if (first == std::string::npos) return "";
  const size_t from = begin ? first : 0, to = end ? last + 1 : text.size();
  return text.substr(from, to - from);
}

int64_t integer(const nlohmann::json& value) {
  if (!value.is_number_integer()) throw JinjaError("expected an integer");
  return value.get<int64_t>();
}

}  // namespace

bool is_true(const nlohmann::json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value != 0;
  return !value.is_null() &&
         (value.is_string() ? !value.get_ref<const std::string&>().empty() : !value.empty());
}

std::string to_text(const nlohmann::json& value) {
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

nlohmann::json JinjaExpression::conditional() {
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
nlohmann::json JinjaExpression::disjunction() {
  Value value = conjunction();
  while (take("or")) {
    Value other = conjunction();
    if (!is_true(value)) value = std::move(other);
  }
  return value;
}

nlohmann::json JinjaExpression::conjunction() {
  Value value = negation();
  while (take("and")) {
    Value other = negation();
    if (is_true(value)) value = std::move(other);
  }
  return value;
}

nlohmann::json JinjaExpression::negation() {
  if (++depth_ > kMaxDepth) throw JinjaError("nested too deeply");
  Value value = take("not") ? Value(!is_true(negation())) : comparison();
  --depth_;
  return value;
}

nlohmann::json JinjaExpression::comparison() {
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
      bool holds = false;
      if (take("defined"))
        holds = !value.is_null();
      else if (take("undefined") || take("none"))
        holds = value.is_null();
      else if (take("string"))
        holds = value.is_string();
      else if (take("mapping"))
        holds = value.is_object();
      else
        throw JinjaError("a test that is not understood: " + token().text);
      value = holds != negated;
    } else {
      return value;
    }
  }
}

nlohmann::json JinjaExpression::sum() {
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

nlohmann::json JinjaExpression::product() {
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

nlohmann::json JinjaExpression::filtered() {
  Value value;
  if (take("-"))
    value = -integer(postfix(primary()));
  else
    value = postfix(primary());
  while (take("|")) {
    if (take("trim"))
      value = strip(to_text(value), true, true);
    else if (take("length"))
      value = value.is_string() ? value.get<std::string>().size() : value.size();
    else if (take("string"))
      value = to_text(value);
    else
      throw JinjaError("a filter that is not understood: " + token().text);
    if (take("(")) expect(")");
  }
  return value;
}

nlohmann::json JinjaExpression::postfix(Value value) {
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

nlohmann::json JinjaExpression::member(const Value& value, const std::string& name) {
  if (!take("(")) return value.is_object() && value.contains(name) ? value[name] : Value();
  if (name == "startswith" || name == "endswith") {
    const std::string text = to_text(value), part = to_text(conditional());
    expect(")");
    return name == "startswith" ? text.starts_with(part) : text.ends_with(part);
  }
  expect(")");
  if (name == "strip") return strip(to_text(value), true, true);
  if (name == "lstrip") return strip(to_text(value), true, false);
  if (name == "rstrip") return strip(to_text(value), false, true);
  throw JinjaError("a method that is not understood: " + name);
}

// [key], [index] or [begin:end] of lists.
nlohmann::json JinjaExpression::subscript(const Value& value) {
  const auto size = static_cast<int64_t>(value.size());
  const auto at = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size); };
  Value key = is(":") ? Value(0) : conditional();
  if (take(":")) {
    if (!value.is_array()) throw JinjaError("a slice of what is no list");
    const int64_t begin = at(integer(key)), end = is("]") ? size : at(integer(conditional()));
    expect("]");
    if (begin >= end) return Value::array();
    return Value(std::vector<Value>(value.begin() + begin, value.begin() + end));
  }
  expect("]");
  if (key.is_string())
    return value.is_object() && value.contains(key.get<std::string>())
               ? value[key.get<std::string>()]
               : Value();
  const int64_t index = integer(key) < 0 ? integer(key) + size : integer(key);
  return value.is_array() && 0 <= index && index < size ? value[static_cast<size_t>(index)]
                                                        : Value();
}

nlohmann::json JinjaExpression::primary() {
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

nlohmann::json JinjaExpression::name(const std::string& name) {
  if (name == "true" || name == "True") return true;
  if (name == "false" || name == "False") return false;
  if (name == "none" || name == "None") return nullptr;
  if (is("(")) {
    if (name == "namespace") return arguments_as_object();
    throw JinjaError("a call of " + name);
  }
  const auto found = scope_.find(name);
  return found == scope_.end() ? Value() : found->second;
}

nlohmann::json JinjaExpression::arguments_as_object() {
  Value object = Value::object();
  expect("(");
  while (!take(")")) {
    if (token().kind != JinjaToken::kName) throw JinjaError("expected the name of an argument");
    const std::string key = token().text;
    ++position_;
    expect("=");
    object[key] = conditional();
    if (!is(")")) expect(",");
  }
  return object;
}

}  // namespace minillm
