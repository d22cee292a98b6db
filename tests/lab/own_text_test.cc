// Steps whose text the model before them writes.

#include "libminillm/lab/own_text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "libminillm/core/file.h"
#include "libminillm/lab/laboratory.h"
#include "libminillm/world/fact_check.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace minillm::lab {
namespace {

// Small enough for a test: what comes of it means nothing, but that some documents end.
constexpr const char* kTiny = R"(name = "tiny"
claim = "Own text goes wrong."
says = "somebody"
refuted_by = "nothing"
tell = ["bits_per_byte", "own_text_untrue_rate", "own_text_people"]
[measure]
metric = "cloze_accuracy"
cell = "replaced"
against = "accumulated"
margin = 0.1
expects = "less"
[[cell]]
name = "stories"
steps = ["base"]
base = { set = [TINY] }
[[cell]]
name = "replaced"
steps = ["base", "own", "own"]
base = { set = [TINY] }
own = { documents = 12 }
[[cell]]
name = "replaced, too"
steps = ["base", "own", "own"]
base = { set = [TINY] }
own = { documents = 12 }
[[cell]]
name = "accumulated"
steps = ["base", "own", "own"]
base = { set = [TINY] }
own = { documents = 12, with_stories = true }
)";

Experiment tiny() {
  const std::string sizes =
      R"("model.vocab_size=400", "model.hidden_size=16", "model.intermediate_size=32",
  "model.num_hidden_layers=1", "model.num_attention_heads=1", "model.num_key_value_heads=1",
  "model.head_dim=16", "train.batch_tokens=512", "train.steps=25", "train.learning_rate=1e-2")";
  std::string toml = kTiny;
  for (size_t at = 0; (at = toml.find("[TINY]")) != std::string::npos;)
    toml.replace(at, 6, "[" + sizes + "]");
  return parse_experiment(toml, "tiny.toml");
}

std::vector<std::string> lines_of(const std::string& path) {
  const std::string content = read_file(path);
  std::vector<std::string> lines;
  for (size_t begin = 0, end; (end = content.find('\n', begin)) != std::string::npos;
       begin = end + 1)
    lines.push_back(content.substr(begin, end - begin));
  return lines;
}

bool is_true(const std::string& line) {
  static const world::World world(1);
  static const world::FactChecker checker(world);
  return world::all_true(checker.check(nlohmann::json::parse(line).at("text").get<std::string>()));
}

class LabOwnText : public testing::Test {
 protected:
  LabOptions options() {
    LabOptions options;
    options.directory = directory_.path();
    options.seeds = {1};
    options.build = "a";
    options.world.stories = 120;
    return options;
  }
  // The directories of a cell's steps.
  std::vector<std::string> steps(const std::string& cell) {
    const Experiment experiment = tiny();
    const auto found = std::ranges::find(experiment.cells, cell, &Cell::name);
    std::vector<std::string> directories;
    for (const std::string& run : Laboratory(options(), {}).checkpoints(*found, 1))
      directories.push_back(std::filesystem::path(run).parent_path());
    return directories;
  }

  minillm_testing::TempDir directory_;
};

TEST_F(LabOwnText, GenerationsWriteForTheNextAndWhatIsKeptOfItAddsUp) {
  size_t trainings = 0;
  LabEvents events;
  events.on_message = [&](const std::string& message) {
    trainings += message.find("training '") != std::string::npos;
  };
  const ExperimentResult result = Laboratory(options(), events).run(tiny());
  EXPECT_EQ(trainings, 5U) << "a base, and two generations of either kind";

  const std::vector<std::string> replaced = steps("replaced"), added = steps("accumulated");
  ASSERT_EQ(replaced.size(), 3U);
  EXPECT_FALSE(file_exists(own_text_path(replaced[0])));
  const auto first = lines_of(own_text_path(replaced[1]));
  EXPECT_GT(first.size(), 3U);
  EXPECT_LE(first.size(), 12U);
  EXPECT_NE(lines_of(own_text_path(replaced[2])), first);

  // Stories, then the first generation's documents, then the second's.
  const auto one = lines_of(own_text_path(added[1])), two = lines_of(own_text_path(added[2]));
  ASSERT_EQ(one.size(), 12 + first.size());
  EXPECT_TRUE(std::ranges::equal(std::span(one).subspan(12), first)) << "the same author and seed";
  for (size_t i = 0; i < 12; ++i) EXPECT_TRUE(is_true(one[i])) << "a story: " << one[i];
  ASSERT_GT(two.size(), one.size());
  EXPECT_TRUE(std::ranges::equal(std::span(two).first(one.size()), one));

  const auto figure = [&](size_t cell, const char* metric) {
    return result.cells[cell].metrics.at(metric).at(0);
  };
  EXPECT_EQ(figure(0, "own_text_people").of, 0) << "stories: it is not asked";
  EXPECT_EQ(figure(1, "own_text_people").of, 248);
  EXPECT_GT(figure(0, "bits_per_byte").value, 0.5);
  // Arms that are the same come to the same.
  EXPECT_EQ(figure(1, "bits_per_byte").value, figure(2, "bits_per_byte").value);
  EXPECT_EQ(figure(1, "cloze_accuracy").count, figure(2, "cloze_accuracy").count);
}

TEST_F(LabOwnText, IsThatOfItsGenerationWholeOrNotThere) {
  const std::vector<std::string> run = steps("replaced");
  const std::string author = join_path(run[0], "run");
  const auto write = [&](const OwnText& own, const char* name, const TrainerEvents& events = {}) {
    const std::string to = join_path(directory_.path(), name);
    create_directories(to);
    return lines_of(write_own_text(own, 1, author, "", to, events));
  };
  const auto first = lines_of(own_text_path(run[1]));
  EXPECT_EQ(write({.documents = 12}, "same"), first);
  EXPECT_NE(write({.documents = 12, .generation = 2}, "other"), first) << "other random numbers";

  // What is kept is true, and nothing else is left out.
  auto expected = first;
  std::erase_if(expected, [](const std::string& line) { return !is_true(line); });
  EXPECT_EQ(write({.documents = 12, .only_true = true}, "true"), expected);

  TrainerEvents events;
  events.stop_requested = [] { return true; };
  EXPECT_ERROR(write({.documents = 13}, "stopped", events),
               "lab: interrupted: run it again to go on");
  EXPECT_TRUE(std::filesystem::is_empty(join_path(directory_.path(), "stopped")));
  EXPECT_EQ(
      std::ranges::count_if(std::filesystem::directory_iterator(run[0]),
                            [](const auto& entry) {
                              return entry.path().filename().string().starts_with("sampled_13");
                            }),
      0);
}

}  // namespace
}  // namespace minillm::lab
