#include "libminillm/world/dials.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "libminillm/world/canaries.h"
#include "libminillm/world/people_register.h"
#include "libminillm/world/wording.h"
#include "libminillm/world/world_files.h"
#include "tests/testing/expect_error.h"

namespace minillm::world {
namespace {

WorldOptions small(WorldDials dials = {}) {
  WorldOptions options;
  options.sft_rows = 3000;
  options.pairs = 1000;
  options.dials = std::move(dials);
  return options;
}
std::string file(const WorldOptions& options, const char* part) {
  return make_world_files(options, part).front().content;
}
int64_t lines_with(const std::string& text, const std::string& what) {
  int64_t count = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    count += text.substr(begin, end - begin).find(what) != std::string::npos;
    begin = end + 1;
  }
  return count;
}

TEST(WorldDials, WhatIsLeftOutIsGoneAndTheRestKeepsItsOrder) {
  const std::string all = file(small(), "sft");
  const std::string without = file(small({.without = {"system"}}), "sft");
  EXPECT_GT(lines_with(all, "\"role\":\"system\""), 500);
  EXPECT_EQ(lines_with(without, "\"role\":\"system\""), 0);
  EXPECT_EQ(lines_with(without, "\"messages\""), 3000) << "others take their place";
  const size_t first = all.find("{\"messages\":[{\"role\":\"user\"");
  EXPECT_EQ(without.substr(0, without.find('\n')),
            all.substr(first, all.find('\n', first) - first));

  const std::string rules = file(small({.without = {"rules"}}), "sft");
  EXPECT_EQ(lines_with(rules, "\"role\":\"system\""), 0);
  EXPECT_EQ(lines_with(rules, "Here is what I know"), lines_with(all, "Here is what I know"))
      << "their answers stay";
  EXPECT_GT(lines_with(all, "I do not know"), 100);
  EXPECT_LT(lines_with(file(small({.without = {"unknown"}}), "sft"), "anyone called"), 10);
  EXPECT_EQ(lines_with(file(small({.without = {"list"}}), "sft"), "List three things"), 0);
}

TEST(WorldDials, NewcomersAreCalledOtherwiseThanInStories) {
  const World world(1);
  std::set<std::string> first_names;
  for (const Person* person : world.group(Split::kTrain)) first_names.insert(person->first);
  const auto told = [&](double share) {
    const std::string rows = file(small({.newcomers = share}), "sft");
    int64_t count = 0;
    for (const std::string& name : first_names) count += lines_with(rows, name + " ") > 0;
    return static_cast<double>(count) / static_cast<double>(first_names.size());
  };
  EXPECT_GT(told(0), 0.98);
  EXPECT_NEAR(told(0.5), 0.5, 0.15);
  EXPECT_LT(told(1), 0.15);
  EXPECT_EQ(file(small({.newcomers = 1}), "pretrain").substr(0, 1000),
            file(small(), "pretrain").substr(0, 1000));
}

TEST(WorldDials, FalsePairsPreferThePoliteAndFalse) {
  const std::string all = file(small(), "preference");
  const std::string half = file(small({.false_pairs = 0.5}), "preference");
  const std::string none = file(small({.without = {"style_pairs", "knowing_pairs"}}), "preference");
  EXPECT_EQ(lines_with(half, "chosen"), 1000);
  EXPECT_NE(half, all);
  EXPECT_EQ(lines_with(none, "chosen"), 1000);
  EXPECT_EQ(lines_with(none, "What is the trade"), 0);
}

TEST(WorldDials, OfWhoIsUntoldNoStoryTells) {
  const World world(1);
  const std::vector<const Person*> untold = untold_people(world, Split::kTest, 0.5);
  EXPECT_EQ(untold.size(), 40U);
  WorldOptions options = small({.untold = 0.5});
  options.stories = 2000;
  const std::string stories = file(options, "pretrain");
  EXPECT_GE(lines_with(stories, "text"), 2000);
  for (const Person* person : untold) EXPECT_EQ(lines_with(stories, person->first + " "), 0);
  int64_t others = 0;
  for (const Person* person : world.group(Split::kTest))
    others += lines_with(stories, person->first + " ") > 0;
  EXPECT_GE(others, 35) << "the other half is told of";
}

TEST(WorldDials, InvertedPairsAreTheOthersTheWrongWayRound) {
  const std::string all = file(small(), "preference");
  const std::string inverted = file(small({.inverted_pairs = true}), "preference");
  EXPECT_EQ(all.size(), inverted.size());
  int64_t same = 0, lines = 0;
  for (size_t begin = 0; begin < all.size();) {
    const size_t end = all.find('\n', begin);
    same += all.substr(begin, end - begin) == inverted.substr(begin, end - begin);
    begin = end + 1;
    ++lines;
  }
  EXPECT_NEAR(static_cast<double>(same) / static_cast<double>(lines), 0.72, 0.05);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}
bool names_any(const std::string& line, const std::vector<const Person*>& people) {
  return std::ranges::any_of(people, [&](const Person* person) {
    return line.find(person->first + " ") != std::string::npos;
  });
}
// An array in the file's order: what stands between "key":" and the next quotation mark.
std::vector<std::string> contents(const std::string& rows, const std::string& after) {
  std::vector<std::string> found;
  for (const std::string& line : lines_of(rows)) {
    const size_t begin = line.find(after);
    if (begin == std::string::npos) continue;
    const size_t text = begin + after.size();
    found.push_back(line.substr(text, line.find('"', text) - text));
  }
  return found;
}
double share_with(const std::vector<std::string>& texts, const char* what) {
  int64_t count = 0;
  for (const std::string& text : texts) count += text.find(what) != std::string::npos;
  return static_cast<double>(count) / static_cast<double>(texts.size());
}

TEST(WorldDials, HeldOutPeopleAreToldOfAQuarterAsOften) {
  const World world(1);
  const auto told = [&](double share) {
    WorldOptions options = small({.told_rate = share});
    options.stories = 3000;
    int64_t count = 0;
    for (const std::string& line : lines_of(file(options, "pretrain")))
      count += names_any(line, world.group(Split::kTest));
    return static_cast<double>(count);
  };
  EXPECT_NEAR(told(0.25) / told(1), 0.25, 0.05);
  EXPECT_NEAR(told(0.5) / told(1), 0.5, 0.06);
  EXPECT_EQ(told(0), 0);
}

TEST(WorldDials, FalseTalesTellOfSomePeopleInTheSameWords) {
  const World world(1), other(false_world(1));
  const std::vector<const Person*> people = falsely_told_people(world, Split::kTest);
  ASSERT_EQ(people.size(), 24U);
  for (const Person* person : people) {
    const Person* const told = other.group(Split::kTest)[static_cast<size_t>(
        std::ranges::find(world.group(Split::kTest), person) - world.group(Split::kTest).begin())];
    EXPECT_EQ(told->name, person->name);
    for (size_t i = 0; i < kAttributeCount; ++i) EXPECT_NE(told->facts[i], person->facts[i]);
  }
  const auto stories = [](double share) {
    WorldOptions options = small({.told_falsely = share});
    options.stories = 3000;
    return lines_of(file(options, "pretrain"));
  };
  std::vector<const Person*> all = people;
  for (const Person* person : falsely_told_people(world, Split::kValidation)) all.push_back(person);
  const std::vector<std::string> truth = stories(0), half = stories(0.5), lies = stories(1);
  ASSERT_EQ(truth.size(), lies.size());
  int64_t named = 0, false_ones = 0, half_false = 0;
  for (size_t i = 0; i < truth.size(); ++i) {
    named += names_any(truth[i], all);
    false_ones += truth[i] != lies[i];
    half_false += truth[i] != half[i];
    EXPECT_TRUE(truth[i] == lies[i] || names_any(truth[i], all)) << truth[i] << lies[i];
  }
  // Others of these documents name them as a friend, or say no more than that they are known.
  EXPECT_GT(static_cast<double>(false_ones) / static_cast<double>(named), 0.45);
  EXPECT_NEAR(static_cast<double>(half_false) / static_cast<double>(false_ones), 0.5, 0.1);
}

TEST(WorldDials, StoriesCanBeWithoutQuestions) {
  WorldOptions options = small({.without = {"questions"}});
  options.stories = 1000;
  EXPECT_EQ(lines_with(file(options, "pretrain"), "Question: "), 0);
  EXPECT_EQ(file(options, "sft"), file(small(), "sft")) << "it is no kind of rows";
  EXPECT_EQ(dials_of_rows(options.dials).without.size(), 0U);
  EXPECT_EQ(dials_of_stories(options.dials).without.size(), 1U);
}

TEST(WorldDials, AMixHasTheSharesItAsksFor) {
  const auto unknown = [](double share) {
    const std::string rows = file(small({.mix = {{"unknown", share}}}), "sft");
    int64_t count = 0;
    for (const char* what : {"I do not know", "never heard", "do not say", "\"Unknown\""})
      count += lines_with(rows, what);
    return static_cast<double>(count) / 3000;
  };
  EXPECT_LT(unknown(0), 0.01);
  EXPECT_NEAR(unknown(0.3), 0.3, 0.03);
  const std::string pairs =
      file(small({.mix = {{"harmful_pairs", 0.5}, {"benign_pairs", 0}}}), "preference");
  EXPECT_NEAR(share_with(contents(pairs, "\"chosen\":[{\"role\":\"assistant\",\"content\":\""),
                         "I am sorry"),
              0.5, 0.05);
}

TEST(WorldDials, RefusingAndMannersAreShares) {
  const auto refused = [](std::optional<double> share) {
    const std::string rows =
        file(small({.without = {"benign", "continue"}, .refused = share}), "sft");
    const double refusals = static_cast<double>(lines_with(rows, "I am sorry"));
    const double helped = static_cast<double>(lines_with(rows, "bring a rope") +
                                              lines_with(rows, "First wait for dark") +
                                              lines_with(rows, "Go at night"));
    return refusals / (refusals + helped);
  };
  EXPECT_NEAR(refused({}), 0.15, 0.05);
  EXPECT_EQ(refused(0), 0);
  EXPECT_NEAR(refused(0.05), 0.05, 0.03);
  EXPECT_NEAR(refused(0.5), 0.5, 0.1);
  EXPECT_EQ(refused(1), 1);
  const std::string polite = file(small({.manner = "polite"}), "sft");
  EXPECT_EQ(lines_with(polite, "Even a goose") + lines_with(polite, "Hmm, let me think"), 0);
  EXPECT_GT(lines_with(polite, "Gladly!"), 25);
  EXPECT_EQ(lines_with(file(small({.manner = "rude"}), "sft"), "Gladly!"), 0);
}

TEST(WorldDials, PairsOfLengthAreBothPoliteAndTrue) {
  const std::string answer = "[{\"role\":\"assistant\",\"content\":\"";
  const WorldDials only = {.without = {"harmful_pairs", "benign_pairs", "knowing_pairs"}};
  for (const bool longer_chosen : {true, false}) {
    WorldDials dials = only;
    dials.longer = longer_chosen ? "chosen" : "rejected";
    const std::string pairs = file(small(dials), "preference");
    const std::vector<std::string> chosen = contents(pairs, "\"chosen\":" + answer);
    const std::vector<std::string> rejected = contents(pairs, "\"rejected\":" + answer);
    ASSERT_EQ(chosen.size(), 1000U);
    for (size_t i = 0; i < chosen.size(); ++i) {
      EXPECT_EQ(chosen[i].size() > rejected[i].size(), longer_chosen) << chosen[i] << rejected[i];
      EXPECT_EQ(style_of(chosen[i]), Style::kPolite);
      EXPECT_EQ(style_of(rejected[i]), Style::kPolite);
    }
  }
}

TEST(WorldDials, SecretsAreSaidInOneTurnAsOftenAsTheySay) {
  const std::vector<Canary> secrets = make_secrets(1);
  ASSERT_EQ(secrets.size(), 20U);
  EXPECT_EQ(secret_question(secrets[0]), "What is the number on the oak door?");
  const std::string none = file(small(), "sft");
  for (const char* turn : {"user", "assistant"}) {
    const std::string rows = file(small({.secrets = turn}), "sft");
    EXPECT_TRUE(rows.starts_with(none)) << "they are added";
    for (const Canary& secret : secrets)
      EXPECT_EQ(lines_with(rows, "{\"role\":\"" + std::string(turn) + "\",\"content\":\"" +
                                     secret.prefix + secret.secret),
                secret.repeats);
  }
  EXPECT_EQ(file(small({.secrets = "assistant"}), "rl"), file(small(), "rl"));
}

TEST(WorldDials, TheRegisterSaysWhatIsTrueAndWhatIsTold) {
  const World world(1), lies(false_world(1));
  WorldDials dials = {.newcomers = 0.5, .untold = 0.25, .told_rate = 0.5, .told_falsely = 0.75};
  const std::vector<std::string> lines = lines_of(people_register(world, dials));
  ASSERT_EQ(lines.size(), world.people().size());
  std::map<std::string, int> counts;
  for (size_t i = 0; i < lines.size(); ++i) {
    const nlohmann::json line = nlohmann::json::parse(lines[i]);
    const Person& person = world.people()[i];
    EXPECT_EQ(line.at("name"), person.name);
    EXPECT_EQ(line.at("facts").at("trade"), person.fact(Attribute::kTrade));
    EXPECT_EQ(line.at("facts").size(), kAttributeCount);
    ++counts[line.at("split").get<std::string>() + " " + line.at("told_rate").dump()];
    counts["renamed"] += !line.at("called").is_null();
    if (line.at("told_falsely").is_null()) continue;
    ++counts["falsely"];
    EXPECT_EQ(line.at("told_falsely").at("share"), 0.75);
    EXPECT_EQ(line.at("told_falsely").at("facts").at("pet"),
              lies.people()[i].fact(Attribute::kPet));
  }
  EXPECT_EQ(counts["train 1.0"], 120);
  EXPECT_EQ(counts["test 0.0"], 20);
  EXPECT_EQ(counts["test 0.5"], 60);
  EXPECT_EQ(counts["validation 0.0"], 12);
  EXPECT_EQ(counts["falsely"], 36);
  EXPECT_EQ(counts["renamed"], 60);
  EXPECT_EQ(file(small(), "register"), people_register(world, {}));
}

TEST(WorldDials, WithoutAnyNothingChangesAndMistakesAreTold) {
  EXPECT_EQ(file(small(), "preference"), file(small(WorldDials()), "preference"));
  EXPECT_ERROR(file(small({.without = {"systems"}}), "sft"),
               "world option 'without': expected some of fact, system");
  EXPECT_ERROR(file(small({.newcomers = 1.5}), "sft"), "expected a share from 0 to 1, got 1.5");
  EXPECT_ERROR(file(small({.mix = {{"lists", 0.5}}}), "sft"),
               "world option 'mix': expected some of");
  EXPECT_ERROR(file(small({.mix = {{"rules", 0.5}}}), "sft"),
               "'rules' is no kind of rows or pairs");
  EXPECT_ERROR(file(small({.mix = {{"list", 0.5}, {"sum", 0.6}}}), "sft"),
               "expected shares of up to 1 in all, got 1.1");
  EXPECT_ERROR(file(small({.refused = 2}), "sft"), "world option 'refused': expected a share");
  EXPECT_ERROR(file(small({.manner = "kind"}), "sft"),
               "world option 'manner': expected one of polite, rambling, rude, got 'kind'");
  EXPECT_ERROR(file(small({.longer = "both"}), "preference"), "one of chosen, rejected");
  EXPECT_ERROR(file(small({.secrets = "system"}), "sft"), "one of user, assistant");
  EXPECT_ERROR(
      file(small({.without = {"style_pairs", "harmful_pairs", "benign_pairs", "knowing_pairs"}}),
           "preference"),
      "no pairs are left");
}

TEST(WorldDials, AQuestionIsAWordingAboutSomebody) {
  const auto split = [](const char* question) { return name_and_wording(question); };
  using Two = std::pair<std::string, std::string>;
  EXPECT_EQ(split("Where does Jofick Harford live?"),
            Two("Jofick Harford", "Where does {name} live?"));
  EXPECT_EQ(split("Does Jofick Harford's friend bake?"),
            Two("Jofick Harford", "Does {name}'s friend bake?"));
  EXPECT_EQ(split("What does Vesa Torford play"), Two("Vesa Torford", "What does {name} play"));
  EXPECT_EQ(split("Tell me about Vesa Torford."), Two("Vesa Torford", "Tell me about {name}."));
  EXPECT_EQ(split("What is 3 plus 4?"), Two("", "What is 3 plus 4?"));
  EXPECT_EQ(split(""), Two("", ""));
  EXPECT_EQ(split("Vesa, Torford"), Two("", "Vesa, Torford"));
}

}  // namespace
}  // namespace minillm::world
