#include "libminillm/constrain/regex.h"

#include <gtest/gtest.h>

#include <ctime>
#include <regex>

#include "libminillm/core/rng.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

bool whole(const std::string& expression, const std::string& text) {
  return compile_regex(expression).matches(text);
}
bool found(const std::string& expression, const std::string& text) {
  return compile_regex(expression, RegexMatch::kSearch).matches(text);
}

TEST(Regex, MatchesTheWholeText) {
  EXPECT_TRUE(whole("ab|cd", "cd"));
  EXPECT_FALSE(whole("ab|cd", "abd"));
  EXPECT_TRUE(whole("", ""));
  EXPECT_FALSE(whole("", "a"));
  EXPECT_TRUE(whole("^a$", "a"));
  EXPECT_TRUE(whole("(?:a|(?<name>b))*?c+", "ababcc"));
  EXPECT_TRUE(whole("a{2,3}", "aaa"));
  EXPECT_FALSE(whole("a{2,3}", "aaaa"));
  EXPECT_TRUE(whole("a{2,}", "aaaaa"));
  EXPECT_TRUE(whole("a{0}b", "b"));
}

TEST(Regex, SearchFindsAPartUnlessItIsAnchored) {
  EXPECT_TRUE(found("b", "abc"));
  EXPECT_FALSE(found("^b", "abc"));
  EXPECT_TRUE(found("^a|c$", "abc"));
  EXPECT_TRUE(found("^a|c$", "ba c"));
  EXPECT_FALSE(found("^a|c$", "bac "));
  EXPECT_TRUE(found("b", "a\nb\n"));  // the text around is any
  EXPECT_TRUE(found("^$", ""));
  EXPECT_FALSE(found("^$", "a"));
  EXPECT_TRUE(found("a(^|b)$", "xab"));
  EXPECT_TRUE(found("(^a)?b$", "ab"));
}

TEST(Regex, CharactersAreCodePoints) {
  EXPECT_TRUE(whole(".", "\xf0\x9f\x98\x80"));
  EXPECT_TRUE(whole("[\xc3\xa0-\xc3\xbf]", "\xc3\xa9"));
  EXPECT_FALSE(whole("[^\xc3\xa9]", "\xc3\xa9"));
  EXPECT_FALSE(whole(".", "\xc3"));
  EXPECT_TRUE(whole("\\u00e9\\u{1F600}\\ud83d\\ude00", "\xc3\xa9\xf0\x9f\x98\x80\xf0\x9f\x98\x80"));
  EXPECT_FALSE(whole(".", "\n"));
  EXPECT_TRUE(whole("[^]", "\n"));
}

TEST(Regex, KnowsTheEscapes) {
  EXPECT_TRUE(whole("\\d\\D\\w\\W\\s\\S", "1a_- x"));
  EXPECT_FALSE(whole("\\d", "\xd9\xa3"));  // ASCII only
  EXPECT_TRUE(whole("\\s", "\xc2\xa0"));
  EXPECT_TRUE(whole("\\t\\n\\v\\f\\r\\x41\\cA\\.\\/\\-", "\t\n\v\f\rA\x01./-"));
  EXPECT_TRUE(whole("[\\d\\-a\\]b]+", "1-a]b"));
  EXPECT_TRUE(whole("[a-]+[\\b]", "a-\b"));
}

TEST(Regex, WithinJsonStringsWhatMustBeIsEscaped) {
  const auto json = [](const std::string& expression, const std::string& text) {
    return compile_regex(expression, RegexMatch::kWhole, RegexText::kJsonString).matches(text);
  };
  EXPECT_TRUE(json(".*", "say \\\"\\\\ \xc3\xa9"));
  EXPECT_FALSE(json(".*", "\""));
  EXPECT_FALSE(json(".", "\\n"));  // a line end all the same
  EXPECT_TRUE(json("\\n\\x01", "\\n\\u0001"));
}

