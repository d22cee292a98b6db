#include "libminillm/policy/policy.h"

#include <gtest/gtest.h>

#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

std::string rule(const std::string& body) {
  return "[[rule]]\nname = \"r\"\nwhere = \"input\"\ntext = \"No.\"\n" + body;
}
// Whether a rule of the input refuses the text.
bool refuses(const std::string& body, const std::string& text) {
  return Policy::parse(rule(body), "test").screen(PolicyPlace::kInput, text).refused.has_value();
}

TEST(Policy, WordsAreFoundWhole) {
  const std::string words = "words = [\"poison\", \"pipe bomb\", \"caf\xc3\xa9\"]\n";
  for (const char* text : {"poison", "a poison.", "(poison)", "Poison the well", "pipe bomb",
                           "pipe \n bomb", "poison\xe2\x80\x99s", "\xe2\x80\x94poison",
                           "\xe6\xaf\x92poison\xe6\xaf\x92", "un caf\xc3\xa9!"})
    EXPECT_TRUE(refuses(words, text)) << text;
  for (const char* text : {"poisonous", "apoison", "poison_1", "pipe", "pipebomb", "pipe a bomb",
                           "caf\xc3\xa9s", "\xc3\xa9poison", ""})
    EXPECT_FALSE(refuses(words, text)) << text;
}

TEST(Policy, CaseAndWidthAreOneSpelling) {
  const std::string words =
      "words = [\"Poison 12\", \"\xce\xbb\xcf\x8c\xce\xb3\xce\xbf\xcf\x82\", \"\xd1\x8f\xd0\xb4\"]";
  for (const char* text :
       {"POISON 12", "pOiSoN 12",
        "\xef\xbd\x90\xef\xbd\x8f\xef\xbd\x89\xef\xbd\x93\xef\xbd\x8f\xef\xbd\x8e\xe3\x80\x80"
        "\xef\xbc\x91\xef\xbc\x92",                   // full width
        "\xd0\xaf\xd0\x94",                           // Cyrillic capitals
        "\xce\x9b\xcf\x8c\xce\x93\xce\x9f\xce\xa3"})  // Greek capitals but for the accent
    EXPECT_TRUE(refuses(words, text)) << text;
  // Not folded: a Cyrillic o, an accent, digits as letters, a character that is not seen.
  for (const char* text :
       {"p\xd0\xbeison 12", "p\xc3\xb3ison 12", "p0ison 12", "poi\xe2\x80\x8bson 12"})
    EXPECT_FALSE(refuses(words, text)) << text;
}

TEST(Policy, PatternsAreFoundAnywhereInAnySpelling) {
  EXPECT_TRUE(refuses("pattern = 'how do i .{0,20}(kill|burn)'", "So HOW DO I not Kill it"));
  EXPECT_FALSE(refuses("pattern = 'how do i .{0,5}(kill|burn)'", "how do i never ever kill"));
  EXPECT_TRUE(refuses("pattern = '[^a-c]x'", "dx"));
  EXPECT_FALSE(refuses("pattern = '[^a-c]x'", "AX"));  // a spelling of ax
  EXPECT_TRUE(refuses("pattern = '\\d{4}'", "\xef\xbc\x91\xef\xbc\x92\x33\x34"));
  EXPECT_FALSE(refuses("pattern = '\\D{2}'", "1a2"));
}

TEST(Policy, ReplacesOrRefusesWhereItIsTold) {
  const Policy policy = Policy::parse(R"toml(
[[rule]]
name = "numbers"
where = ["input", "output", "notes"]
pattern = '\d{3,9}'
action = "replace"
text = "(number)"

[[rule]]
name = "wells"
where = ["notes", "output"]
words = "well"
text = "I say nothing of wells."
)toml",
                                      "test");
  const auto input = policy.screen(PolicyPlace::kInput, "The well is 1234567 deep, 12 wide.");
  EXPECT_EQ(input.text, "The well is (number) deep, 12 wide.");
  EXPECT_FALSE(input.refused);
  const auto output = policy.screen(PolicyPlace::kOutput, "12345 and a well.");
  ASSERT_TRUE(output.refused);
  EXPECT_EQ(output.text, "(number) and a ");
  EXPECT_EQ(output.refused->rule, "wells");
  EXPECT_EQ(output.refused->text, "I say nothing of wells.");
  EXPECT_STREQ(policy_place_name(output.refused->place), "output");
  EXPECT_FALSE(policy.screen(PolicyPlace::kNotes, "farewell").refused);
}

