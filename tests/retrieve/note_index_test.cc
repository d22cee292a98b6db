#include "libminillm/retrieve/note_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "libminillm/core/file.h"
#include "libminillm/core/rng.h"
#include "libminillm/world/questions.h"
#include "libminillm/world/second_domain.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace minillm {
namespace {

using minillm_testing::TempDir;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> texts_of(const std::vector<Note>& notes) {
  std::vector<std::string> texts;
  for (const Note& note : notes) texts.push_back(note.text);
  return texts;
}

// An index of one text file.
class Notes {
 public:
  explicit Notes(const std::string& text)
      : report_(build_note_index({directory_.write("in.txt", text)}, path())), index_(path()) {}

  std::string path() const { return directory_.file("notes.sqlite"); }
  std::vector<std::string> ask(std::string_view question, int64_t limit = kMostNotes) const {
    return texts_of(index_.query(question, limit));
  }
  const NoteIndex& index() const { return index_; }
  const NoteIndexReport& report() const { return report_; }
  const TempDir& directory() const { return directory_; }

 private:
  TempDir directory_;
  NoteIndexReport report_;
  NoteIndex index_;
};

constexpr const char* kText =
    "Mary Ashford plays the fiddle. Tom Weston plays the harp. Mary Ashford lives in Weston. "
    "Nobody plays the drum NOT the fiddle.";

TEST(NoteIndex, FindsTheBestSentencesWithTheirSource) {
  const Notes notes(kText);
  const std::vector<Note> found = notes.index().query("What does Mary Ashford play on the fiddle?");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].text, "Mary Ashford plays the fiddle.");
  EXPECT_EQ(found[0].source, "in.txt#1");
  EXPECT_GT(found[0].score, found[1].score);
  EXPECT_THAT(notes.ask("Mary Ashford fiddle", 1), ElementsAre("Mary Ashford plays the fiddle."));
  EXPECT_THAT(notes.ask("Mary Ashford fiddle", 0), IsEmpty());
}

TEST(NoteIndex, ANoteHoldsEveryNameOfTheQuestion) {
  const Notes notes(kText);
  EXPECT_THAT(notes.ask("Who plays the fiddle, Anna?"), IsEmpty());
  EXPECT_THAT(notes.ask("What does Mary Weston play?"),
              ElementsAre("Mary Ashford lives in Weston."));
  EXPECT_THAT(notes.ask("Does anybody play? plays harp"), testing::Contains(HasSubstr("harp")));
}

TEST(NoteIndex, WhatUsersWriteIsNeverAnOperator) {
  const Notes notes(kText);
  for (const char* question :
       {"\"", "AND", "NEAR(", "fiddle*", "-fiddle", "text: fiddle", "fiddle NOT harp", "^fiddle",
        "fiddle\" OR \"", "{a b} : fiddle", "fiddle + harp", "'; DROP TABLE notes; --", "(((((",
        "NEAR(\"fiddle\" \"harp\", 2)", "\xff\xfe \x80", "a AND OR NOT"})
    EXPECT_NO_THROW(notes.ask(question)) << question;
  EXPECT_NO_THROW(notes.ask(std::string("fid\0dle", 7)));
  // "NOT" is a word, and here a name that one sentence holds: nothing is excluded.
  EXPECT_THAT(notes.ask("the fiddle not harp"), testing::Contains(HasSubstr("harp")));
  EXPECT_THAT(notes.ask("fiddle-harp"), testing::SizeIs(3));
}

TEST(NoteIndex, FindsNothingWithoutAWordAndInTenMegabytesOfThem) {
  const Notes notes(kText);
  for (const char* question : {"", "   ", "What is it?", "?!.", "\u201d"})
    EXPECT_THAT(notes.ask(question), IsEmpty()) << question;
  std::string long_question;
  while (long_question.size() < size_t{10} << 20) long_question += "what \"NOT fiddle x1 y* ";
  EXPECT_THAT(notes.ask(long_question), testing::Not(IsEmpty()));
  std::string words;
  for (int i = 0; words.size() < size_t{10} << 20; ++i) words += "w" + std::to_string(i) + " ";
  EXPECT_THAT(notes.ask(words), IsEmpty());
}

TEST(NoteIndex, TakesRecordsAndLeavesOutRepetitions) {
  const TempDir directory;
  const std::string rows = directory.write(
      "rows.jsonl",
      "{\"text\": \"News\\n\\nMary sings. Tom swims.\"}\n{\"text\": \"News\\n\\nMary sings.\"}\n");
  const std::string more = directory.write("more.txt", "Mary sings. Mary\nsings.");
  const std::string path = directory.file("x?#%41.sqlite");
  const NoteIndexReport report = build_note_index({rows, more}, path);
  EXPECT_EQ(report.documents, 3);
  EXPECT_EQ(report.notes, 3);
  EXPECT_EQ(report.repeated, 2);
  EXPECT_EQ(report.bytes, static_cast<int64_t>(file_size(path)));
  const std::vector<Note> found = NoteIndex(path).query("Mary");
  EXPECT_THAT(texts_of(found), ElementsAre("Mary sings.", "News: Mary sings."));
  EXPECT_EQ(found[0].source, "more.txt#1");
  EXPECT_EQ(NoteIndex(path).query("swims").at(0).source, "rows.jsonl#1");
}

