#include "libminillm/policy/text_filter.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "libminillm/core/rng.h"
#include "libminillm/core/utf8.h"

namespace minillm {
namespace {

const Policy& policy() {
  static const Policy shared = Policy::parse(R"(
[[rule]]
name = "shout"
where = "output"
pattern = 'a{2,4}'
action = "replace"
text = "#"

[[rule]]
name = "bee"
where = "output"
words = ["bb", "bb cc"]
action = "replace"
text = ""

[[rule]]
name = "word"
where = "output"
words = ["dad", "d c"]
text = "No."

[[rule]]
name = "part"
where = "output"
pattern = 'cab?b\.|éc'
text = "Never."
)",
                                             "test");
  return shared;
}

struct Told {
  std::string text;
  std::string rule;
  bool operator==(const Told&) const = default;
};

Told filtered(const std::string& text, const std::vector<size_t>& cuts) {
  TextFilter filter(policy(), PolicyPlace::kOutput);
  Told told;
  size_t begin = 0;
  for (const size_t cut : cuts) {
    told.text += filter.push(std::string_view(text).substr(begin, cut - begin));
    begin = cut;
  }
  told.text += filter.push(std::string_view(text).substr(begin));
  told.text += filter.finish();
  if (filter.verdict()) told.rule = filter.verdict()->rule;
  return told;
}

std::string random_text(Rng& rng) {
  static const std::vector<std::string> kParts = {"a", "a",        "b", "bb", "c",  "d",
                                                  " ", "\xc3\xa9", ".", "ab", "da", "\xff"};
  std::string text;
  for (uint64_t n = rng.below(25); n > 0; --n) text += rng.pick(kParts);
  return text;
}

TEST(TextFilter, TellsTheSameHoweverTheTextIsCut) {
  Rng rng(3);
  int refused = 0, changed = 0;
  const int texts = std::getenv("MINILLM_LONG_TESTS") != nullptr ? 200'000 : 5'000;
  for (int i = 0; i < texts; ++i) {
    const std::string text = random_text(rng);
    const Told whole = filtered(text, {});
    std::vector<size_t> every;
    for (size_t k = 1; k < text.size(); ++k) every.push_back(k);
    ASSERT_EQ(filtered(text, every).text, whole.text) << text;
    ASSERT_EQ(filtered(text, every), whole) << text;
    std::vector<size_t> some;
    for (const size_t cut : every)
      if (rng.chance(0.3)) some.push_back(cut);
    ASSERT_EQ(filtered(text, some), whole) << text;
    refused += !whole.rule.empty();
    changed += whole.text != text;
    // Nothing that a rule matches is ever told.
    if (!whole.rule.empty()) continue;
    for (const PolicyRule& rule : policy().rules())
      ASSERT_FALSE(contains_match(rule, whole.text)) << text << " -> " << whole.text;
  }
  EXPECT_GT(refused, texts / 20);
  EXPECT_GT(changed, texts / 5);
}

TEST(TextFilter, ReplacesTheLongestAndRefusesTheFirst) {
  EXPECT_EQ(filtered("caaaaad", {}), (Told{"c#ad", ""}));
  EXPECT_EQ(filtered("x bb cc y", {}), (Told{"x  y", ""}));
  EXPECT_EQ(filtered("x bb ccy", {}), (Told{"x  ccy", ""}));
  EXPECT_EQ(filtered("a dad, cab.", {}), (Told{"a ", "word"}));
  EXPECT_EQ(filtered("dads cabb. dad", {}), (Told{"dads ", "part"}));
  EXPECT_EQ(filtered("a dad", {}), (Told{"a ", "word"}));
  // What replacing puts together is seen.
  EXPECT_EQ(filtered("d bbc", {}), (Told{"d bbc", ""}));
  EXPECT_EQ(filtered("d bb c", {}), (Told{"", "word"}));
}

TEST(TextFilter, HoldsBackOnlyWhatMayBecomeAMatch) {
  TextFilter filter(policy(), PolicyPlace::kOutput);
  EXPECT_EQ(filter.push("hello "), "hello ");
  EXPECT_EQ(filter.push("ca"), "");
  EXPECT_EQ(filter.push("r da"), "car ");
  EXPECT_EQ(filter.push("d"), "");  // dad, if a word ends here
  EXPECT_EQ(filter.push("s"), "dads");
  EXPECT_EQ(filter.push(" \xc3"), " ");  // half a character
  EXPECT_EQ(filter.push("\xa9"), "");
  EXPECT_EQ(filter.push("x"), "\xc3\xa9x");
  EXPECT_EQ(filter.push(" dad"), " ");
  EXPECT_FALSE(filter.verdict());
  EXPECT_EQ(filter.finish(), "");
  ASSERT_TRUE(filter.verdict());
  EXPECT_EQ(filter.verdict()->text, "No.");
  EXPECT_EQ(filter.push("more"), "");
}

// Linear: a text of megabytes with matches that begin everywhere and come to nothing.
TEST(TextFilter, TakesLongTexts) {
  const Policy slow = Policy::parse(
      "[[rule]]\nname = \"x\"\nwhere = \"output\"\npattern = 'a{1,30}b'\ntext = \"No.\"\n", "test");
  TextFilter filter(slow, PolicyPlace::kOutput);
  const std::string text(1 << 20, 'a');
  std::string told = filter.push(text);
  told += filter.finish();
  EXPECT_TRUE(told == text);
}

}  // namespace
}  // namespace minillm
