// The page and the Markdown: whatever a text says, it stays text.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "libminillm/report/report.h"

namespace minillm::report {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kEvil[] =
    "</script><img src=x onerror=\"alert(1)\"><!--<script>&lt;{{REPORT}}{{NONCE}}\xff|`*_\n# x";

Report evil_report() {
  Report report;
  ReportRun run;
  run.name = run.path = run.checkpoint = kEvil;
  LineageEntry entry;
  entry.stage = entry.config = entry.parent = kEvil;
  entry.hashes[kEvil] = kEvil;
  run.lineage = {entry};
  run.metrics = {{1, {{kEvil, 2.0}, {"loss", 1.0}}},
                 {2, {{"loss", std::numeric_limits<double>::infinity()}}}};
  report.runs = {run};
  ReportPrompt prompt;
  prompt.prompt = {{Role::kUser, kEvil, true}};
  prompt.kind = prompt.expected = kEvil;
  prompt.answers = {{{"as chat", {kEvil, 3, true, -1}, Judgement::kWrong}}};
  prompt.diagnosis = {true, 0, kEvil, kEvil};
  report.prompts = {prompt};
  report.figures = {{kEvil}, {{kEvil, "other", kEvil, false, {{0.5, 1, 2}}}}};
  report.layers = {report.figures, {{kEvil, kEvil, kEvil, kEvil, true}}};
  return report;
}

size_t occurrences(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

// The JSON that the page holds.
json page_data(const std::string& page) {
  const std::string open = "<script type=\"application/json\" id=\"report\">";
  const size_t begin = page.find(open) + open.size();
  return json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

TEST(ReportPage, KeepsHostileTextsText) {
  const std::string page = report_html(evil_report());
  // The page has two scripts of its own, and no text adds a tag or a placeholder to it.
  EXPECT_EQ(occurrences(page, "</script"), 2u);
  EXPECT_EQ(occurrences(page, "<script"), 2u);
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  const json data = page_data(page);
  const std::string repaired = data["prompts"][0]["messages"][0]["content"];
  EXPECT_THAT(repaired, HasSubstr("</script><img src=x onerror=\"alert(1)\"><!--<script>&lt;"));
  EXPECT_THAT(repaired, HasSubstr("{{REPORT}}{{NONCE}}\xef\xbf\xbd|"));  // U+FFFD
  EXPECT_EQ(data["prompts"][0]["answers"][0][0]["text"], repaired);
}

TEST(ReportPage, LoadsNothing) {
  const std::string page = report_html(Report{{ReportRun{}}, {}, {}, {}});
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  for (const char* loader : {" src=", "@import", "url(", "<link", "<iframe", "fetch(", "import("})
    EXPECT_THAT(page, Not(HasSubstr(loader)));
  EXPECT_EQ(occurrences(page, "http"),
            occurrences(page, "http://www.w3.org/2000/svg") + occurrences(page, "http-equiv"));
}

TEST(ReportPage, NeverLetsATextKnowItsNonce) {
  Report report = evil_report();
  const std::string page = report_html(report);
  const std::string mark = "script-src 'nonce-";
  const std::string nonce = page.substr(page.find(mark) + mark.size(), 64);
  EXPECT_EQ(occurrences(page, nonce), 4u);  // policy twice, style, script
  report.prompts[0].expected = nonce;
  EXPECT_EQ(occurrences(report_html(report), "script-src 'nonce-" + nonce), 0u);
}

TEST(ReportPage, GivesMetricsAsColumnsAndThinsLongOnes) {
  Report report;
  report.runs.emplace_back();
  auto& lines = report.runs[0].metrics;
  lines.push_back({0, {{"eval_loss", 9}}});
  for (int64_t step = 1; step <= 10000; ++step) lines.push_back({step, {{"loss", 1.0 / step}}});
  lines.push_back({10000, {{"eval_loss", 1}}});
  const json metrics = page_data(report_html(report))["runs"][0]["metrics"];
  const size_t rows = metrics["step"].size();
  EXPECT_LT(rows, 1600u);
  ASSERT_EQ(metrics["loss"].size(), rows);
  ASSERT_EQ(metrics["eval_loss"].size(), rows);
  EXPECT_EQ(metrics["eval_loss"][0], 9);
  EXPECT_TRUE(metrics["loss"][0].is_null());
  EXPECT_EQ(metrics["loss"][1], 1.0);
  EXPECT_EQ(metrics["eval_loss"][rows - 1], 1);
  EXPECT_EQ(metrics["step"][rows - 2], 10000);  // the last of either kind is kept
}

TEST(ReportPage, HasSamplesOfEveryNthStepAndOfTheLast) {
  Report report;
  report.runs.emplace_back();
  for (int64_t step = 10; step <= 10000; step += 10) {
    report.runs[0].samples.push_back({step, {"Who?", "Ann.", true, 0.5}});
    report.runs[0].samples.push_back({step, {"Where?", "</script>", true, std::nullopt}});
  }
  const std::string page = report_html(report);
  const json samples = page_data(page)["runs"][0]["samples"];
  EXPECT_LE(samples.size(), 302u);
  EXPECT_EQ(samples[0],
            json({{"step", 10}, {"prompt", "Who?"}, {"text", "Ann."}, {"reward", 0.5}}));
  EXPECT_EQ(samples.back()["step"], 10000);
  EXPECT_EQ(samples.back()["text"], "</script>");
  EXPECT_TRUE(samples.back()["reward"].is_null());
  EXPECT_EQ(occurrences(page, "</script>"), 2u);  // the page's own
}

TEST(ReportMarkdown, KeepsHostileTextsText) {
  const std::string text = report_markdown(evil_report());
  EXPECT_THAT(text, Not(HasSubstr("<script")));
  EXPECT_THAT(text, Not(HasSubstr("<img")));
  EXPECT_THAT(text, Not(HasSubstr("\n# x")));
  for (size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 1)) {
    if (text[at - 1] == '\\') continue;
    EXPECT_TRUE(at == 0 || text[at - 1] == '\n' || text[at - 1] == ' ' || text[at - 1] == '-' ||
                text[at - 1] == ':')
        << "a text breaks out of its cell: " << text.substr(at - 5, 10);
  }
}

TEST(ReportMarkdown, ShowsAnswersFailuresFiguresAndLineage) {
  Report report;
  ReportRun run;
  run.name = run.stage = "sft";
  run.lineage = {{"sft", "0.1.0", "", {{"train", std::string(64, 'a')}}, "", 3, 12, 345}};
  run.metrics = {{1, {{"loss", 2.0}}}, {2, {{"loss", 1.0}}}};
  run.samples = {{2, {"Who?", "Cy", true, 0.25}}};
  report.runs = {run};
  ReportPrompt prompt;
  prompt.prompt = {{Role::kUser, "Who?", true}};
  prompt.expected = "Ada";
  prompt.answers = {{{"as chat", {"Bo", 2, true, -0.5}, Judgement::kWrong}}};
  prompt.diagnosis = {true, 0, "fine-tuning", "Because."};
  report.prompts = {prompt};
  report.figures = {{"sft"}, {{"answer_accuracy", "form", "", false, {{0.5, 1, 2}}}}};
  report.layers = {
      {{"closed", "tools"}, {{"sum_accuracy", "form", "", false, {{0.5, 1, 2}, {1, 2, 2}}}}},
      {{"tools", "2 and 3?", "4", "5", true}}};
  const std::string text = report_markdown(report);
  EXPECT_THAT(text, HasSubstr("**Who?**\n\nExpected: Ada\n"));
  EXPECT_THAT(text, HasSubstr("| sft | Bo | wrong | 2 | yes | -0.500 |\n"));
  EXPECT_THAT(text, HasSubstr("| Who? | sft | fine\\-tuning | Because\\. |\n"));
  EXPECT_THAT(text, HasSubstr("| answer\\_accuracy | 0.500 (1/2) |\n"));
  EXPECT_THAT(text, HasSubstr("| sum\\_accuracy | 0.500 (1/2) | 1.000 (2/2) |\n"));
  EXPECT_THAT(text, HasSubstr("| tools | 2 and 3? | 4 | 5 | repaired |\n"));
  EXPECT_THAT(text, HasSubstr("| sft | loss | 2.0000 | 1.0000 | 2 |\n"));
  EXPECT_THAT(text, HasSubstr("| sft | 2 | Who? | Cy | 0.25 |\n"));
  EXPECT_THAT(text, HasSubstr("| sft | 12 | 345 | 3 | none | train `aaaaaaaaaaaa` |\n"));
}

}  // namespace
}  // namespace minillm::report