TEST(NoteIndex, IsWrittenAtOnceAndWithTheSameBytes) {
  const Notes notes(kText);
  const std::string before = read_file(notes.path());
  // What cannot be read leaves the old one, and nothing beside it.
  const std::string bad = notes.directory().write("bad.txt", "Mary \xff sings.");
  EXPECT_ERROR(build_note_index({bad}, notes.path()), "invalid UTF-8");
  EXPECT_ERROR(build_note_index({notes.directory().file("none.txt")}, notes.path()), "none.txt");
  EXPECT_ERROR(build_note_index({notes.directory().write("h.txt", "# Heading")}, notes.path()),
               "no sentence");
  EXPECT_EQ(read_file(notes.path()), before);
  EXPECT_EQ(list_directory(notes.directory().path()).size(), 4u);
  build_note_index({notes.directory().file("in.txt")}, notes.path());
  EXPECT_EQ(read_file(notes.path()), before);
}

TEST(NoteIndex, IsOpenedForReadingOnly) {
  const Notes notes(kText);
  std::filesystem::permissions(notes.path(), std::filesystem::perms::owner_read);
  std::filesystem::permissions(notes.directory().path(), std::filesystem::perms::owner_read |
                                                             std::filesystem::perms::owner_exec);
  EXPECT_EQ(NoteIndex(notes.path()).query("fiddle").size(), 2u);
  std::filesystem::permissions(notes.directory().path(), std::filesystem::perms::owner_all);
  EXPECT_EQ(list_directory(notes.directory().path()).size(), 2u);
}

TEST(NoteIndex, RefusesWhatIsNoIndex) {
  const Notes notes(kText);
  const TempDir& directory = notes.directory();
  EXPECT_ERROR(NoteIndex(directory.file("none")), "none': no such file");
  EXPECT_ERROR(NoteIndex{directory.path()}, directory.path());
  EXPECT_ERROR(NoteIndex(directory.write("a", "")), "not an index of notes");
  EXPECT_ERROR(NoteIndex(directory.write("b", std::string(5000, 'x'))), "not an index of notes");
  EXPECT_ERROR(NoteIndex(":memory:"), "no such file");

  std::string bytes = read_file(notes.path());
  std::string other = bytes;
  other[71] = 'x';  // another program's database
  EXPECT_ERROR(NoteIndex(directory.write("c", other)), "not an index of notes");
  other = bytes;
  other[63] = 2;
  EXPECT_ERROR(NoteIndex(directory.write("d", other)), "another version: expected 1, got 2");
  other = bytes;
  std::fill(other.begin() + 100, other.begin() + 600, '\0');
  EXPECT_ERROR(NoteIndex(directory.write("e", other)), "build it again with build_note_index");
}

TEST(NoteIndex, OfDamagedBytesIsAnErrorOrAnAnswer) {
  const Notes notes(kText);
  const std::string bytes = read_file(notes.path());
  Rng rng(3);
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    std::string damaged = bytes;
    if (rng.chance(0.3)) damaged.resize(100 + rng.below(bytes.size() - 100));
    for (uint64_t times = 1 + rng.below(8); times > 0; --times)
      damaged[72 + rng.below(damaged.size() - 72)] = static_cast<char>(rng.below(256));
    const std::string path = notes.directory().write("damaged", damaged);
    try {
      NoteIndex(path).query("Does Mary Ashford play the fiddle?");
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("damaged'"));
      ++refused;
    }
  }
  EXPECT_GT(refused, 30);
}

TEST(NoteIndex, MayBeAskedFromSeveralThreads) {
  const Notes notes(kText);
  std::vector<std::thread> threads;
  std::vector<int> right(4);
  for (size_t i = 0; i < right.size(); ++i)
    threads.emplace_back([&, i] {
      for (int times = 0; times < 200; ++times)
        right[i] += notes.ask("Mary Ashford fiddle", 1) ==
                    std::vector<std::string>{"Mary Ashford plays the fiddle."};
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(right, testing::Each(200));
}

// The second domain of the world: everybody of whom something is told is found, nobody else.
TEST(NoteIndex, TellsWhatIsToldFromWhatIsNot) {
  const world::World people(1);
  const world::HarbourRegister harbour(people);
  Rng rng(5);
  std::string text;
  for (int i = 0; i < 3000; ++i) text += harbour.write_document(rng) + "\n\n";
  const Notes notes(text);
  int found = 0, told = 0, false_hits = 0, untold = 0;
  const auto start = std::chrono::steady_clock::now();
  for (const world::Person& person : people.people())
    for (const char* pattern :
         {"Which instrument does {name} play?", "What instrument does {name} play now?",
          "Does {name} play an instrument?", "Tell me the instrument of {name}."}) {
      const auto hits = notes.ask(world::ask(pattern, person));
      if (person.instrument.empty()) {
        ++untold;
        false_hits += !hits.empty();
      } else {
        ++told;
        found += !hits.empty() && hits[0].find(person.name) != std::string::npos &&
                 hits[0].find(person.instrument) != std::string::npos;
      }
    }
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  RecordProperty("milliseconds_per_query", std::to_string(took.count() / (told + untold)));
  EXPECT_EQ(told, 160);
  EXPECT_EQ(found, told);
  EXPECT_EQ(false_hits, 0);
}

}  // namespace
}  // namespace minillm
