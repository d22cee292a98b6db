#include "libminillm/core/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <limits>

#include "libminillm/core/rng.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace minillm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Settings {
  bool shuffle = false;
  int64_t steps = 10;
  uint64_t seed = 1;
  double learning_rate = 0.1;
  std::string schedule = "linear";
  std::vector<std::string> files;
  std::string name = "run";
  bool operator==(const Settings&) const = default;
};

void list_fields(ConfigFields& fields, Settings& s) {
  fields.add("train.shuffle", s.shuffle, "whether to shuffle");
  fields.add("train.steps", s.steps, "optimizer steps");
  fields.add("train.learning_rate", s.learning_rate, "peak rate");
  fields.add("data.files", s.files, "what to read");
  fields.add("train.seed", s.seed, "of everything");
  fields.add("train.schedule", s.schedule, "shape of the rate");
  fields.add("name", s.name, "of the run");
}

ConfigFields fields_of(Settings& s) {
  ConfigFields fields;
  list_fields(fields, s);
  return fields;
}

Settings read(const std::string& text) {
  Settings settings;
  read_config_text(fields_of(settings), text, "sft.toml");
  return settings;
}

Settings set(const std::string& assignment) {
  Settings settings;
  set_config_value(fields_of(settings), assignment);
  return settings;
}

TEST(SetConfigValue, RefusesTextThatIsNotUtf8) {
  std::string text;
  ConfigFields fields;
  fields.add("text", text, "");
  EXPECT_ERROR(set_config_value(fields, "text=a\xff"), "expected valid UTF-8");
}

TEST(Config, ReadsEveryType) {
  const Settings s = read(R"(name = "mine"
[train]
shuffle = true
steps = -3
seed = 9_000
learning_rate = 1e-3
schedule = 'cosine'
[data]
files = ["a.txt", "b.txt"]
)");
  EXPECT_TRUE(s.shuffle);
  EXPECT_EQ(s.steps, -3);
  EXPECT_EQ(s.seed, 9000u);
  EXPECT_EQ(s.learning_rate, 1e-3);
  EXPECT_EQ(s.schedule, "cosine");
  EXPECT_EQ(s.name, "mine");
  EXPECT_THAT(s.files, ElementsAre("a.txt", "b.txt"));
}

TEST(Config, KeepsDefaultsOfKeysThatAreNotGiven) { EXPECT_EQ(read(""), Settings()); }

TEST(Config, TakesAnIntegerForANumber) {
  EXPECT_EQ(read("train.learning_rate = 1").learning_rate, 1);
  EXPECT_EQ(read("train.learning_rate = 9223372036854775807").learning_rate, 0x1p63);
}

TEST(Config, NamesTheNearestKeyAndTheLineOfAnUnknownOne) {
  EXPECT_ERROR(read("\n[train]\nstep = 5\n"),
               "config 'sft.toml':3: unknown key 'train.step' (did you mean 'train.steps'?)");
  EXPECT_ERROR(read("[trian]\nlearning_rate = 5\n"), "did you mean 'train.learning_rate'?");
  EXPECT_ERROR(read("schedul = 'x'"), "did you mean 'train.schedule'?");
  EXPECT_ERROR(read("train = 5"), "sft.toml':1: unknown key 'train'");
}

TEST(Config, NamesLineAndValueOfAWrongType) {
  EXPECT_ERROR(
      read("[train]\nsteps = 1.5"),
      "config 'sft.toml':2: key 'train.steps' has a wrong value: expected an integer, got 1.5");
  EXPECT_ERROR(read("train.steps = '5'"), "expected an integer, got '5'");
  EXPECT_ERROR(read("train.seed = -1"), "expected an integer >= 0, got -1");
  EXPECT_ERROR(read("train.shuffle = 1"), "expected true or false, got 1");
  EXPECT_ERROR(read("train.learning_rate = 'big'"), "expected a number, got 'big'");
  EXPECT_ERROR(read("train.learning_rate = nan"), "expected a finite number, got nan");
  EXPECT_ERROR(read("train.schedule = 2"), "expected a string in quotes, got 2");
  EXPECT_ERROR(read("data.files = 'a.txt'"), "expected a list of strings, got 'a.txt'");
  EXPECT_ERROR(read("data.files = ['a.txt', 2]"), "expected a list of strings");
}

TEST(Config, RefusesNumbersOutOfRangeAndBrokenToml) {
  EXPECT_ERROR(read("\ntrain.steps = 9223372036854775808"), "config 'sft.toml':2: not valid TOML");
  EXPECT_ERROR(read("train.steps = 1\ntrain.steps = 2"), "config 'sft.toml':2: not valid TOML");
  EXPECT_ERROR(read("[train\n"), "not valid TOML");
  EXPECT_ERROR(read(std::string(5000, '[')), "not valid TOML");
}

TEST(Config, WrongInputIsAUsageError) {
  for (const std::string text : {"train.step = 5", "train.steps = 'x'", "= 3"}) {
    try {
      read(text);
      ADD_FAILURE() << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.exit_code(), ExitCode::kUsage) << text;
    }
  }
}

TEST(Config, ReadsAFileAndNamesAMissingOne) {
  minillm_testing::TempDir dir;
  Settings s;
  read_config_file(fields_of(s), dir.write("a.toml", "train.steps = 7"));
  EXPECT_EQ(s.steps, 7);
  try {
    read_config_file(fields_of(s), dir.file("missing.toml"));
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("missing.toml"));
    EXPECT_EQ(e.exit_code(), ExitCode::kUsage);
  }
}

TEST(Config, SetTakesTextWithAndWithoutQuotes) {
  EXPECT_EQ(set("train.schedule=cosine").schedule, "cosine");
  EXPECT_EQ(set("train.schedule = \"co sine\"").schedule, "co sine");
  EXPECT_EQ(set("train.schedule=a=b").schedule, "a=b");
  EXPECT_EQ(set("train.schedule=").schedule, "");
}

