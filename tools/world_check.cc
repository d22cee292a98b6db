#include "tools/world_check.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "libminillm/checkpoint/output_path.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/data/document_reader.h"
#include "libminillm/world/fact_check.h"
#include "tools/print.h"
#include "tools/tool_main.h"

namespace minillm {
namespace {

using Json = nlohmann::ordered_json;
using world::Statement;
using world::StatementKind;
using world::Truth;

// A file that is written line by line, and not at all where it has no name.
class Lines {
 public:
  explicit Lines(const std::string& path) {
    if (!path.empty()) file_.emplace(path, FileTransaction::Of::kUser);
  }
  void add(const Json& line) {
    if (file_) file_->write(line.dump() + "\n");
  }
  void commit() {
    if (file_) file_->commit();
  }

 private:
  std::optional<FileTransaction> file_;
};

Json statement_json(int64_t document, const Statement& statement) {
  Json json = {{"document", document},
               {"kind", world::statement_kind_name(statement.kind)},
               {"truth", world::truth_name(statement.truth)},
               {"text", statement.text}};
  if (statement.kind != StatementKind::kSum) json["name"] = statement.name;
  if (statement.kind == StatementKind::kFact) {
    json["attribute"] = world::attribute_name(statement.attribute);
    json["value"] = statement.value;
  }
  return json;
}

Json counts_json(const world::StatementCounts& counts, size_t possible) {
  const auto of = [&](StatementKind kind) {
    return Json{{"stated", counts.count(kind)},
                {"true", counts.count(kind, Truth::kTrue)},
                {"false", counts.count(kind, Truth::kFalse)}};
  };
  Json facts = of(StatementKind::kFact);
  facts["of_nobody"] = counts.count(StatementKind::kFact, Truth::kNobody);
  facts["distinct_true"] = counts.distinct.size();
  facts["there_are"] = possible;
  return {{"documents", counts.documents},
          {"with_untrue", counts.untrue_documents},
          {"facts", facts},
          {"people", counts.people.size()},
          {"known", of(StatementKind::kKnown)},
          {"sums", of(StatementKind::kSum)}};
}

void print_counts(const world::StatementCounts& counts, size_t possible, size_t people) {
  const auto line = [](const char* what, int64_t count, int64_t of) {
    print("{:<34}{:>9}{}\n", what, count,
          of > 0 ? fmt::format("{:>8.2f} %",
                               100 * static_cast<double>(count) / static_cast<double>(of))
                 : "");
  };
  line("documents", counts.documents, 0);
  line("  that state something untrue", counts.untrue_documents, counts.documents);
  const int64_t facts = counts.count(StatementKind::kFact);
  line("facts", facts, 0);
  line("  true", counts.count(StatementKind::kFact, Truth::kTrue), facts);
  line("  false", counts.count(StatementKind::kFact, Truth::kFalse), facts);
  line("  of a name that nobody has", counts.count(StatementKind::kFact, Truth::kNobody), facts);
  line("different facts told truly", std::ssize(counts.distinct), static_cast<int64_t>(possible));
  line("people of whom any is", std::ssize(counts.people), static_cast<int64_t>(people));
  for (const auto& [kind, what] : {std::pair(StatementKind::kKnown, "who is known, and who is not"),
                                   std::pair(StatementKind::kSum, "sums")}) {
    line(what, counts.count(kind), 0);
    line("  false", counts.count(kind, Truth::kFalse), counts.count(kind));
  }
}

}  // namespace

void check_against_world(const WorldCheck& check) {
  for (const std::string& out : {check.filtered, check.statements})
    if (!out.empty()) check_output_path(out, check.files);
  MINILLM_CHECK_USAGE(check.filtered.empty() || check.filtered != check.statements,
                      "--filtered: expected another file than --statements, got '{}'",
                      check.filtered);
  catch_stop_signals("\nstopping: nothing is written\n");
  const world::World world(check.seed);
  const world::FactChecker checker(world);
  world::StatementCounts counts;
  Lines filtered(check.filtered), statements(check.statements);
  for_each_document(check.files, parse_document_split(check.split), BadRecordPolicy::kError,
                    [&](std::string_view document) {
                      if (stop_requested())
                        throw Error("check: interrupted", ExitCode::kInterrupted);
                      const std::vector<Statement> found = checker.check(document);
                      for (const Statement& one : found)
                        statements.add(statement_json(counts.documents, one));
                      counts.add(found);
                      if (world::all_true(found)) filtered.add({{"text", document}});
                    });
  filtered.commit();
  statements.commit();
  const size_t people = world.people().size(), possible = people * world::kAttributeCount;
  check.json ? print("{}\n", counts_json(counts, possible).dump())
             : print_counts(counts, possible, people);
}

}  // namespace minillm
