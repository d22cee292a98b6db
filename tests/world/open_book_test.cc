#include "libminillm/world/open_book.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "libminillm/world/questions.h"
#include "libminillm/world/second_domain.h"
#include "libminillm/world/wording.h"
#include "tests/world/default_world.h"

namespace minillm::world {
namespace {

using minillm_testing::default_file;
using minillm_testing::default_world;

constexpr int kRows = 40000;

const std::vector<OpenBookRow>& rows() {
  static const std::vector<OpenBookRow> all = [] {
    Rng rng(9);
    std::vector<OpenBookRow> drawn;
    for (int i = 0; i < kRows; ++i) drawn.push_back(draw_open_book_row(rng, default_world()));
    return drawn;
  }();
  return all;
}

std::string system_of(const OpenBookRow& row) {
  return row.messages.front().role == "system" ? row.messages.front().content : "";
}
const std::string& answer_of(const OpenBookRow& row) { return row.messages.back().content; }

// How often something is, of how many.
struct Share {
  double count = 0, of = 0;
  void add(double value) { count += value, of += 1; }
  double value() const { return count / of; }
};

TEST(OpenBook, EverySituationHasItsShare) {
  constexpr std::array<double, 7> kPercent = {20, 15, 15, 10, 15, 10, 15};
  std::array<double, 7> counts = {};
  for (const OpenBookRow& row : rows()) counts.at(static_cast<size_t>(row.kind)) += 1;
  for (size_t kind = 0; kind < counts.size(); ++kind)
    EXPECT_NEAR(counts.at(kind) * 100 / kRows, kPercent.at(kind), 1) << kind;
}

TEST(OpenBook, AnAnswerIsWhatANoteAboutThePersonTells) {
  for (const OpenBookRow& row : rows()) {
    const std::string& answer = answer_of(row);
    ASSERT_NE(row.messages[row.messages.size() - 2].content.find(row.name), std::string::npos);
    if (row.kind == OpenBookKind::kClosed) {
      EXPECT_EQ(system_of(row), "");
      continue;
    }
    const bool told = std::ranges::any_of(row.notes, [&](const std::string& note) {
      return row.told && contains_words(note, row.name) && contains_words(note, row.value);
    });
    ASSERT_EQ(told, row.told) << system_of(row);
    ASSERT_EQ(row.value.empty(), !row.told);
    EXPECT_TRUE(!row.told || contains_words(answer, row.value)) << answer;
    EXPECT_EQ(admits_not_knowing(answer), !row.told) << answer;
    std::string notes = "Notes:";
    for (const std::string& note : row.notes) notes += " " + note;
    if (row.notes.empty()) notes += " none.";
    EXPECT_TRUE(system_of(row).ends_with(notes)) << system_of(row);
    EXPECT_EQ(system_of(row) != notes, row.kind == OpenBookKind::kUnderRule);
  }
}

// Neither the number of the notes nor their length nor a rule says whether they answer; and the
// note that does may be any of them.
TEST(OpenBook, OnlyReadingTellsWhetherTheNotesTell) {
  std::map<size_t, Share> told_of;
  std::map<bool, Share> under_rule, length;
  std::map<size_t, std::array<double, 3>> places;
  for (const OpenBookRow& row : rows()) {
    if (row.notes.empty()) continue;
    told_of[row.notes.size()].add(row.told);
    under_rule[row.kind == OpenBookKind::kUnderRule].add(row.told);
    for (const std::string& note : row.notes)
      length[row.told].add(static_cast<double>(note.size()));
    if (row.kind != OpenBookKind::kAmongOthers) continue;
    for (size_t i = 0; i < row.notes.size(); ++i)
      places[row.notes.size()].at(i) += contains_words(row.notes[i], row.name);
  }
  ASSERT_EQ(told_of.size(), 3u);
  const double all = under_rule[false].value();
  EXPECT_NEAR(all, 50.0 / 65, 0.02);
  for (const auto& [count, share] : told_of) {
    EXPECT_GT(share.of, kRows / 5.0) << count;
    EXPECT_NEAR(share.value(), all, 0.02) << count;
  }
  EXPECT_NEAR(under_rule[true].value(), all, 0.03);
  EXPECT_NEAR(length[true].value() / length[false].value(), 1, 0.03);
  for (const auto& [count, at] : places) {
    const double sum = at[0] + at[1] + at[2];
    for (size_t i = 0; i < count; ++i)
      EXPECT_NEAR(at.at(i) / sum, 1.0 / static_cast<double>(count), 0.04) << i << " of " << count;
  }
}

// A person's other facts do not give the answer away, as "X's goat is called Pim" does of animals.
TEST(OpenBook, NotesThatDoNotTellDoNotTellByTheWay) {
  int checked = 0;
  for (const OpenBookRow& row : rows()) {
    if (row.kind != OpenBookKind::kNotTold) continue;
    const std::string& question = row.messages[row.messages.size() - 2].content;
    for (const Attribute attribute :
         {Attribute::kTrade, Attribute::kAnimal, Attribute::kStreet, Attribute::kFood}) {
      if (std::ranges::none_of(taught_questions(attribute), [&](std::string_view pattern) {
            return fill_pattern(pattern, {{"name", row.name}}) == question;
          }))
        continue;
      for (std::string note : row.notes) {
        if (!contains_words(note, row.name)) continue;
        ++checked;
        if (const size_t at = note.find("goat cheese"); at != std::string::npos) note.erase(at, 11);
        for (const std::string_view value : attribute_values(attribute))
          EXPECT_FALSE(contains_words(note, value)) << question << " " << note;
      }
    }
  }
  EXPECT_GT(checked, 1000);
}

TEST(OpenBook, NotesOfTheSamePersonSayTheSameInOtherWordsOrSomethingElse) {
  Share same;
  for (const OpenBookRow& row : rows()) {
    EXPECT_EQ(std::set<std::string>(row.notes.begin(), row.notes.end()).size(), row.notes.size());
    if (row.kind != OpenBookKind::kOwnNotes || row.notes.size() < 2) continue;
    int telling = 0;
    for (const std::string& note : row.notes) {
      EXPECT_TRUE(contains_words(note, row.name)) << note;
      telling += contains_words(note, row.value);
    }
    same.add(telling > 1);
  }
  EXPECT_GT(same.value(), 0.4);
  EXPECT_LT(same.value(), 0.8);
}

TEST(OpenBook, MemoryAnswersNoneOfTheRowsWithNotes) {
  std::map<std::string, const Person*> people;
  for (const Person& person : default_world().people()) people[person.name] = &person;
  int known = 0, strangers = 0;
  for (const OpenBookRow& row : rows()) {
    const auto found = people.find(row.name);
    ++(found == people.end() ? strangers : known);
    if (found == people.end()) {
      EXPECT_NE(row.kind, OpenBookKind::kAgainstMemory);
      continue;
    }
    EXPECT_EQ(found->second->split, Split::kTrain);
    if (!row.told) continue;
    for (const Attribute attribute : kAttributes)
      EXPECT_EQ(answer_of(row).find(plain_answer(*found->second, attribute)), std::string::npos);
  }
  EXPECT_GT(known, kRows / 3);
  EXPECT_GT(strangers, kRows / 3);
}

TEST(OpenBook, WithoutNotesItIsAnsweredFromMemoryOrAdmitted) {
  std::map<std::string, const Person*> people;
  for (const Person& person : default_world().people()) people[person.name] = &person;
  Share admitted;
  for (const OpenBookRow& row : rows()) {
    if (row.kind != OpenBookKind::kClosed) continue;
    admitted.add(admits_not_knowing(answer_of(row)));
    EXPECT_EQ(admits_not_knowing(answer_of(row)), row.value.empty());
    if (!row.value.empty()) {
      EXPECT_NE(std::ranges::find(people.at(row.name)->facts, row.value),
                people.at(row.name)->facts.end());
    }
  }
  EXPECT_NEAR(admitted.value(), 1 - 0.5 * 6 / 7, 0.03);
}

// What evaluation asks for is told in wordings that no row has.
TEST(OpenBook, NoWordingIsOneOfTheSecondDomain) {
  std::set<std::string> parts;
  Rng rng(1);
  Person player;
  player.name = "\n", player.instrument = "\t";
  for (int i = 0; i < 200; ++i) {
    std::string longest, part;
    for (const char c : write_news(rng, player) + "\n") {
      if (c != '\n' && c != '\t') {
        part += c;
        continue;
      }
      if (part.size() > longest.size()) longest = part;
      part.clear();
    }
    parts.insert(longest);
  }
  EXPECT_EQ(parts.size(), 6u);
  EXPECT_TRUE(parts.contains(" has taken up the "));
  for (const char* name : {"open_book.jsonl", "open_book.txt"})
    for (const std::string& part : parts)
      EXPECT_EQ(default_file(name).find(part), std::string::npos) << part;
  for (const std::string& part : parts)
    EXPECT_NE(default_file("second.jsonl").find(part), std::string::npos) << part;
}

TEST(OpenBook, DocumentsHaveNotesQuestionsAndAnswers) {
  Rng rng(2);
  Share told, words;
  for (int i = 0; i < 2000; ++i) {
    const std::string document = write_open_book_document(rng, default_world());
    const auto lines = minillm_testing::lines_of(document + "\n");
    ASSERT_EQ(lines.size(), 4u) << document;
    for (const size_t at : {0u, 2u}) {
      EXPECT_TRUE(lines[at].starts_with("Notes: ")) << document;
      EXPECT_TRUE(lines[at + 1].starts_with("Question: ") && lines[at + 1].ends_with("."));
      const bool word = lines[at + 1].find(" One word: ") != std::string::npos;
      EXPECT_NE(word, lines[at + 1].find(" Answer: ") != std::string::npos) << document;
      told.add(!admits_not_knowing(lines[at + 1]));
      words.add(word);
    }
  }
  EXPECT_NEAR(told.value(), 50.0 / 75, 0.03);
  EXPECT_NEAR(words.value(), 0.4 * 50 / 75, 0.03);
}

}  // namespace
}  // namespace minillm::world
