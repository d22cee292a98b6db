// Free text against the world's truth.

#include "libminillm/world/fact_check.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "libminillm/world/open_book.h"
#include "libminillm/world/questions.h"
#include "libminillm/world/stories.h"
#include "libminillm/world/templates.h"
#include "tests/testing/expect_error.h"
#include "tests/world/default_world.h"

namespace minillm::world {
namespace {

using minillm_testing::default_world;
using minillm_testing::texts_of;
using testing::ElementsAre;
using testing::HasSubstr;

const FactChecker& checker() {
  static const FactChecker checker(default_world());
  return checker;
}

const Person& somebody(size_t number = 0) { return default_world().people()[number]; }

std::vector<std::string> said(const std::string& document) {
  std::vector<std::string> all;
  for (const Statement& one : checker().check(document))
    all.push_back(fmt::format("{} {}: {}", truth_name(one.truth), one.name, one.value));
  return all;
}

TEST(FactCheck, EveryWordingIsFoundInEveryFormOfItsSubject) {
  Rng rng(1);
  for (size_t number = 0; number < default_world().people().size(); number += 7) {
    const Person& person = somebody(number);
    for (Attribute attribute : kAttributes)
      for (std::string_view pattern : story_templates(attribute))
        for (Mention mention : {Mention::kFullName, Mention::kFirstName, Mention::kPronoun}) {
          std::string sentence = tell(pattern, person, mention);
          if (pattern.starts_with("{W") && rng.chance(0.5))
            sentence = std::string(choose(rng, fact_openings())) + sentence;
          const std::string document =
              "This is a tale of " + person.name + ". " + capitalized(sentence) + " And so on.";
          const std::vector<Statement> found = checker().check(document);
          ASSERT_EQ(found.size(), 1U) << document;
          EXPECT_EQ(found[0].truth, Truth::kTrue) << document;
          EXPECT_EQ(found[0].attribute, attribute) << document;
          EXPECT_EQ(found[0].name, person.name);
          EXPECT_EQ(found[0].value, person.fact(attribute));
          EXPECT_THAT(document, HasSubstr(found[0].text));
        }
  }
}

// A tale has four to six facts of one person, each of another attribute.
TEST(FactCheck, FindsAllThatATaleTells) {
  Rng rng(3);
  for (int i = 0; i < 3000; ++i) {
    const Person& person = default_world().draw_told(rng);
    const std::string tale = tell_of_one(rng, person);
    const std::vector<Statement> found = checker().check(tale);
    EXPECT_TRUE(4 <= found.size() && found.size() <= 6) << tale;
    std::set<Attribute> attributes;
    for (const Statement& one : found) {
      EXPECT_EQ(one.name, person.name) << tale;
      attributes.insert(one.attribute);
    }
    EXPECT_EQ(attributes.size(), found.size()) << tale;
  }
}

TEST(FactCheck, TheWorldsOwnCorpusIsTrue) {
  StatementCounts counts;
  for (const std::string& text : texts_of("pretrain.jsonl")) {
    const std::vector<Statement> found = checker().check(text);
    counts.add(found);
    for (const Statement& one : found)
      ASSERT_EQ(one.truth, Truth::kTrue) << one.name << " " << one.value << " in " << text;
  }
  EXPECT_EQ(counts.untrue_documents, 0);
  EXPECT_EQ(counts.untrue_share(), 0);
  // 42,000 documents: 45.5 % with 5.25 facts, 27.5 % with 6, 10.5 % with 3 questions of which
  // strangers' have no fact; 8 % with 4 that are known or not, beside those; 3 % with 3 sums.
  EXPECT_NEAR(static_cast<double>(counts.count(StatementKind::kFact)), 179600, 1800);
  EXPECT_NEAR(static_cast<double>(counts.count(StatementKind::kKnown)), 16750, 500);
  EXPECT_NEAR(static_cast<double>(counts.count(StatementKind::kSum)), 3780, 300);
  EXPECT_EQ(counts.distinct.size(), default_world().people().size() * kAttributeCount);
  EXPECT_EQ(counts.people.size(), default_world().people().size());
}

TEST(FactCheck, PlantedValuesAreFoundToBeFalse) {
  Rng rng(4);
  for (int i = 0; i < 2000; ++i) {
    const Person& person = default_world().draw_told(rng);
    const std::string lies = tell_of_one(rng, with_other_values(rng, default_world(), person));
    const std::vector<Statement> found = checker().check(lies);
    EXPECT_GE(found.size(), 4U) << lies;
    for (const Statement& one : found) EXPECT_EQ(one.truth, Truth::kFalse) << lies;
    EXPECT_FALSE(all_true(found));
  }
}

TEST(FactCheck, ValuesThatThereAreNotAreFalse) {
  const std::string& name = somebody().name;
  EXPECT_THAT(said(name + " works as a sandalmaker. " + name + " loves plum soup."),
              ElementsAre("false " + name + ": sandalmaker", "false " + name + ": plum soup"));
  // The right name for the wrong animal.
  Person other = somebody();
  other.facts[static_cast<size_t>(Attribute::kAnimal)] =
      somebody().fact(Attribute::kAnimal) == "goat" ? "cat" : "goat";
  EXPECT_THAT(said(plain_answer(other, Attribute::kPet)),
              ElementsAre("false " + name + ": " + other.fact(Attribute::kPet)));
}

TEST(FactCheck, WhatIsSaidOfNobodyIsToldApart) {
  EXPECT_THAT(said("He keeps a goat."), ElementsAre("nobody He: goat"));
  EXPECT_THAT(said("This is a tale of Unheard Marlow. He keeps a goat. Unheard is a baker."),
              ElementsAre("nobody Unheard Marlow: goat", "nobody Unheard Marlow: baker"));
  // A first name with another family name is another person.
  EXPECT_THAT(said(somebody().first + " Nobodyson keeps a goat."),
              ElementsAre("nobody " + somebody().first + " Nobodyson: goat"));
}

TEST(FactCheck, PronounsAndFirstNamesMeanTheLastPersonNamedButNoFriend) {
  const Person &one = somebody(0), &other = somebody(1);
  const auto trade = [](const Person& person) { return person.fact(Attribute::kTrade); };
  const std::string friends = plain_answer(one, Attribute::kFriend);
  const std::string works = " works as a " + trade(one) + ".";
  EXPECT_THAT(said(friends + " He" + works),
              ElementsAre(testing::_, "true " + one.name + ": " + trade(one)));
  EXPECT_THAT(said(one.name + " met " + other.name + " on the bridge. " + one.first + works),
              ElementsAre("true " + one.name + ": " + trade(one)));
  EXPECT_THAT(said("At the market " + other.name + " saw " + one.name + ". She" + works),
              ElementsAre("true " + one.name + ": " + trade(one)));
}

TEST(FactCheck, AnswersOfOneWordAndWithAConclusionAreFacts) {
  const std::string &name = somebody().name, &street = somebody().fact(Attribute::kStreet);
  const std::string question = "Question: Where does " + name + " live?";
  EXPECT_THAT(said(question + " One word: " + street + "."),
              ElementsAre("true " + name + ": " + street));
  EXPECT_THAT(said(question + " One word: Nowhere Lane."),
              ElementsAre("false " + name + ": Nowhere Lane"));
  EXPECT_THAT(said("Question: Does " + name + " live on Amber Row? Answer: " + name + " lives on " +
                   street + ", so no."),
              ElementsAre("true " + name + ": " + street));
  EXPECT_THAT(said("One word: " + street + "."), ElementsAre()) << "nothing was asked";
}

TEST(FactCheck, WhoIsKnownAndWhatSumsMakeAreCheckedToo) {
  const std::string& name = somebody().name;
  EXPECT_THAT(said("A stranger asked for " + name + ". Nobody knows that name, said the watchman."),
              ElementsAre("false " + name + ": "));
  EXPECT_THAT(said("I do not know anyone called Unheard Marlow."),
              ElementsAre("true Unheard Marlow: "));
  EXPECT_THAT(said("Unheard Marlow is known to all in Velloway."),
              ElementsAre("false Unheard Marlow: "));
  EXPECT_THAT(said("Ann had 3 pears and found 4 more, and 3 plus 4 makes 8. 2 plus 2 makes 4."),
              ElementsAre("false : ", "true : "));
}

TEST(FactCheck, OtherTextsSayNothing) {
  for (const char* text :
       {"", " \n ", ".", "Here comes rain, said the ferryman.", "a a a a", "He", "'s 's",
        "The Brave Heron is a brig. Cargo of the Brave Heron: salt.", "3 plus", "plus makes",
        "99999999999 plus 1 makes 2.", "\xc3\xa9t\xc3\xa9 \xe2\x82\xac"})
    EXPECT_THAT(said(text), ElementsAre()) << text;
}

TEST(SentencePattern, SaysWhatFillsItsBraces) {
  const SentencePattern pattern("By trade {who} is {a trade}, says {name}.");
  PatternMatch match;
  const auto matches = [&](std::string_view text) {
    return pattern.matches(text_pieces(text), match);
  };
  EXPECT_TRUE(matches("By trade Jofick Harford is an ostler, says Jofick Harford. And"));
  EXPECT_EQ(match.subject, "Jofick Harford");
  EXPECT_EQ(match.values[static_cast<size_t>(Attribute::kTrade)], "ostler");
  EXPECT_EQ(match.pieces, 12U);
  EXPECT_FALSE(matches("By trade Jofick Harford is an ostler, says Ann Harford."));
  EXPECT_FALSE(matches("By trade Jofick Harford is an ostler, says Jofick."));
  EXPECT_FALSE(matches("By trade Jofick Harford is ostler, says Jofick Harford."));
  EXPECT_FALSE(matches("By trade Jofick Harford is an"));
  EXPECT_ERROR(SentencePattern("{Wo} is"), "unknown name '{Wo}'");
  EXPECT_ERROR(SentencePattern("{Who is"), "open brace");
}

}  // namespace
}  // namespace minillm::world
