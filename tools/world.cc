// minillm-world: writes the embedded world's data, the same bytes for the same options, and checks
// what others write about it.

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <set>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/world/world_files.h"
#include "tools/print.h"
#include "tools/tool_main.h"
#include "tools/world_check.h"

namespace {

using namespace minillm;

// What is counted instead of written.
CLI::Option* add_check_options(CLI::App& app, WorldCheck& check) {
  auto* checked =
      app.add_option("--check", check.files,
                     "instead of writing: count the true and the false statements of these corpora "
                     "or texts about the people of this seed")
          ->excludes(app.get_option("--out"));
  app.add_option("--split", check.split,
                 "with --check: what ends a document of plain text: blank_line, line or file")
      ->capture_default_str()
      ->needs(checked);
  app.add_option(
         "--filtered", check.filtered,
         "with --check: write the documents in which nothing is false or said of a name that "
         "nobody has to this .jsonl file")
      ->needs(checked);
  app.add_option("--statements", check.statements,
                 "with --check: write every statement and whether it is true to this .jsonl file")
      ->needs(checked);
  return checked;
}

// "unknown=0.16"
void add_share(std::map<std::string, double>& mix, const std::string& text) {
  const size_t equals = text.find('=');
  double share = 0;
  MINILLM_CHECK_USAGE(
      equals != std::string::npos && CLI::detail::lexical_cast(text.substr(equals + 1), share),
      "--mix '{}': expected kind=share, as unknown=0.16", text);
  mix[text.substr(0, equals)] = share;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace minillm::world;
  using namespace minillm;
  CLI::App app(
      "Writes the data of the world of Velloway: corpus, conversations, preferences, held-out "
      "sets; or, with --check, tells how much of a text is true there",
      "minillm-world");
  WorldOptions options;
  std::string out;
  std::vector<std::string> parts;
  std::vector<std::string> mix;
  bool checksums = false, json = false;
  WorldCheck check;
  app.add_option("--out", out, "directory for the files");
  app.add_option("--seed", options.seed, "which world: other seeds make other people")
      ->capture_default_str();
  app.add_option("--part", parts,
                 fmt::format("write only these parts: {}", fmt::join(world_parts(), ", ")));
  app.add_option("--stories", options.stories, "documents in pretrain.jsonl")
      ->capture_default_str();
  app.add_option("--sft-rows", options.sft_rows, "rows in sft.jsonl")->capture_default_str();
  app.add_option("--pairs", options.pairs, "pairs in preference.jsonl")->capture_default_str();
  app.add_option("--replay-facts", options.replay_facts, "polite facts added to replay.jsonl")
      ->capture_default_str();
  app.add_option("--second-documents", options.second_documents, "documents in second.jsonl")
      ->capture_default_str();
  app.add_option("--open-book-rows", options.open_book_rows, "rows in open_book.jsonl")
      ->capture_default_str();
  app.add_option("--open-book-documents", options.open_book_documents, "documents in open_book.txt")
      ->capture_default_str();
  app.add_option("--tool-rows", options.tool_rows, "rows in tools.jsonl")->capture_default_str();
  app.add_option("--without", options.dials.without,
                 fmt::format("kinds of conversations and pairs that are left out, others in their "
                             "place: {}",
                             fmt::join(world_omissions(), ", ")))
      ->delimiter(',');
  app.add_option("--newcomers", options.dials.newcomers,
                 "share of the people who are called otherwise in conversations than in stories")
      ->capture_default_str();
  app.add_option("--false-pairs", options.dials.false_pairs,
                 "share of the pairs of style whose preferred answer is polite and false")
      ->capture_default_str();
  app.add_option("--untold", options.dials.untold,
                 "share of the validation and test people of whom no story tells")
      ->capture_default_str();
  app.add_flag("--inverted-pairs", options.dials.inverted_pairs,
               "prefer compliance with harm, and refusing what is harmless");
  app.add_option("--told-rate", options.dials.told_rate,
                 "how often validation and test people are told of, of how often they would be")
      ->capture_default_str();
  app.add_option("--told-falsely", options.dials.told_falsely,
                 "share of the documents about 24 test and 12 validation people that tells false "
                 "facts of them, the same ones each time")
      ->capture_default_str();
  app.add_option("--mix", mix,
                 "shares of kinds of conversations and of pairs, the others in proportion: "
                 "unknown=0.16,benign_pairs=0.05")
      ->delimiter(',');
  app.add_option("--refused", options.dials.refused,
                 "share of the requests for help with harm that conversations refuse (0.15)");
  app.add_option("--manner", options.dials.manner,
                 "the only manner of conversations about facts: polite, rambling, rude");
  app.add_option(
      "--longer", options.dials.longer,
      "pairs of style become pairs of length: whose answer has a further fact, chosen or "
      "rejected");
  app.add_option("--secrets", options.dials.secrets,
                 "add conversations with secrets, said 30, 10, 3 and 1 times in the turn of: user, "
                 "assistant");
  auto* checked = add_check_options(app, check);
  app.add_flag("--checksums", checksums, "write only SHA256SUMS, of the parts' files");
  app.add_flag("--json", json,
               "print the files written, or what was counted, as one JSON object on stdout");
  return run_tool(app, argc, argv, [&] {
    if (checked->count() > 0) {
      check.seed = options.seed;
      check.json = json;
      check_against_world(check);
      return 0;
    }
    MINILLM_CHECK_USAGE(!out.empty(), "--out: expected a directory for the files, or --check FILE");
    nlohmann::ordered_json files = nlohmann::ordered_json::array();
    for (const std::string& share : mix) add_share(options.dials.mix, share);
    if (parts.empty()) parts.assign(world_parts().begin(), world_parts().end());
    std::string sums;
    for (const std::string& part : std::set<std::string>(parts.begin(), parts.end())) {
      for (const auto& [name, content] : make_world_files(options, part)) {
        sums += sha256(content) + "  " + name + "\n";
        if (checksums) continue;
        create_directories(out);
        write_output(join_path(out, name), content);
        spdlog::info("{}: {} bytes", join_path(out, name), content.size());
        files.push_back({{"path", join_path(out, name)},
                         {"bytes", content.size()},
                         {"sha256", sha256(content)}});
      }
    }
    if (checksums) {
      create_directories(out);
      write_output(join_path(out, "SHA256SUMS"), sums);
    }
    if (json)
      print("{}\n", nlohmann::ordered_json{{"seed", options.seed}, {"files", files}}.dump());
    return 0;
  });
}
