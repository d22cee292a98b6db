#include "libminillm/lab/trial_section.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "libminillm/lab/forms.h"

namespace minillm::lab {
namespace {

// "**Verdict:** refuted" -> "<strong>Verdict:</strong> refuted"
std::string inline_html(const std::string& text) {
  std::string out;
  bool strong = false;
  const std::string escaped = markup_text(text);
  for (size_t i = 0; i < escaped.size(); ++i) {
    if (escaped.compare(i, 2, "**") == 0) {
      strong = !strong;
      out += strong ? "<strong>" : "</strong>";
      ++i;
    } else {
      out += escaped[i];
    }
  }
  return strong ? out + "</strong>" : out;
}

std::vector<std::string> cells_of(const std::string& row) {
  std::vector<std::string> cells;
  for (size_t begin = 1; begin < row.size();) {
    const size_t end = std::min(row.find('|', begin), row.size());
    const size_t first = row.find_first_not_of(' ', begin);
    std::string cell = first < end ? row.substr(first, end - first) : "";
    cell.erase(cell.find_last_not_of(' ') + 1);
    cells.push_back(cell);
    begin = end + 1;
  }
  return cells;
}

bool is_rule(const std::string& row) {
  return row.find('-') != std::string::npos && row.find_first_not_of("|-: ") == std::string::npos;
}

std::string table_html(const std::vector<std::string>& rows) {
  std::string out = "<thead>";
  bool in_head = true;
  for (const std::string& row : rows) {
    if (is_rule(row)) {
      out += "</thead>\n<tbody>";
      in_head = false;
      continue;
    }
    const std::vector<std::string> cells = cells_of(row);
    out += "<tr>";
    for (size_t i = 0; i < cells.size(); ++i) {
      const char* tag = in_head || i == 0 ? "th" : "td";
      const std::string kind = fmt::format("{}{}",
                                           in_head  ? " scope=\"col\""
                                           : i == 0 ? " scope=\"row\""
                                                    : "",
                                           i > 0 ? " class=\"number\"" : "");
      out += fmt::format("<{0}{1}>{2}</{0}>", tag, kind, inline_html(cells[i]));
    }
    out += "</tr>\n";
  }
  return out + (in_head ? "</thead>\n" : "</tbody>\n");
}

}  // namespace

std::string html_of_markdown(const std::string& markdown) {
  std::string out;
  std::vector<std::string> table;
  const auto end_table = [&] {
    if (!table.empty())
      out +=
          "<div class=\"card scroll\" role=\"region\" tabindex=\"0\" "
          "aria-label=\"Table\">\n<table>\n" +
          table_html(table) + "</table>\n</div>\n";
    table.clear();
  };
  std::istringstream lines(markdown);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('|')) {
      table.push_back(line);
      continue;
    }
    end_table();
    if (line.starts_with("## "))
      out += "<h3>" + inline_html(line.substr(3)) + "</h3>\n";
    else if (!line.empty() && !line.starts_with("# "))
      out += "<p>" + inline_html(line) + "</p>\n";
  }
  end_table();
  return out;
}

std::string trial_section(const TrialFiles& trial, const std::string& nonce) {
  std::string figure = trial.figure;
  const std::string plain = "<style>";
  if (const size_t at = figure.find(plain); at != std::string::npos)
    figure.replace(at, plain.size(), fmt::format("<style nonce=\"{}\">", nonce));
  if (!figure.empty()) figure = "<figure class=\"card trial\">\n" + figure + "</figure>\n";
  const std::string name = markup_text(trial.name);
  return fmt::format(
      "<section class=\"experiment\" aria-labelledby=\"trial-{0}\">\n<p class=\"name\">{0}</p>\n"
      "<h2 id=\"trial-{0}\" tabindex=\"-1\">{1}</h2>\n{2}{3}<h3>Try it again</h3>\n"
      "<pre><code>minillm-lab {0}</code></pre>\n"
      "<p class=\"back\"><a href=\"#summary\">Back to the verdicts</a></p>\n</section>\n",
      name, markup_text(trial.title), figure, html_of_markdown(trial.markdown));
}

}  // namespace minillm::lab