TEST(Policy, AModelJudgesRequestsByItsOdds) {
  const Policy policy = Policy::parse(
      rule("model = { refusal = \"I will not\", help = \"Sure\", threshold = 1.5 }"), "test");
  EXPECT_TRUE(policy.asks_model());
  const std::vector<Message> messages = {{Role::kSystem, "s"}, {Role::kUser, "x"}};
  const auto refused_at = [&](double odds) {
    const auto log_odds = [&](const PolicyRule& rule, const std::vector<Message>& asked) {
      EXPECT_EQ(rule.refusal, "I will not");
      EXPECT_EQ(rule.help, "Sure");
      EXPECT_EQ(asked.size(), 2u);
      return odds;
    };
    return policy.screen_request(messages, log_odds).refused.has_value();
  };
  EXPECT_TRUE(refused_at(1.6));
  EXPECT_FALSE(refused_at(1.5));
  EXPECT_FALSE(policy.screen_request(messages).refused);  // there is no model to ask
}

TEST(Policy, WhatTheUserSaidIsScreenedInAllMessages) {
  const Policy policy =
      Policy::parse(rule("words = \"well\"\n") +
                        "[[rule]]\nname = \"n\"\nwhere = \"input\"\ntext = \"#\"\n"
                        "action = \"replace\"\npattern = '\\d'\n",
                    "test");
  const auto good = policy.screen_request({{Role::kSystem, "well 1"}, {Role::kUser, "a 2"}});
  EXPECT_FALSE(good.refused);
  EXPECT_EQ(good.messages[0].content, "well 1");
  EXPECT_EQ(good.messages[1].content, "a #");
  const auto bad = policy.screen_request(
      {{Role::kUser, "the Well"}, {Role::kAssistant, "Yes?"}, {Role::kUser, "go on"}});
  ASSERT_TRUE(bad.refused);
  EXPECT_EQ(bad.refused->rule, "r");
}

TEST(Policy, MistakesAreToldWithTheirLine) {
  const auto refused = [](const std::string& toml, const std::string& what) {
    EXPECT_ERROR(Policy::parse(toml, "p.toml"), what);
  };
  refused("[[rule]]\nname = \"a\n", "policy 'p.toml':2: not valid TOML");
  refused("rules = 1\n", "policy 'p.toml':1: unknown key 'rules'");
  refused("rule = 1\n", "rule: expected [[rule]]");
  refused("[[rule]]\ntext = \"x\"\n", "policy 'p.toml':1: rule: expected a name");
  refused(rule("wrods = \"x\"\n"),
          "policy 'p.toml':5: rule 'r': unknown key 'wrods' (did you mean 'words'?)");
  refused(rule(""), "policy 'p.toml':1: rule 'r': expected one of 'words', 'pattern' and 'model'");
  refused(rule("words = \"x\"\npattern = \"y\"\n"),
          "expected one of 'words', 'pattern' and 'model'");
  refused("[[rule]]\nname = \"r\"\nwhere = \"inputs\"\n", "where: expected \"input\", \"notes\"");
  refused("[[rule]]\nname = \"r\"\ntext = \"x\"\nwords = \"x\"\n", "expected 'where'");
  refused("[[rule]]\nname = \"r\"\nwhere = \"input\"\nwords = \"x\"\n", "expected a 'text'");
  refused(rule("words = \"x\"\naction = \"block\"\n"),
          "policy 'p.toml':6: rule 'r': action: expected");
  refused(rule("words = [\"a\", 3]\n"), "words: expected a text");
  refused(rule("words = []\n"), "words: expected 1 to 10000, got 0");
  refused(rule("words = \"$x\"\n"),
          "words: '$x': expected to begin and end with a letter or digit");
  refused(rule("pattern = \"a(\"\n"),
          "policy 'p.toml':5: rule 'r': pattern: character 3: expected ')'");
  refused(rule("pattern = \"^a\"\n"), "pattern: the anchors ^ and $: not supported here");
  refused(rule("pattern = \"a*\"\n"), "pattern: it matches the empty text");
  refused(rule("pattern = \"ab*\"\n"), "pattern: its matches have no greatest length");
  refused(rule("pattern = \"a{900}.{1,200}\"\n"), "expected at most 1000");
  refused(rule("model = { refusal = \"x\", help = \"y\" }\n"),
          "model: expected refusal, help and threshold");
  refused(rule("model = { refusal = \"x\", help = \"y\", threshold = 1, sure = 2 }\n"),
          "'model.sure'");
  refused(
      "[[rule]]\nname = \"r\"\nwhere = \"output\"\ntext = \"No.\"\n"
      "model = { refusal = \"x\", help = \"y\", threshold = 1 }\n",
      "model: judges requests");
  refused(rule("words = \"x\"\n") + rule("words = \"y\"\n"),
          "policy 'p.toml':6: rule 'r': there is another of this name");
  refused(
      "[[rule]]\nname = \"r\"\nwhere = \"output\"\ntext = \"hot dog\"\naction = \"replace\"\n"
      "words = \"dog\"\n",
      "policy 'p.toml':1: rule 'r': text: the rule 'r' matches it");
  EXPECT_ERROR(Policy::load("/nowhere/policy.toml"), "nowhere");
  EXPECT_TRUE(Policy::parse("", "empty").rules().empty());
}

}  // namespace
}  // namespace minillm
