// Metrics as they leave the library: read back by readers that share no code with the writers.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "libminillm/core/file.h"
#include "libminillm/report/report.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace minillm::report {
namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();

ReportRun run_named(const std::string& name, std::vector<MetricsLine> metrics) {
  ReportRun run;
  run.name = run.path = name;
  run.stage = "sft";
  run.metrics = std::move(metrics);
  return run;
}

TEST(ReadRunLog, GivesEveryLineInOrderAndNullAsNan) {
  minillm_testing::TempDir dir;
  const RunLog log =
      read_run_log(dir.write("metrics.jsonl", R"({"step":1,"loss":2.5,"grad_norm":null}
{"step":1,"sample":{"prompt":"Who?","text":"Ann.","reward":0.5},"time":1}
{"step":2}
{"step":2,"sample":{"prompt":"Who?","text":"Bo."}}
)"));
  const std::vector<MetricsLine>& lines = log.metrics;
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].step, 1);
  EXPECT_EQ(lines[0].values[0], (std::pair<std::string, double>("loss", 2.5)));
  EXPECT_TRUE(std::isnan(lines[0].values[1].second));
  EXPECT_EQ(lines[1].step, 2);
  ASSERT_EQ(log.samples.size(), 2u);
  EXPECT_EQ(log.samples[0].step, 1);
  EXPECT_EQ(log.samples[0].sample.prompt, "Who?");
  EXPECT_EQ(log.samples[0].sample.text, "Ann.");
  EXPECT_EQ(log.samples[0].sample.reward, 0.5);
  EXPECT_EQ(log.samples[1].sample.reward, std::nullopt);
}

TEST(ReadRunLog, NamesFileAndLineOfABrokenOne) {
  minillm_testing::TempDir dir;
  const std::string good = "{\"step\":1,\"loss\":2.5}\n";
  for (const auto& [bad, what] : std::map<std::string, std::string>{
           {"{\"step\":2,\"lo", "not valid JSON: unexpected content at byte 14 (remove the line"},
           {"", "not valid JSON"},
           {"{\"step\":2,\"a\":1,\"a\":1}", "key \"a\" occurs twice"},
           {"{\"step\":2,\"a\":[[[1]]]}", "nested deeper than 3 levels"},
           {R"({"step":2,"sample":1})", "'sample': expected an object, got number"},
           {R"({"step":2,"sample":{"prompt":"Who?"}})", "'sample': expected a text 'text'"},
           {R"({"step":2,"sample":{"prompt":"","text":"","reward":"x"}})",
            "'reward': expected a number, got string"},
           {"{\"step\":1e999}", "a number is out of range"},
           {"[1]", "expected an object, got array"},
           {"{\"loss\":1}", "expected a 'step'"},
           {"{\"step\":1.5}", "'step': expected a whole number from 0, got 1.5"},
           {"{\"step\":-1}", "'step': expected a whole number from 0, got -1"},
           {"{\"step\":2,\"loss\":\"x\"}", "'loss': expected a number or null, got string"}}) {
    const std::string path = dir.write("metrics.jsonl", good + bad + "\n" + good);
    EXPECT_ERROR(read_run_log(path), "'" + path + "':2: not a line of metrics");
    EXPECT_ERROR(read_run_log(path), what);
  }
}

TEST(ReadRunLog, BoundsWhatBecomesColumns) {
  minillm_testing::TempDir dir;
  std::string lines;
  for (int i = 0; i < 257; ++i) lines += "{\"step\":1,\"m" + std::to_string(i) + "\":2}\n";
  EXPECT_ERROR(read_run_log(dir.write("metrics.jsonl", lines)),
               "':257: not a line of metrics: expected at most 256 different metrics");
}

// A reader of RFC 4180: rows of fields.
std::vector<std::vector<std::string>> parse_csv(const std::string& text) {
  std::vector<std::vector<std::string>> rows(1, std::vector<std::string>(1));
  bool inside = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (inside && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      rows.back().back() += '"';
      ++i;
    } else if (c == '"') {
      inside = !inside;
    } else if (!inside && c == ',') {
      rows.back().emplace_back();
    } else if (!inside && c == '\n') {
      rows.emplace_back(1);
    } else {
      rows.back().back() += c;
    }
  }
  rows.pop_back();  // after the last line end
  return rows;
}

TEST(ReportCsv, HasOneHeaderAndTheSameColumnsInEveryRow) {
  const auto a = run_named("runs/a", {{0, {{"eval_loss", 3}}}, {10, {{"loss", 0.1}, {"b", 1e-7}}}});
  const auto b = run_named("x,\"y\"\nz", {{5, {{"rewards/margins", kNan}, {"loss", -2}}}});
  const auto rows = parse_csv(report_csv({a, b}));
  const std::vector<std::vector<std::string>> expected = {
      {"run", "stage", "step", "b", "eval_loss", "loss", "rewards/margins"},
      {"runs/a", "sft", "0", "", "3", "", ""},
      {"runs/a", "sft", "10", "1e-07", "", "0.1", ""},
      {"x,\"y\"\nz", "sft", "5", "", "", "-2", ""}};
  EXPECT_EQ(rows, expected);
  const auto turned = parse_csv(report_csv({b, a}));
  EXPECT_EQ(turned[0], expected[0]) << "columns depend on the order of runs";
}

