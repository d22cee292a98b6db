#include "libminillm/data/python_literal.h"

#include <algorithm>
#include <array>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/core/json_spelling.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/core/utf8.h"
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

struct Name {
  std::string_view python, json;
};
constexpr std::array<Name, 3> kNames = {{{"True", "true"}, {"False", "false"}, {"None", "null"}}};

// The name as the other language has it; what is none stays.
std::string_view renamed(std::string_view name, std::string_view Name::*from,
                         std::string_view Name::*to) {
  for (const Name& n : kNames)
    if (n.*from == name) return n.*to;
  return name;
}

// The code point of one character in UTF-8.
uint32_t code_point(std::string_view character) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(character[i]); };
  if (character.size() == 1) return byte(0);
  uint32_t code = byte(0) & (0x7Fu >> character.size());
  for (size_t i = 1; i < character.size(); ++i) code = code << 6 | (byte(i) & 0x3Fu);
  return code;
}

// Whether Python writes it as it is: Unicode's categories C and Z, but U+0020, are not printable.
bool is_printable(uint32_t code) {
  struct Range {
    uint32_t first, last;
  };
  constexpr Range kOther[] = {
      {0x00, 0x1F},       {0x7F, 0xA0},       {0xAD, 0xAD},       {0x600, 0x605},
      {0x61C, 0x61C},     {0x6DD, 0x6DD},     {0x70F, 0x70F},     {0x890, 0x891},
      {0x8E2, 0x8E2},     {0x1680, 0x1680},   {0x180E, 0x180E},   {0x2000, 0x200F},
      {0x2028, 0x202F},   {0x205F, 0x206F},   {0x3000, 0x3000},   {0xD800, 0xF8FF},
      {0xFEFF, 0xFEFF},   {0xFFF0, 0xFFFB},   {0x110BD, 0x110BD}, {0x110CD, 0x110CD},
      {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE007F},
      {0xF0000, 0x10FFFF}};
  return std::none_of(std::begin(kOther), std::end(kOther), [&](const Range& range) {
    return range.first <= code && code <= range.last;
  });
}

// As Python's repr() writes a string.
std::string python_string(std::string_view text) {
  const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
  std::string literal(1, quote);
  for (size_t length; !text.empty(); text.remove_prefix(length)) {
    length = utf8_character_length(text);
    MINILLM_CHECK(length > 0, "Python's literal: expected UTF-8, got the byte 0x{:02X}",
                  static_cast<uint8_t>(text[0]));
    const std::string_view character = text.substr(0, length);
    const uint32_t code = code_point(character);
    if (character[0] == quote || character[0] == '\\')
      (literal += '\\') += character;
    else if (code == '\n' || code == '\r' || code == '\t')
      (literal += '\\') += code == '\n' ? 'n' : code == '\r' ? 'r' : 't';
    else if (is_printable(code))
      literal += character;
    else
      literal += code < 0x100     ? fmt::format("\\x{:02x}", code)
                 : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                                  : fmt::format("\\U{:08x}", code);
  }
  return literal + quote;
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
      json += renamed(text.substr(i, end - i), &Name::python, &Name::json);
    } else {
      json += text[i];
    }
    i = end;
  }
  return json;
}

std::string python_of_json(std::string_view json) {
  std::string text;
  for (size_t i = 0; i < json.size();) {
    size_t end = i + 1;
    if (json[i] == '"') {
      end = end_of_string(json, i, SingleQuote::kBeforePunctuation);
      MINILLM_CHECK(end != json.npos, "JSON: a string is not closed");
      ++end;
      text += python_string(nlohmann::json::parse(json.substr(i, end - i)).get<std::string>());
    } else if (is_letter(json[i])) {
      while (end < json.size() && is_letter(json[end])) ++end;
      text += renamed(json.substr(i, end - i), &Name::json, &Name::python);
    } else {
      text += json[i];
    }
    i = end;
  }
  return text;
}

}  // namespace minillm