TEST(Regex, RefusesByNameWhatItCannotDo) {
  const auto refused = [](const std::string& expression, const std::string& what) {
    EXPECT_ERROR(compile_regex(expression), what);
  };
  refused("a(?=b)", "regex: character 2: look-ahead '(?=' and '(?!': not supported");
  refused("(?<!b)", "look-behind");
  refused("(a)\\1", "regex: character 4: back references: not supported");
  refused("\\bfoo", "word boundaries");
  refused("\\p{L}", "properties of characters '\\p'");
  refused("\\q", "the escape '\\q'");
  refused("(a", "regex: character 3: expected ')'");
  refused("a)", "regex: character 2: a ')' without its '('");
  refused("[a", "expected ']'");
  refused("[b-a]", "out of order");
  refused("a{3,2}", "{3,2}: the bounds are out of order");
  refused("a{1001}", "at most 1000 repeats");
  refused("a{,2}", "expected {n}, {n,} or {n,m}");
  refused("*a", "a repeat without what it repeats");
  refused("a**", "a repeat without what it repeats");
  refused("^*", "an anchor cannot be repeated");
  refused("\\ud800", "a surrogate is no character");
  refused("\xff", "regex: not UTF-8");
  refused("[]", "regex: matches no text at all");
  refused("a^b", "regex: matches no text at all");
  refused(std::string(500, '('), "nested deeper than 100 levels");
}

TEST(Regex, BombsAreRefusedInTime) {
  for (const std::string& bomb :
       {std::string("((a{1000}){1000}){1000}"), std::string("((){1000}){1000}{1}"),
        std::string("(((){1000}){1000}){1000}"), std::string("(a|b)*a(a|b){20}"),
        std::string("(.{0,1000}x){500}"), std::string("(x+x+)+y") + std::string(60000, 'z'),
        std::string("((a?){100}){100}")}) {
    const std::clock_t begin = std::clock();
    try {
      compile_regex(bomb);
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("regex"), std::string::npos) << error.what();
    }
    const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    EXPECT_LT(seconds, 1) << bomb.substr(0, 30);  // tens of milliseconds without sanitizers
  }
}

// Random expressions on random texts, beside the standard library's own.
std::string random_expression(Rng& rng, int depth) {
  static const std::vector<std::string> kAtoms = {"a",    "b",   "c",     ".",   "[ab]",
                                                  "[^a]", "\\d", "[b-d]", "\\w", "[^\\d]",
                                                  "1",    "\\s", "a\\.",  " ",   "\\x61"};
  if (depth == 0 || rng.chance(0.3)) return rng.pick(kAtoms);
  switch (rng.below(5)) {
    case 0:
      return random_expression(rng, depth - 1) + random_expression(rng, depth - 1);
    case 1:
      return "(" + random_expression(rng, depth - 1) + "|" + random_expression(rng, depth - 1) +
             ")";
    case 2: {
      static const std::vector<std::string> kRepeats = {"*",    "+",     "?", "{2}",
                                                        "{1,}", "{0,2}", "*?"};
      return "(?:" + random_expression(rng, depth - 1) + ")" + rng.pick(kRepeats);
    }
    case 3:
      return "(" + random_expression(rng, depth - 1) + ")";
    default:
      return random_expression(rng, depth - 1) + "|" + (rng.chance(0.2) ? "" : "^") +
             random_expression(rng, depth - 1) + (rng.chance(0.5) ? "$" : "");
  }
}

TEST(Regex, AgreesWithTheStandardLibrary) {
  Rng rng(7);
  int matched = 0;
  for (int i = 0; i < 1500; ++i) {
    const std::string expression = random_expression(rng, 4);
    ByteAutomaton all, part;
    try {
      all = compile_regex(expression);
      part = compile_regex(expression, RegexMatch::kSearch);
    } catch (const Error&) {
      continue;  // matches nothing: `a$b`
    }
    const std::regex reference(expression);
    for (int k = 0; k < 20; ++k) {
      std::string text;
      for (uint64_t n = rng.below(7); n > 0; --n) text += "abcd1 .\n"[rng.below(8)];
      ASSERT_EQ(all.matches(text), std::regex_match(text, reference))
          << expression << " : " << text;
      ASSERT_EQ(part.matches(text), std::regex_search(text, reference))
          << expression << " : " << text;
      matched += all.matches(text);
    }
  }
  EXPECT_GT(matched, 1000);
}

}  // namespace
}  // namespace minillm
