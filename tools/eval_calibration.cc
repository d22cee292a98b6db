#include "tools/eval_calibration.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <vector>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/eval/calibration.h"
#include "libminillm/eval/rank_one.h"
#include "libminillm/eval/reliability_diagram.h"
#include "tools/eval_world.h"  // world_file
#include "tools/print.h"

namespace minillm {
namespace {

using Json = nlohmann::ordered_json;

struct GroupRow {
  OneWordGroup group;
  Calibration counts;
  int64_t asked() const { return counts.answers + counts.denied; }
};
struct Result {
  std::vector<GroupRow> groups;
  Calibration all;
  std::vector<RankOneChange> changes;  // empty: against nothing
};

Model language_model(const Checkpoint& checkpoint, const std::string& path) {
  Model model = checkpoint.load_model(Checkpoint::Use::kFrozen);
  MINILLM_CHECK(model.config().has_lm_head(),
                "checkpoint '{}': is a reward model, which answers nothing", path);
  return model;
}

Result evaluate(const CalibrationArguments& arguments, const world::WorldEvalSet& set,
                const Scoring& scoring) {
  const Checkpoint checkpoint = open_checkpoint(arguments.checkpoint, arguments.adapters);
  const Tokenizer tokenizer = checkpoint.tokenizer();
  const Model model = language_model(checkpoint, arguments.checkpoint);
  std::optional<Model> before;
  if (!arguments.against.empty()) {
    const Checkpoint other = open_checkpoint(arguments.against);
    MINILLM_CHECK(other.tokenizer().hash() == tokenizer.hash(),
                  "checkpoint '{}': it has another tokenizer than '{}'", arguments.against,
                  arguments.checkpoint);
    before = language_model(other, arguments.against);
  }
  const std::vector<OneWordAnswer> answers = one_word_answers(model, tokenizer, set.chat, scoring);
  Result result;
  for (const OneWordGroup group : kOneWordGroups)
    result.groups.push_back({group, calibrate(answers, group)});
  result.all = calibrate(answers);
  if (before)
    result.changes =
        rank_one_changes(set.cloze, rank_one_values(*before, tokenizer, set.cloze, scoring),
                         rank_one_values(model, tokenizer, set.cloze, scoring));
  return result;
}

Json or_null(std::optional<double> figure) { return figure ? Json(*figure) : Json(); }

std::optional<double> share(int64_t count, int64_t of) {
  if (of == 0) return std::nullopt;
  return static_cast<double>(count) / static_cast<double>(of);
}

Json counted(int64_t count, int64_t of) {
  return {{"value", or_null(share(count, of))}, {"count", count}, {"of", of}};
}

Json to_json(const GroupRow& row) {
  const auto [denied, answers, right] =
      std::tuple(row.counts.denied, row.counts.answers, row.counts.right);
  if (row.asked() == 0)
    return {{"asked", 0},
            {"denied", nullptr},
            {"right", nullptr},
            {"wrong", nullptr},
            {"confidence", nullptr}};
  return {{"asked", row.asked()},
          {"denied", denied},
          {"right", right},
          {"wrong", answers - right},
          {"confidence", or_null(row.counts.confidence)}};
}

Json to_json(const CalibrationBin& bin) {
  return {{"answers", bin.answers}, {"confidence", bin.confidence}, {"right", bin.right},
          {"rate", bin.rate()},     {"low", bin.interval().low},    {"high", bin.interval().high}};
}

Json to_json(const Calibration& all) {
  Json brier;
  if (all.brier)
    brier = {{"score", all.brier->score},
             {"reliability", all.brier->reliability},
             {"resolution", all.brier->resolution},
             {"uncertainty", all.brier->uncertainty},
             {"within_bins", all.brier->within_bins}};
  Json bins = Json::array();
  for (const CalibrationBin& bin : all.bins) bins.push_back(to_json(bin));
  return {{"answers", all.answers},
          {"right", counted(all.right, all.answers)},
          {"denied", counted(all.denied, all.answers + all.denied)},
          {"confidence", or_null(all.confidence)},
          {"ece", or_null(all.ece)},
          {"ece_if_calibrated", or_null(all.ece_if_calibrated)},
          {"brier", brier},
          {"auroc", or_null(all.auroc)},
          {"bins", bins}};
}

Json to_json(const CalibrationArguments& arguments, const Result& result) {
  Json json = {{"split", arguments.split}};
  for (const GroupRow& row : result.groups)
    json["groups"][one_word_group_name(row.group)] = to_json(row);
  json["calibration"] = to_json(result.all);
  json["rank_one"] = nullptr;
  for (const RankOneChange& change : result.changes)
    json["rank_one"][change.group] = {
        {"changed", counted(change.changed, change.asked)},
        {"lost", counted(change.lost, change.known)},
        {"gained", counted(change.gained, change.asked - change.known)}};
  return json;
}

const char* words_for(OneWordGroup group) {
  switch (group) {
    case OneWordGroup::kKnownPeople:
      return "known people";
    case OneWordGroup::kNewFamily:
      return "strangers, new family name";
    case OneWordGroup::kKnownFamily:
      return "strangers, known family name";
    case OneWordGroup::kUnknownAttributes:
      break;
  }
  return "unknown attributes";
}

void print_group(const char* name, const Calibration& counts) {
  const auto shown = [&, asked = counts.answers + counts.denied](int64_t count) {
    return asked == 0 ? std::string("-") : std::to_string(count);
  };
  print("{:<30} {:>7} {:>7} {:>7} {:>7} {:>11}\n", name, counts.answers + counts.denied,
        shown(counts.denied), shown(counts.right), shown(counts.answers - counts.right),
        calibration_text(counts.confidence));
}

void print_calibration(const Calibration& all) {
  print("\nof the {} answers that are no denials:\n", all.answers);
  const auto line = [](const char* name, std::optional<double> figure) {
    print("{:<30} {:>7}\n", name, calibration_text(figure));
  };
  line("rate right", share(all.right, all.answers));
  line("ECE", all.ece);
  line("ECE if it were calibrated", all.ece_if_calibrated);
  line("AUROC", all.auroc);
  const auto part = [&](double BrierScore::*figure) -> std::optional<double> {
    if (!all.brier) return std::nullopt;
    return (*all.brier).*figure;
  };
  line("Brier score", part(&BrierScore::score));
  line("= reliability", part(&BrierScore::reliability));
  line("- resolution", part(&BrierScore::resolution));
  line("+ uncertainty", part(&BrierScore::uncertainty));
  line("+ within bins", part(&BrierScore::within_bins));
  if (all.bins.empty()) return;
  print("\n{:>3} {:>8} {:>11} {:>7} {:>11}   95 % interval\n", "bin", "answers", "confidence",
        "right", "rate right");
  for (size_t i = 0; i < all.bins.size(); ++i) {
    const CalibrationBin& bin = all.bins[i];
    print("{:>3} {:>8} {:>11} {:>7} {:>11}   {} to {}\n", i + 1, bin.answers,
          calibration_text(bin.confidence), bin.right, calibration_text(bin.rate()),
          calibration_text(bin.interval().low), calibration_text(bin.interval().high));
  }
}

void print_changes(const std::vector<RankOneChange>& changes, const std::string& against) {
  if (changes.empty()) return;
  print("\nmost probable values of facts, against {}:\n", against);
  print("{:<14} {:>22} {:>22} {:>22}\n", "", "changed", "lost, of the known", "gained, of others");
  const auto cell = [](int64_t count, int64_t of) {
    return fmt::format("{}  {:>5} / {:>5}", calibration_text(share(count, of)), count, of);
  };
  for (const RankOneChange& change : changes)
    print("{:<14} {:>22} {:>22} {:>22}\n", change.group, cell(change.changed, change.asked),
          cell(change.lost, change.known), cell(change.gained, change.asked - change.known));
}

void print_table(const CalibrationArguments& arguments, const Result& result) {
  print("{:<30} {:>7} {:>7} {:>7} {:>7} {:>11}\n", "", "asked", "denied", "right", "wrong",
        "confidence");
  for (const GroupRow& row : result.groups) print_group(words_for(row.group), row.counts);
  print_group("all", result.all);
  print_calibration(result.all);
  print_changes(result.changes, arguments.against);
}

}  // namespace

void add_calibration_options(CLI::App& command, CalibrationArguments& arguments) {
  command.fallthrough();  // --threads is the tool's
  command.add_option("--checkpoint", arguments.checkpoint, "checkpoint or run directory")
      ->required();
  add_adapter_options(command, arguments.adapters);
  command.add_flag("--json", arguments.json, "print one JSON object on stdout");
  command.add_option("--data", arguments.directory, "directory with eval.jsonl")
      ->capture_default_str();
  command.add_option("--split", arguments.split, "which people to ask about")
      ->check(CLI::IsMember({"test", "validation"}))
      ->capture_default_str();
  command.add_option("--against", arguments.against,
                     "checkpoint before this one: also tell which facts have another most probable "
                     "value now");
  command.add_option("--svg", arguments.svg, "file for a reliability diagram");
}

void evaluate_calibration(const CalibrationArguments& arguments, Communicator* ranks) {
  const world::Split split =
      arguments.split == "test" ? world::Split::kTest : world::Split::kValidation;
  const world::WorldEvalSet set =
      world::load_world_eval(world_file(arguments.directory, "eval.jsonl"), split);
  const Result result = evaluate(arguments, set, {ProgressFunction(), ranks});
  if (!arguments.svg.empty() && number_of(ranks) == 0) {
    const std::string title = fmt::format("{}: {} people", arguments.checkpoint, arguments.split);
    write_file_atomic(arguments.svg, reliability_diagram(result.all, title));
    spdlog::info("wrote {}", arguments.svg);
  }
  if (arguments.json)
    print("{}\n", to_json(arguments, result).dump());
  else
    print_table(arguments, result);
}

}  // namespace minillm