TEST(ReportCsv, HoldsNoFormulaAndNothingThatSteersATerminal) {
  const auto rows =
      parse_csv(report_csv({run_named("=1+1", {{1, {{"@SUM(A1)", -2}, {"\x1b[31mred", 1}}}}),
                            run_named("\n=cmd", {{2, {{"+1", 3}, {"-1", 4}}}})}));
  const std::vector<std::vector<std::string>> expected = {
      {"run", "stage", "step", "\\x1b[31mred", "'+1", "'-1", "'@SUM(A1)"},
      {"'=1+1", "sft", "1", "1", "", "", "-2"},
      {"'\n=cmd", "sft", "2", "", "3", "4", ""}};
  EXPECT_EQ(rows, expected);
}

TEST(ReportCsv, OfRunsWithoutMetricsIsTheHeader) {
  EXPECT_EQ(report_csv({run_named("a", {})}), "run,stage,step\n");
}

// --- TensorBoard: a reader of its own, bit by bit where the writer has a table.
uint32_t slow_masked_crc(const std::string& bytes) {
  uint32_t crc = 0xffffffff;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0x82f63b78 & (0 - (crc & 1)));
  }
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
}

template <typename Number>
Number take(const std::string& bytes, size_t& at) {
  Number number;
  EXPECT_LE(at + sizeof(number), bytes.size());
  std::memcpy(&number, bytes.data() + at, sizeof(number));
  at += sizeof(number);
  return number;
}

std::vector<std::string> read_records(const std::string& file) {
  std::vector<std::string> records;
  for (size_t at = 0; at < file.size();) {
    const std::string length_bytes = file.substr(at, 8);
    const auto length = take<uint64_t>(file, at);
    EXPECT_EQ(take<uint32_t>(file, at), slow_masked_crc(length_bytes));
    records.push_back(file.substr(at, length));
    at += length;
    EXPECT_EQ(take<uint32_t>(file, at), slow_masked_crc(records.back()));
  }
  return records;
}

uint64_t take_varint(const std::string& bytes, size_t& at) {
  uint64_t number = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.at(at++));
    number |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return number;
  }
}

// Fields of a message, numbers as they are and the rest as bytes.
struct Fields {
  std::map<uint64_t, double> numbers;
  std::multimap<uint64_t, std::string> bytes;
};
Fields parse_message(const std::string& message) {
  Fields fields;
  for (size_t at = 0; at < message.size();) {
    const uint64_t key = take_varint(message, at);
    switch (key % 8) {
      case 0:
        fields.numbers[key / 8] = static_cast<double>(take_varint(message, at));
        break;
      case 1:
        fields.numbers[key / 8] = take<double>(message, at);
        break;
      case 5:
        fields.numbers[key / 8] = take<float>(message, at);
        break;
      default: {
        EXPECT_EQ(key % 8, 2u);
        const uint64_t length = take_varint(message, at);
        fields.bytes.emplace(key / 8, message.substr(at, length));
        at += length;
      }
    }
  }
  return fields;
}

TEST(TensorBoard, ReadsBackWithBothChecksumsOfEveryRecord) {
  minillm_testing::TempDir dir;
  const auto run =
      run_named("sft", {{0, {{"eval_loss", 3}, {"time", 1700000000500}}},
                        {300, {{"loss", 0.25}, {"grad_norm", kNan}, {"rewards/margins", -1.5}}}});
  const auto paths = write_tensorboard({run, run_named("empty", {})}, dir.file("tb"));
  ASSERT_EQ(paths,
            std::vector<std::string>{dir.file("tb/sft/events.out.tfevents.1700000000.minillm")});
  const auto records = read_records(read_file(paths[0]));
  ASSERT_EQ(records.size(), 3u);

  const Fields first = parse_message(records[0]);
  EXPECT_EQ(first.numbers.at(1), 1700000000.5);
  EXPECT_EQ(first.bytes.find(3)->second, "brain.Event:2");
  std::map<std::string, double> values[2];
  for (size_t i = 0; i < 2; ++i) {
    const Fields event = parse_message(records[i + 1]);
    EXPECT_EQ(event.numbers.at(2), i == 0 ? 0 : 300);
    for (const auto& [field, value] : parse_message(event.bytes.find(5)->second).bytes) {
      const Fields scalar = parse_message(value);
      values[i][scalar.bytes.find(1)->second] = scalar.numbers.at(2);
    }
  }
  EXPECT_EQ(values[0], (std::map<std::string, double>{{"eval/loss", 3}}));
  EXPECT_EQ(values[1],
            (std::map<std::string, double>{{"train/loss", 0.25}, {"train/rewards/margins", -1.5}}));
}

TEST(TensorBoard, LeavesOutWhatNoFieldHolds) {
  minillm_testing::TempDir dir;
  const auto paths = write_tensorboard(
      {run_named("sft", {{1, {{"time", 1e300}, {"loss", 1e300}, {"grad_norm", 2}}}})}, dir.path());
  EXPECT_EQ(paths.at(0), dir.file("sft/events.out.tfevents.0000000000.minillm"));
  const auto records = read_records(read_file(paths.at(0)));
  const Fields event = parse_message(records.at(1));
  EXPECT_EQ(parse_message(event.bytes.find(5)->second).bytes.size(), 1u);
}

TEST(TensorBoard, KeepsRunsApartAndBelowItsFolder) {
  minillm_testing::TempDir dir;
  const std::vector<MetricsLine> lines = {{1, {{"loss", 1}}}};
  const auto paths = write_tensorboard(
      {run_named("../a", lines), run_named(".._a", lines), run_named("..", lines)}, dir.file("tb"));
  ASSERT_EQ(paths.size(), 3u);
  EXPECT_EQ(list_directory(dir.file("tb")), (std::vector<std::string>{".._a", ".._a-2", "run.."}));
  EXPECT_EQ(list_directory(dir.path()), std::vector<std::string>{"tb"});
}

}  // namespace
}  // namespace minillm::report
