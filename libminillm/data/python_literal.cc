#include "libminillm/data/python_literal.h"

#include <algorithm>
#include <array>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/core/json_spelling.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/data/json_records.h"

namespace minillm {
namespace {

constexpr size_t kMaxDepth = 32;
constexpr std::string_view kSpace = " \t\r\n";

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_json(const std::string& text) {
  try {
    spelled_json(text, kMaxDepth);
    return true;
  } catch (const JsonFault&) {
    return false;
  }
}

void add_character(std::string& json, char c) {
  if (c == '"')
    json += "\\\"";
  else if (static_cast<unsigned char>(c) < 0x20)
    json += fmt::format("\\u{:04x}", static_cast<int>(c));
  else
    json += c;
}

std::string json_string(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '\\') json += c;
    add_character(json, c);
  }
  return json + '"';
}

// What a string's source says. Escapes that JSON does not know stay: then the result is no JSON.
std::string unescaped(std::string_view source) {
  std::string json = "\"";
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\\' || i + 1 == source.size()) {
      add_character(json, source[i]);
      continue;
    }
    const char c = source[++i];
    if (c == 'x')
      json += "\\u00";
    else if (c == '\'')
      json += c;
    else
      (json += '\\') += c;
  }
  return json + '"';
}

std::string without_escaped_apostrophes(std::string_view source) {
  std::string text;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\\' && i + 1 < source.size() && source[++i] != '\'') text += '\\';
    text += source[i];
  }
  return text;
}

// The string literal whose content is `source`, as JSON.
std::string string_literal(std::string_view source, char quote) {
  const std::string_view begin = trim(source);
  if (quote == '\'' && (begin.starts_with('{') || begin.starts_with('['))) {
    const std::string text = without_escaped_apostrophes(source);
    if (is_json(text)) return json_string(text);
  }
  return unescaped(source);
}

// Whether the quote at `at` ends the string in single quotes that begins at `begin`.
bool ends_string(std::string_view text, size_t begin, size_t at, SingleQuote ends) {
  const size_t next = text.find_first_not_of(kSpace, at + 1);
  if (next != text.npos && std::string_view(",}]:").find(text[next]) == text.npos) return false;
  if (ends == SingleQuote::kBeforePunctuation || text[begin + 1] != '{') return true;
  return text[text.find_last_not_of(kSpace, at - 1)] == '}';
}

// The place of the quote that ends the string which begins at `begin`, or npos.
size_t end_of_string(std::string_view text, size_t begin, SingleQuote ends) {
  for (size_t i = begin + 1; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == text[begin] && (text[i] == '"' || ends_string(text, begin, i, ends)))
      return i;
  }
  return text.npos;
}

std::string_view json_name(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kNames = {
      {{"True", "true"}, {"False", "false"}, {"None", "null"}}};
  const auto found =
      std::find_if(kNames.begin(), kNames.end(), [&](const auto& n) { return n.first == name; });
  return found == kNames.end() ? name : found->second;
}

}  // namespace

std::string json_of_python(std::string_view text, SingleQuote ends) {
  std::string json;
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    if (text[i] == '\'' || text[i] == '"') {
      end = end_of_string(text, i, ends);
      if (end == text.npos) return json += text.substr(i);  // no literal
      json += string_literal(text.substr(i + 1, end - i - 1), text[i]);
      ++end;
    } else if (is_letter(text[i])) {
      while (end < text.size() && is_letter(text[end])) ++end;
      json += json_name(text.substr(i, end - i));
    } else {
      json += text[i];
    }
    i = end;
  }
  return json;
}

}  // namespace minillm
