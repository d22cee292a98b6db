// What evaluation asks must be in no training text: people, strangers, wordings, verbs, pairs.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "libminillm/world/deeds.h"
#include "libminillm/world/eval_set.h"
#include "libminillm/world/questions.h"
#include "libminillm/world/templates.h"
#include "tests/world/default_world.h"

namespace minillm::world {
namespace {

using minillm_testing::default_file;
using minillm_testing::default_world;
using minillm_testing::rows_of;
using minillm_testing::training_messages;

constexpr Split kHeldOutSplits[] = {Split::kValidation, Split::kTest};
constexpr const char* kTrainingFiles[] = {
    "tokenizer.txt", "pretrain.jsonl", "sft.jsonl",       "preference.jsonl", "replay.jsonl",
    "rl.jsonl",      "second.jsonl",   "open_book.jsonl", "open_book.txt",    "tools.jsonl"};

bool is_in_training(const std::string& text) {
  for (const char* name : kTrainingFiles) {
    if (default_file(name).find(text) != std::string::npos) return true;
  }
  return false;
}

// All user messages of the chat and preference data, but for tales to continue, which name friends.
std::vector<std::string> training_questions() {
  std::vector<std::string> questions;
  for (const auto& [role, content] : training_messages()) {
    if (role == "user" && !content.starts_with("Continue the story.")) questions.push_back(content);
  }
  return questions;
}

bool any_contains(const std::vector<std::string>& texts, const std::string& part) {
  return std::any_of(texts.begin(), texts.end(),
                     [&](const std::string& text) { return text.find(part) != std::string::npos; });
}

TEST(HeldOut, NobodyOutsideTheTrainGroupIsAskedAbout) {
  const auto questions = training_questions();
  EXPECT_GT(questions.size(), 10000u);
  for (Split split : kHeldOutSplits) {
    for (const Person* person : default_world().group(split)) {
      EXPECT_FALSE(any_contains(questions, person->name)) << person->name;
    }
  }
  // The check can fail: train people are asked about.
  EXPECT_TRUE(any_contains(questions, default_world().group(Split::kTrain)[0]->name));
}

TEST(HeldOut, NoAnswerTellsAFactAboutThem) {
  std::vector<std::string> answers;
  for (const auto& [role, content] : training_messages()) {
    if (role == "assistant") answers.push_back(content);
  }
  for (Split split : kHeldOutSplits) {
    for (const Person* person : default_world().group(split)) {
      for (Attribute attribute : kAttributes) {
        EXPECT_FALSE(any_contains(answers, plain_answer(*person, attribute))) << person->name;
      }
    }
  }
}

TEST(HeldOut, NoWrittenQuestionOfTheStoriesIsAboutThem) {
  std::vector<std::string> questions;
  for (const auto& row : rows_of("pretrain.jsonl")) {
    const std::string text = row.at("text");
    if (!text.starts_with("Question:")) continue;
    for (size_t at = 0; (at = text.find("Question:", at)) != std::string::npos; ++at) {
      const size_t end = std::min(text.find("Answer:", at), text.find("One word:", at));
      questions.push_back(text.substr(at, end - at));
    }
  }
  EXPECT_GT(questions.size(), 10000u);
  for (Split split : kHeldOutSplits) {
    for (const Person* person : default_world().group(split)) {
      EXPECT_FALSE(any_contains(questions, person->name)) << person->name;
    }
  }
}

TEST(HeldOut, StoriesTellTheFactsOfTestPeople) {
  const std::string& stories = default_file("pretrain.jsonl");
  for (const Person* person : default_world().group(Split::kTest)) {
    const std::string trade =
        tell("The trade of {name} is that of {a trade}.", *person, Mention::kFullName);
    const std::string street =
        tell("Letters for {name} go to {street}.", *person, Mention::kFullName);
    if (person->frequency == Frequency::kRare) continue;  // too rarely for each wording
    EXPECT_TRUE(stories.find(trade) != std::string::npos ||
                stories.find(street) != std::string::npos)
        << person->name;
  }
}

TEST(HeldOut, StrangersOfTheTestsAreNamedNowhere) {
  for (Split split : kHeldOutSplits) {
    for (bool known_family : {false, true}) {
      for (const std::string& name : default_world().strangers(split, known_family)) {
        EXPECT_FALSE(is_in_training(name)) << name;
      }
    }
  }
}

TEST(HeldOut, ClozeWordingsStandInNoTrainingText) {
  const Person& person = default_world().people()[0];
  for (Attribute attribute : kAttributes) {
    for (const auto& prompts : {fair_cloze_prompts(attribute), hard_cloze_prompts(attribute)}) {
      ASSERT_EQ(prompts.size(), 3u);
      for (const ClozePrompt& prompt : prompts) {
        EXPECT_NE(prompt.pattern.find(prompt.signature), std::string_view::npos) << prompt.pattern;
        EXPECT_FALSE(is_in_training(std::string(prompt.signature))) << prompt.signature;
        const std::string text = tell(prompt.pattern, person, Mention::kFullName);
        EXPECT_TRUE(text.ends_with(person.fact(attribute))) << text;
      }
    }
  }
}

TEST(HeldOut, NewQuestionWordingsAreNotTaught) {
  std::set<std::string_view> taught;
  for (Attribute attribute : kAttributes) {
    for (std::string_view question : taught_questions(attribute)) taught.insert(question);
  }
  for (std::string_view question : taught_unknown_attribute_questions()) taught.insert(question);
  std::set<std::string_view> fresh;
  for (Split split : kHeldOutSplits) {
    for (Attribute attribute : kAttributes) {
      for (std::string_view question : new_questions(attribute, split)) {
        EXPECT_FALSE(taught.contains(question)) << question;
        EXPECT_TRUE(fresh.insert(question).second) << question;
      }
    }
    for (std::string_view question : new_unknown_attribute_questions(split)) {
      EXPECT_FALSE(taught.contains(question)) << question;
      EXPECT_TRUE(fresh.insert(question).second) << question;
    }
  }
}

TEST(HeldOut, NewVerbsAreInNoQuestionButInStories) {
  const auto questions = training_questions();
  for (Split split : kHeldOutSplits) {
    for (bool harmful : {false, true}) {
      EXPECT_EQ(new_verbs(harmful, split).size(), 2u);
      for (std::string_view verb : new_verbs(harmful, split)) {
        const std::string request = " " + std::string(verb) + " the ";
        EXPECT_FALSE(any_contains(questions, request)) << verb;
        EXPECT_NE(default_file("pretrain.jsonl").find(request), std::string::npos) << verb;
      }
    }
  }
}

TEST(HeldOut, PairsOfVerbAndObjectAreAskedInOneSplitOnly) {
  // Objects named without a person or street, so that the phrase is the pair.
  constexpr std::string_view kFixed[] = {"the mill", "the old bridge", "the market stalls",
                                         "the bakery", "the chapel"};
  const auto questions = training_questions();
  std::set<std::string> asked;
  for (Split split : kHeldOutSplits) {
    Rng rng(1);
    int fixed = 0;
    for (int i = 0; i < 2000; ++i) {
      const Deed deed = draw_deed(rng, default_world(), i % 2 == 0, split);
      if (std::find(std::begin(kFixed), std::end(kFixed), deed.object) == std::end(kFixed))
        continue;
      ++fixed;
      asked.insert(deed.phrase());
    }
    EXPECT_GT(fixed, 500);
  }
  EXPECT_GT(asked.size(), 15u);
  for (const std::string& phrase : asked) {
    EXPECT_FALSE(any_contains(questions, phrase + "?") || any_contains(questions, phrase + "."))
        << phrase;
  }
}

TEST(HeldOut, EvaluationQuestionsOfTheTwoSplitsShareNoPerson) {
  const HarbourRegister harbour(default_world());
  for (Split split : kHeldOutSplits) {
    const Split other = split == Split::kTest ? Split::kValidation : Split::kTest;
    std::vector<std::string> questions;
    for (const ChatItem& item : make_world_eval(default_world(), harbour, split).chat) {
      questions.push_back(item.messages.back().content);
    }
    for (Split excluded : {Split::kTrain, other}) {
      for (const Person* person : default_world().group(excluded)) {
        EXPECT_FALSE(any_contains(questions, person->name)) << person->name;
      }
    }
  }
}

}  // namespace
}  // namespace minillm::world
