// The forms of a result: they tell the same numbers, never a number for what was not asked, and
// whatever a text says stays text.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "libminillm/lab/result.h"

namespace minillm::lab {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kEvil[] =
    "<img src=x onerror=\"alert('1')\">&lt;{{NONCE}}]]><!--\xff\x01\xef\xbf\xbf|`*_\n# x";
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<SeedFigure> counts(std::vector<int64_t> all, int64_t of) {
  std::vector<SeedFigure> figures;
  for (const int64_t count : all) figures.push_back({double(count) / double(of), count, of});
  return figures;
}

std::vector<SeedFigure> values(std::vector<double> all) {
  std::vector<SeedFigure> figures;
  for (const double value : all) figures.push_back({value, 1, 5});
  return figures;
}

// Three seeds of two cells that are compared and one that is told; "lists" was never asked.
ExperimentResult replay() {
  ExperimentResult result;
  Experiment& e = result.experiment;
  e.name = "replay";
  e.claim = "A little replay prevents forgetting.";
  e.says = "somebody";
  e.refuted_by = "Replay does not help.";
  e.literature = {"Gupta 2023, arXiv:2308.04014"};
  e.measure = {"cloze_known", "replay 0.1", "no replay", 0.1, Expectation::kMore};
  e.tell = {"canary_exposure", "cloze_known", "lists"};
  result.seeds = {1, 2, 7};
  const std::vector<SeedFigure> unasked(3);
  result.cells = {{"base",
                   {{"cloze_known", counts({1014, 1003, 1021}, 1080)},
                    {"canary_exposure", values({8.647, 8.647, 7.9})},
                    {"lists", unasked}}},
                  {"no replay",
                   {{"cloze_known", counts({150, 203, 121}, 1080)},
                    {"canary_exposure", values({2.034, kNan, 1.9})},
                    {"lists", unasked}}},
                  {"replay 0.1",
                   {{"cloze_known", counts({930, 915, 944}, 1080)}, {"canary_exposure", unasked}}}};
  result.difference = {0.71451, {0.68149, 0.74951}, {0.72222, 0.65926, 0.76204}, 3240};
  result.verdict = Verdict::kSupported;
  result.seconds = 90;
  result.version = "0.1.0";
  return result;
}

ExperimentResult evil() {
  ExperimentResult result = replay();
  Experiment& e = result.experiment;
  e.name = e.claim = e.says = e.refuted_by = kEvil;
  e.literature = {kEvil};
  e.measure.metric = e.measure.cell = kEvil;
  e.tell = {std::string(kEvil) + "2"};
  for (CellResult& cell : result.cells) {
    cell.metrics[kEvil] = cell.metrics["cloze_known"];
    cell.metrics[std::string(kEvil) + "2"] = cell.metrics["cloze_known"];
  }
  result.cells[0].name = kEvil;
  result.version = kEvil;
  return result;
}

size_t occurrences(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

std::string decimals(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

// What makes the text no well-formed XML: a tag that is not closed or no tag, an & that starts no
// reference of a number, a character that may not occur. Empty: nothing.
std::string flaw(const std::string& xml) {
  static const std::regex tag(R"re(<(/?)([a-z][a-z0-9]*)((?: [a-zA-Z-]+="[^"<>]*")*)(/?)>)re");
  std::vector<std::string> open;
  for (size_t i = 0; i < xml.size(); ++i) {
    const auto c = static_cast<unsigned char>(xml[i]);
    std::smatch match;
    const auto begin = xml.begin() + static_cast<std::ptrdiff_t>(i);
    if (c < 0x20 && c != '\n') return "control character";
    if (xml.compare(i, 3, "\xef\xbf\xbf") == 0) return "U+FFFF";
    if (c == '&' && xml.compare(i, 2, "&#") != 0) return "bare & at " + xml.substr(i, 40);
    if (c != '<') continue;
    if (xml.compare(i, 4, "<!--") == 0) {
      i = xml.find("-->", i) + 2;
      continue;
    }
    if (!std::regex_search(begin, xml.end(), match, tag, std::regex_constants::match_continuous))
      return "no tag: " + xml.substr(i, 40);
    const std::string name = match[2];
    if (match[1].length() != 0) {
      if (open.empty() || open.back() != name) return "closes what is not open: " + name;
      open.pop_back();
    } else if (match[4].length() == 0 && name != "wbr") {
      open.push_back(name);
    }
    i += static_cast<size_t>(match.length()) - 1;
  }
  return open.empty() ? "" : "not closed: " + open.back();
}

TEST(LabResult, TableHasMeansAndSeedsAndADashForWhatWasNotAsked) {
  const std::string table = result_markdown(replay());
  EXPECT_THAT(table, HasSubstr("# replay\n\n**Claim:** A little replay prevents forgetting.\n"));
  EXPECT_THAT(table, HasSubstr("**Verdict:** supported\n"));
  EXPECT_THAT(table, HasSubstr("more, by over the margin of 0.1\n"));
  EXPECT_THAT(table, HasSubstr("+0.715 (95 % interval +0.681 to +0.750); 3240 questions"));
  EXPECT_THAT(table, HasSubstr("+0.722 (seed 1), +0.659 (seed 2), +0.762 (seed 7)"));
  // The metric that decides is first, and once.
  EXPECT_THAT(table, HasSubstr("| cell | cloze_known | canary_exposure | lists |\n"
                               "|---|---:|---:|---:|\n"));
  EXPECT_THAT(table, HasSubstr("| base | 0.938 (0.939 0.929 0.945) | 8.398 (8.647 8.647 7.900) | "
                               "- |\n"));
  EXPECT_THAT(table, HasSubstr("| no replay | 0.146 (0.139 0.188 0.112) | 1.967 (2.034 - 1.900) | "
                               "- |\n"));
  EXPECT_THAT(table, HasSubstr("| replay 0.1 | 0.861 (0.861 0.847 0.874) | - | - |\n"));
  EXPECT_THAT(table, HasSubstr("**What would refute it:** Replay does not help.\n"));
  EXPECT_THAT(table, HasSubstr("**Literature:** Gupta 2023, arXiv:2308.04014\n"));
}

TEST(LabResult, JsonHasNullForWhatWasNotAsked) {
  const json result = json::parse(result_json(replay()));
  EXPECT_EQ(result["verdict"], "supported");
  EXPECT_EQ(result["measure"]["expects"], "more");
  EXPECT_EQ(result["measure"]["margin"], 0.1);
  EXPECT_EQ(result["difference"]["low"], 0.68149);
  EXPECT_EQ(result["difference"]["seeds"], json({0.72222, 0.65926, 0.76204}));
  EXPECT_EQ(result["seeds"], json({1, 2, 7}));
  const json& without = result["cells"][1]["metrics"];
  EXPECT_EQ(without["cloze_known"]["seeds"][2],
            json({{"value", 121 / 1080.0}, {"count", 121}, {"of", 1080}}));
  EXPECT_TRUE(without["canary_exposure"]["seeds"][1]["value"].is_null());  // not finite
  EXPECT_TRUE(without["lists"]["mean"].is_null());
  EXPECT_TRUE(without["lists"]["seeds"][0]["value"].is_null());
  EXPECT_EQ(without["lists"]["seeds"][0]["of"], 0);
  // A metric that the cell has nothing of.
  EXPECT_TRUE(result["cells"][2]["metrics"]["lists"]["seeds"][2]["value"].is_null());
}

TEST(LabResult, CsvHasAFigureALine) {
  const std::string table = result_csv(replay());
  EXPECT_EQ(occurrences(table, "\n"), 1u + 3 * 3 * 3);
  EXPECT_THAT(table, HasSubstr("experiment,cell,seed,metric,value,count,of\n"
                               "replay,base,1,cloze_known,0.9388888888888889,1014,1080\n"));
  EXPECT_THAT(table, HasSubstr("\nreplay,no replay,2,canary_exposure,,1,5\n"));
  EXPECT_THAT(table, HasSubstr("\nreplay,base,7,lists,,0,0\n"));
  EXPECT_THAT(result_csv(evil()), HasSubstr("\"<img src=x onerror=\"\"alert('1')\"\">"));
  ExperimentResult formula = replay();
  formula.cells[0].name = "=1+1";
  EXPECT_THAT(result_csv(formula), HasSubstr("\nreplay,'=1+1,1,"));
}

TEST(LabResult, FigureAndPageTellTheTablesNumbers) {
  const ExperimentResult result = replay();
  const std::string table = result_markdown(result), figure = result_svg(result),
                    page = lab_page({result});
  const json numbers = json::parse(result_json(result));
  for (const json& cell : numbers["cells"]) {
    const json& metric = cell["metrics"]["cloze_known"];
    const std::string mean = decimals(metric["mean"]);
    std::string seeds;
    for (const json& seed : metric["seeds"])
      seeds += (seeds.empty() ? "" : " ") + decimals(seed["value"]);
    EXPECT_THAT(table, HasSubstr(mean + " (" + seeds + ")"));
    EXPECT_THAT(figure, HasSubstr("text-anchor=\"end\">" + mean + "</text>"));
    EXPECT_THAT(figure, HasSubstr("; seeds " + seeds + "</title>"));
    EXPECT_THAT(page, HasSubstr(mean + "<small>" + seeds + "</small>"));
  }
  for (const std::string& form : {table, figure, page}) {
    EXPECT_THAT(form, HasSubstr("+0.715 (95 % interval +0.681 to +0.750)"));
    EXPECT_THAT(form, HasSubstr("more, by over the margin of 0.1"));
  }
  for (const char* seed : {"+0.722", "+0.659", "+0.762"}) EXPECT_THAT(page, HasSubstr(seed));
}

TEST(LabFigure, HasABarAWhiskerAndADotASeed) {
  const std::string figure = result_svg(replay());
  EXPECT_THAT(figure, HasSubstr("role=\"img\""));
  EXPECT_THAT(figure, HasSubstr("<title>replay: cloze_known by cell</title>\n<desc>base: 0.938, "));
  EXPECT_THAT(figure, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_EQ(occurrences(figure, "class=\"track\""), 3u);
  EXPECT_EQ(occurrences(figure, "class=\"whisker\""), 3u);
  EXPECT_EQ(occurrences(figure, "class=\"dot\""), 9u);
  for (const char* bar : {"cell", "against", "bar"})
    EXPECT_EQ(occurrences(figure, "<rect class=\"" + std::string(bar) + "\""), 1u) << bar;
  // Wilson's interval of 474 of 3,240.
  EXPECT_THAT(figure, HasSubstr("no replay: 0.146, 95 % interval 0.135 to 0.159; seeds"));
  EXPECT_THAT(figure, HasSubstr(">Verdict: supported</text>"));
  EXPECT_EQ(flaw(figure), "");
}

TEST(LabFigure, ScalesWhatIsNoShareAndGivesItNoWhisker) {
  ExperimentResult result = replay();
  result.experiment.measure.metric = "canary_exposure";
  const std::string figure = result_svg(result);
  EXPECT_EQ(occurrences(figure, "class=\"whisker\""), 0u);
  EXPECT_EQ(occurrences(figure, "class=\"dot\""), 5u);  // of eight, one is NaN and three unasked
  EXPECT_THAT(figure, HasSubstr(">10</text>"));         // the axis' end
  EXPECT_THAT(figure, HasSubstr("text-anchor=\"end\">8.398</text>"));
  EXPECT_THAT(figure, HasSubstr("text-anchor=\"end\">-</text>"));
  EXPECT_THAT(figure, HasSubstr("replay 0.1: not asked. "));
  // Nothing is drawn beyond the plot, of any size or sign.
  result.cells[0].metrics["canary_exposure"] = values({-3, 1e300, -1e300});
  result.cells[1].metrics["canary_exposure"] = values({0, 0, 0});
  EXPECT_EQ(flaw(result_svg(result)), "");
  EXPECT_THAT(result_svg(result), Not(HasSubstr("nan")));
  EXPECT_THAT(result_svg(result), Not(HasSubstr("inf ")));
}

TEST(LabFigure, BreaksLongNames) {
  ExperimentResult result = replay();
  result.cells[0].name = std::string(100, 'w') + " and then some words that are many";
  const std::string figure = result_svg(result);
  static const std::regex line("<text[^>]*>([^<]*)</text>");
  size_t longest = 0;
  for (std::sregex_iterator it(figure.begin(), figure.end(), line), end; it != end; ++it)
    longest = std::max(longest, static_cast<size_t>((*it)[1].length()));
  EXPECT_LE(longest, 70u);  // &#39; is one character
  EXPECT_THAT(figure, HasSubstr(">some words that are many<"));
}

TEST(LabResult, NothingAskedIsNoDifferenceOfZero) {
  ExperimentResult result = replay();
  result.difference = {};
  result.verdict = Verdict::kUndecided;
  for (CellResult& cell : result.cells) cell.metrics.clear();
  const json numbers = json::parse(result_json(result));
  for (const char* part : {"mean", "low", "high"})
    EXPECT_TRUE(numbers["difference"][part].is_null()) << part;
  for (const std::string& form :
       {result_markdown(result), result_svg(result), lab_page({result})}) {
    EXPECT_THAT(form, HasSubstr("none: nothing was asked of both cells"));
    EXPECT_THAT(form, Not(HasSubstr("0.000")));
  }
  EXPECT_THAT(result_markdown(result), HasSubstr("| base | - | - | - |"));
}

TEST(LabResult, KeepsHostileTextsText) {
  const ExperimentResult result = evil();
  const std::string table = result_markdown(result), figure = result_svg(result),
                    page = lab_page({result});
  for (const std::string& form : {table, figure, page}) EXPECT_THAT(form, Not(HasSubstr("<img")));
  EXPECT_EQ(flaw(figure), "");
  // A row stays a line, and its bars are its own.
  EXPECT_THAT(table, HasSubstr("\n| &#60;img src=x onerror="));
  EXPECT_THAT(table, HasSubstr("\\|\\`\\*\\_<br>\\# x |"));
  EXPECT_THAT(page, HasSubstr("{{NONCE}}"));
  EXPECT_EQ(occurrences(page, "nonce-{{"), 0u);
  const json numbers = json::parse(result_json(result));
  EXPECT_THAT(numbers["cells"][0]["name"].get<std::string>(), HasSubstr("<img src=x"));
}

TEST(LabPage, HasEveryExperimentOnceAndAllVerdicts) {
  std::vector<ExperimentResult> results(4, replay());
  results[1].experiment.name = "style & form";
  results[1].verdict = Verdict::kRefuted;
  results[2].experiment.name = "style / form";  // the same letters
  results[2].verdict = Verdict::kUndecided;
  results[3] = evil();
  const std::string page = lab_page(results);
  EXPECT_EQ(occurrences(page, "<section class=\"experiment\""), 5u);  // and what cannot be tested
  EXPECT_EQ(occurrences(page, "<svg "), 4u);
  EXPECT_EQ(occurrences(page, "prefers-color-scheme: dark"), 2u);  // the page's and the figures'
  for (const char* id : {"claim-replay", "claim-style-form", "claim-style-form-2"}) {
    EXPECT_EQ(occurrences(page, "id=\"" + std::string(id) + "\""), 1u) << id;
    EXPECT_EQ(occurrences(page, "href=\"#" + std::string(id) + "\""), 1u) << id;
  }
  EXPECT_THAT(page, HasSubstr("4 claims: 2 supported, 1 refuted, 1 undecided."));
  // Each verdict explained, in the summary and in its section.
  for (const auto& [verdict, times] : std::vector<std::pair<std::string, size_t>>{
           {"supported", 5}, {"refuted", 3}, {"undecided", 3}})
    EXPECT_EQ(occurrences(page, "<span class=\"badge " + verdict + "\">" + verdict + "</span>"),
              times);
  EXPECT_THAT(page, HasSubstr("<code>minillm-lab run replay</code>"));
  EXPECT_THAT(page, HasSubstr("Over-refusal here is a mechanism, not a rate."));
}

// The page shows scaling, proxies and the diagnosis as their own files tell them.
TEST(LabPage, HasTheOtherTrials) {
  const TrialFiles trial{"scaling", "Scaling",
                         "# Scaling\n\n**Verdict:** refuted <b>\n\n## Runs\n\n| size | tokens |\n"
                         "|---|---:|\n| 0.06M | 4.93M |\n| a_b | |\n\nAfter it.\n",
                         "<svg><style>\n.x { fill: red; }</style></svg>\n"};
  const std::string page = lab_page({replay()}, {trial});
  for (const char* part :
       {"<h2 id=\"trial-scaling\" tabindex=\"-1\">Scaling</h2>", "<a href=\"#trial-scaling\">",
        "<p><strong>Verdict:</strong> refuted &#60;b&#62;</p>", "<h3>Runs</h3>",
        "<tr><th scope=\"col\">size</th><th scope=\"col\" class=\"number\">tokens</th></tr>",
        "<tr><th scope=\"row\">0.06M</th><td class=\"number\">4.93M</td></tr>",
        "<tr><th scope=\"row\">a_b</th><td class=\"number\"></td></tr>", "<p>After it.</p>",
        "<code>minillm-lab scaling</code>"})
    EXPECT_THAT(page, HasSubstr(part));
  // Its styles are allowed by the page's policy, which knows them by a word that no text can hold.
  static const std::regex nonce("style-src 'nonce-([0-9a-f]{64})'");
  std::smatch found;
  ASSERT_TRUE(std::regex_search(page, found, nonce));
  EXPECT_THAT(page, HasSubstr("<svg><style nonce=\"" + found[1].str() + "\">\n.x {"));
  EXPECT_THAT(lab_page({replay()}), Not(HasSubstr("trial-")));
}

TEST(LabPage, IsWellFormedAndLoadsNothing) {
  const std::string page =
      lab_page({replay(), evil()}, {{"proxies", "Proxies", "| a |\n|---|\n| b |\n", ""}});
  const size_t begin = page.find("<main>");
  EXPECT_EQ(flaw(page.substr(begin, page.find("</main>") + 7 - begin)), "");
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  static const std::regex load(" (?:src|href|xlink:href)=\"(?!#)|url\\(|@import|<link");
  EXPECT_FALSE(std::regex_search(page, load));
  // Each address within the page leads somewhere, and each id is there once.
  static const std::regex id(" id=\"([^\"]*)\""),
      address(" (?:href=\"#|aria-labelledby=\")([^\"]*)\"");
  std::set<std::string> ids;
  for (std::sregex_iterator it(page.begin(), page.end(), id), end; it != end; ++it)
    EXPECT_TRUE(ids.insert((*it)[1]).second) << (*it)[1];
  for (std::sregex_iterator it(page.begin(), page.end(), address), end; it != end; ++it)
    EXPECT_TRUE(ids.contains((*it)[1])) << (*it)[1];
}

TEST(LabPage, OfNothingSaysSo) { EXPECT_THAT(lab_page({}), HasSubstr("Nothing was tried.")); }

// One cell under two metrics: both are told, and no form says that cells were compared.
TEST(LabResult, TwoMetricsOfOneCellAreToldAsSuch) {
  ExperimentResult result = replay();
  Measure& measure = result.experiment.measure;
  measure = {"lists", "base", "base", 0.1, Expectation::kLess, "cloze_known"};
  result.experiment.tell = {};
  result.cells[0].metrics["lists"] = counts({100, 200, 300}, 1000);
  const std::string compared = "lists of base against cloze_known of base";
  EXPECT_THAT(result_markdown(result), HasSubstr(compared));
  EXPECT_THAT(lab_page({result}), HasSubstr(compared));
  const std::string figure = result_svg(result);
  EXPECT_THAT(figure, HasSubstr("base: lists: 0.200"));
  EXPECT_THAT(figure, HasSubstr("base: cloze_known: 0.938"));
  const json verdict = json::parse(result_json(result));
  EXPECT_EQ(verdict.at("measure").at("against_metric"), "cloze_known");
}

}  // namespace
}  // namespace minillm::lab