TEST(Config, SetTakesListsWithAndWithoutBrackets) {
  EXPECT_THAT(set("data.files=a.txt").files, ElementsAre("a.txt"));
  EXPECT_THAT(set("data.files=a.txt, b.txt").files, ElementsAre("a.txt", "b.txt"));
  EXPECT_THAT(set("data.files=[\"a.txt\", 'b.txt']").files, ElementsAre("a.txt", "b.txt"));
  EXPECT_THAT(set("data.files=[]").files, IsEmpty());
}

TEST(Config, SetTakesNumbersAndTruthAsAFileDoes) {
  EXPECT_EQ(set("train.steps=25").steps, 25);
  EXPECT_EQ(set("train.learning_rate=3e-4").learning_rate, 3e-4);
  EXPECT_EQ(set("train.learning_rate=2").learning_rate, 2);
  EXPECT_TRUE(set("train.shuffle=true").shuffle);
}

TEST(Config, SetExplainsWhatIsWrong) {
  EXPECT_ERROR(set("train.steps"), "setting 'train.steps': no '=': expected key=value");
  EXPECT_ERROR(set("train.stesp=5"), "unknown key 'train.stesp' (did you mean 'train.steps'?)");
  EXPECT_ERROR(set("train.steps=many"),
               "setting 'train.steps=many': key 'train.steps' has a wrong value: "
               "expected an integer, got 'many'");
  EXPECT_ERROR(set("train.steps="), "expected an integer, got ''");
  EXPECT_ERROR(set("train.steps=99999999999999999999"), "expected an integer");
}

TEST(Config, TomlReadsBackToTheSameBits) {
  Rng rng(3);
  std::vector<double> numbers = {
      0.0, -0.0, 1, 100, 1e16, 0.1, 1e-320, 5e-324, 1.7976931348623157e308, 123456789012};
  while (numbers.size() < 2000) {
    const double number = std::bit_cast<double>(rng.next());
    if (std::isfinite(number)) numbers.push_back(number);
  }
  for (double number : numbers) {
    Settings before;
    before.learning_rate = number;
    Settings after = read(config_to_toml(fields_of(before)));
    EXPECT_EQ(std::bit_cast<uint64_t>(after.learning_rate), std::bit_cast<uint64_t>(number))
        << number;
  }
}

TEST(Config, TomlReadsBackStringsAndLists) {
  Settings before;
  before.shuffle = true;
  before.steps = std::numeric_limits<int64_t>::min();
  before.seed = INT64_MAX;
  before.schedule = "quote \" back \\ slash 'tick' tab\t line\nend \x01 \xc3\xa4";
  before.name = "";
  before.files = {"a b", "", "c\"d", std::string(200, 'x'), "e,f", "[g]"};
  EXPECT_EQ(read(config_to_toml(fields_of(before))), before);
  before.files = {"\n", "\n\n", "", "it's\r\n", "\x7f", "'''", "\"\"\"", "\\", "\\n"};
  before.name = "\n";
  EXPECT_EQ(read(config_to_toml(fields_of(before))), before);
}

TEST(Config, TomlIsGroupedInSections) {
  Settings s;
  EXPECT_EQ(config_to_toml(fields_of(s)), R"(name = 'run'

[train]
shuffle = false
steps = 10
learning_rate = 0.1
seed = 1
schedule = 'linear'

[data]
files = []
)");
}

TEST(Config, TomlRefusesASeedThatTomlCannotHold) {
  Settings s;
  s.seed = uint64_t{1} << 63;
  EXPECT_ERROR(config_to_toml(fields_of(s)), "config: key 'train.seed' is too large");
}

TEST(Config, HelpListsEveryKeyWithDefaultAndMeaning) {
  Settings s;
  const std::string help = config_help(fields_of(s));
  EXPECT_THAT(help, HasSubstr("  train.steps          10        optimizer steps\n"));
  EXPECT_THAT(help, HasSubstr("  train.schedule       'linear'  shape of the rate\n"));
}

TEST(Config, DifferencesNameKeysWithBothValues) {
  Settings a, b;
  b.learning_rate = 0.2;
  b.files = {"x"};
  const std::string removed = "old = 1\n";
  const auto differences =
      config_differences(removed + config_to_toml(fields_of(a)), config_to_toml(fields_of(b)), "");
  ASSERT_EQ(differences.size(), 3u);
  EXPECT_EQ(differences[0].key, "data.files");
  EXPECT_EQ(differences[1].key, "old");
  EXPECT_EQ(differences[1].before, "1");
  EXPECT_EQ(differences[1].after, "");
  EXPECT_EQ(differences[2].key, "train.learning_rate");
  EXPECT_EQ(differences[2].before, "0.1");
  EXPECT_EQ(differences[2].after, "0.2");
  EXPECT_THAT(config_differences(config_to_toml(fields_of(a)), config_to_toml(fields_of(a)), ""),
              IsEmpty());
}

TEST(Config, AKeyThatIsMissingBeforeHasItsDefault) {
  Settings settings;
  const std::string defaults = default_config_toml<Settings>();
  EXPECT_EQ(defaults, config_to_toml(fields_of(settings)));
  EXPECT_THAT(config_differences("", defaults, defaults), IsEmpty());
  settings.learning_rate = 0.2;
  const auto differences = config_differences("", config_to_toml(fields_of(settings)), defaults);
  ASSERT_EQ(differences.size(), 1u);
  EXPECT_EQ(differences[0].before, "0.1");
  EXPECT_EQ(differences[0].after, "0.2");
}

}  // namespace
}  // namespace minillm
