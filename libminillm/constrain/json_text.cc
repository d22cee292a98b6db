#include "libminillm/constrain/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "libminillm/core/alternatives.h"

namespace minillm {
namespace {

constexpr const char* kCharacter =
    R"(([^"\\\x00-\x1f]|\\(["\\/bfnrt]|u([0-9A-Ca-cE-Fe-f][0-9A-Fa-f]{3}|[Dd][0-7][0-9A-Fa-f]{2})"
    R"(|[Dd][89ABab][0-9A-Fa-f]{2}\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}))))";

// The rest of a number of which `left` digits are left, before its exponent.
std::string more_digits(int left) {
  if (left == 0) return "";
  return fmt::format("(\\d{}|\\.\\d{{1,{}}})?", more_digits(left - 1), left);
}

// Decimal numbers of equally many digits from `low` to `high`.
std::string digits_between(std::string_view low, std::string_view high) {
  const auto any = [](size_t count) { return count == 0 ? "" : fmt::format("\\d{{{}}}", count); };
  if (low.empty()) return "";
  const size_t rest = low.size() - 1;
  const std::string lowest(rest, '0'), highest(rest, '9');
  if (low[0] == high[0]) return low[0] + digits_between(low.substr(1), high.substr(1));
  std::string all;
  char first = low[0], last = high[0];
  if (low.substr(1) != lowest) {
    all += fmt::format("{}{}|", first, digits_between(low.substr(1), highest));
    ++first;
  }
  if (high.substr(1) != highest) {
    all += fmt::format("{}{}|", last, digits_between(lowest, high.substr(1)));
    --last;
  }
  if (first <= last) all += fmt::format("[{}-{}]{}|", first, last, any(rest));
  all.pop_back();
  return "(" + all + ")";
}

// 0 <= low <= high: by the number of digits.
std::string integers_between(int64_t low, int64_t high) {
  std::string all;
  for (int64_t from = low; from <= high;) {
    const std::string digits = std::to_string(from);
    const int64_t to = std::min<int64_t>(high, std::stoll(std::string(digits.size(), '9')));
    all += (all.empty() ? "" : "|") + digits_between(digits, std::to_string(to));
    from = to + 1;
  }
  return "(" + all + ")";
}

#define MONTH_DAY                                                            \
  "((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)" \
  "|02-(0[1-9]|1\\d|2[0-8]))"
#define LEAP_YEAR "(\\d\\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)"
#define DATE "(\\d{4}-" MONTH_DAY "|" LEAP_YEAR "-02-29)"
#define TIME "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)"
#define ATOM "[A-Za-z0-9_+%-]{1,20}"
#define LABEL "[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?"
#define OCTET "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"

struct Format {
  const char* name;
  const char* expression;
};
// RFC 3339 (without leap seconds), RFC 9562, RFC 2673; of RFC 5321's addresses those that every
// mail system takes.
constexpr Format kFormats[] = {{"date", DATE},
                               {"time", TIME},
                               {"date-time", DATE "T" TIME},
                               {"uuid", "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"},
                               {"email", ATOM "(\\." ATOM "){0,2}@" LABEL "(\\." LABEL "){1,3}"},
                               {"ipv4", OCTET "(\\." OCTET "){3}"}};

}  // namespace

const ByteAutomaton& json_character() {
  static const ByteAutomaton automaton = compile_regex(kCharacter);
  return automaton;
}

const ByteAutomaton& json_string() {
  static const ByteAutomaton automaton = compile_regex(fmt::format("\"{}*\"", kCharacter));
  return automaton;
}

ByteAutomaton json_key_other_than(const std::vector<std::string>& keys) {
  static const ByteAutomaton all =
      compile_regex("[^]*", RegexMatch::kWhole, RegexText::kJsonString);
  std::vector<std::string> words;
  for (const std::string& key : keys) {
    const std::string quoted = nlohmann::json(key).dump();
    words.push_back(quoted.substr(1, quoted.size() - 2));
  }
  return without_words(all, std::move(words));
}

const ByteAutomaton& json_number() {
  static const ByteAutomaton automaton = compile_regex(
      fmt::format("(0|-?[1-9]{}|-?0\\.\\d{{1,16}})([eE][+-]?\\d{{1,2}})?|0", more_digits(16)));
  return automaton;
}

ByteAutomaton json_integer(int64_t least, int64_t most, const std::string& subject,
                           RegexWork& work) {
  std::string all;
  if (least < 0) all = "-" + integers_between(std::max<int64_t>(1, -most), -least);
  if (most >= 0)
    all += (all.empty() ? "" : "|") + integers_between(std::max<int64_t>(0, least), most);
  return compile_regex(all, RegexMatch::kWhole, RegexText::kPlain, subject, work);
}

const char* expression_of_format(std::string_view format) {
  const auto found = std::ranges::find(kFormats, format, &Format::name);
  return found == std::end(kFormats) ? nullptr : found->expression;
}

std::string known_formats() { return alternatives(kFormats); }

}  // namespace minillm
