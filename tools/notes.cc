// minillm-notes: makes an index of texts, and looks up in it what a question asks for.

#include <nlohmann/json.hpp>

#include "libminillm/checkpoint/output_path.h"
#include "libminillm/core/check.h"
#include "libminillm/core/utf8.h"
#include "libminillm/retrieve/note_index.h"
#include "tools/notes_option.h"
#include "tools/print.h"
#include "tools/tool_main.h"

namespace {

using namespace minillm;
using Json = nlohmann::ordered_json;

struct BuildArguments {
  std::vector<std::string> inputs;
  std::string out, split = "file", on_bad_record = "error";
};

struct QueryArguments {
  std::string notes, question;
  int64_t limit = kMostNotes;
};

int build(const BuildArguments& arguments, bool json) {
  check_output_path(arguments.out, arguments.inputs);
  const NoteIndexReport report =
      build_note_index(arguments.inputs, arguments.out,
                       {.split = parse_document_split(arguments.split),
                        .on_bad_record = parse_bad_record_policy(arguments.on_bad_record)});
  for (const DatasetReport& file : report.files) {
    spdlog::info("{}: {} documents", file.path, file.used);
    for (const auto& [reason, count] : file.dropped)
      spdlog::warn("{}: {} dropped: {}", file.path, count, reason);
    for (const std::string& warning : file.warnings) spdlog::warn("{}: {}", file.path, warning);
  }
  if (json) {
    print("{}\n", Json({{"out", arguments.out},
                        {"documents", report.documents},
                        {"notes", report.notes},
                        {"repeated", report.repeated},
                        {"bytes", report.bytes}})
                      .dump());
  } else {
    print("{}: {} notes, {} repetitions left out, {} bytes\n", arguments.out, report.notes,
          report.repeated, report.bytes);
  }
  return 0;
}

int query(const QueryArguments& arguments, bool json) {
  MINILLM_CHECK_USAGE(is_valid_utf8(arguments.question), "question: not valid UTF-8");
  const std::vector<Note> notes =
      NoteIndex(arguments.notes).query(arguments.question, arguments.limit);
  if (json) {
    print("{}\n", Json({{"question", arguments.question}, {"notes", notes_json(notes)}}).dump());
    return 0;
  }
  if (notes.empty()) spdlog::info("no note holds what the question asks for");
  for (const Note& note : notes) print("{:8.3g}  {}  {}\n", note.score, note.source, note.text);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Makes an index of texts, sentence by sentence, and looks up notes in it",
               "minillm-notes");
  app.require_subcommand(1);
  app.fallthrough();
  bool json = false;
  app.add_flag("--json", json, "print one JSON object");

  BuildArguments building;
  CLI::App* build_command = app.add_subcommand("build", "make an index of texts");
  build_command
      ->add_option("--input", building.inputs, "text files, or .jsonl with a \"text\" field")
      ->required();
  build_command->add_option("--out", building.out, "the index to write")->required();
  build_command
      ->add_option("--split", building.split,
                   "what ends a document in plain text: blank_line, line or file")
      ->capture_default_str();
  build_command
      ->add_option("--on-bad-record", building.on_bad_record,
                   "what to do with a bad record: error or skip")
      ->capture_default_str();

  QueryArguments asking;
  CLI::App* query_command = app.add_subcommand("query", "look up notes for a question");
  query_command->add_option("--notes", asking.notes, "the index")->required();
  query_command->add_option("question", asking.question, "what is asked")->required();
  query_command->add_option("--limit", asking.limit, "most notes")
      ->check(CLI::Range(int64_t{1}, int64_t{1000}))
      ->capture_default_str();

  return run_tool(app, argc, argv, [&] {
    return build_command->parsed() ? build(building, json) : query(asking, json);
  });
}
