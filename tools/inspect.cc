// minillm-inspect: what is in a checkpoint, how two checkpoints differ, or what is in a data set.

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/checkpoint/peft_files.h"
#include "libminillm/checkpoint/tensor_files.h"
#include "libminillm/checkpoint/tensor_stats.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "tools/chat_template_option.h"
#include "tools/inspect_dataset.h"
#include "tools/print.h"
#include "tools/stage_tool.h"
#include "tools/tool_main.h"

namespace minillm {
namespace {

using nlohmann::ordered_json;

// A checkpoint to look at, even one whose weights are not finite.
struct Inspected {
  Checkpoint checkpoint;
  TensorFiles files;
};

Inspected open_to_inspect(const std::string& path) {
  Checkpoint checkpoint = Checkpoint::open(path);
  for (const std::string& warning : checkpoint.warnings()) spdlog::warn("warning: {}", warning);
  TensorFiles files = checkpoint.base() == nullptr
                          ? TensorFiles::open_model(checkpoint.path())
                          : TensorFiles::open_file(join_path(checkpoint.path(), kPeftWeightsName));
  return {std::move(checkpoint), std::move(files)};
}

std::vector<Real> values_of(const TensorFiles::Entry& entry) {
  std::vector<Real> values(static_cast<size_t>(entry.tensor->size));
  entry.file->read(*entry.tensor, values);
  return values;
}

// Tensors in the order of their files, as the model lists them.
std::vector<TensorFiles::Entry> in_file_order(const TensorFiles& files) {
  std::vector<TensorFiles::Entry> entries;
  for (const auto& [name, entry] : files.tensors()) entries.push_back(entry);
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return std::pair(a.file->path(), a.tensor->begin) < std::pair(b.file->path(), b.tensor->begin);
  });
  return entries;
}

// The config's fields by their TOML keys.
ordered_json config_json(ModelConfig config) {
  ConfigFields fields;
  list_fields(fields, config);
  ordered_json j;
  for (const ConfigField& field : fields.all()) {
    std::visit([&](const auto* value) { j[field.key] = *value; }, field.value);
  }
  return j;
}

ordered_json checkpoint_json(const Inspected& inspected) {
  const Checkpoint& checkpoint = inspected.checkpoint;
  ordered_json j;
  j["path"] = checkpoint.path();
  j["weights_hash"] = checkpoint.weights_hash();
  j["config"] = config_json(checkpoint.model_config());
  j["parameters"] = checkpoint.model_config().parameter_count();
  j["base"] = nullptr;
  if (checkpoint.base() != nullptr)
    j["base"] = {{"path", checkpoint.base()->path()},
                 {"weights_hash", checkpoint.base()->weights_hash()}};
  j["tokenizer_hash"] = nullptr;
  if (checkpoint.has_tokenizer()) j["tokenizer_hash"] = checkpoint.tokenizer().hash();
  j["has_optimizer_state"] = checkpoint.has_moments();
  j["trainer_state"] = nullptr;
  if (checkpoint.state()) {
    j["trainer_state"] =
        ordered_json::parse(trainer_state_to_json(*checkpoint.state())).at("minillm");
  }
  j["tensors"] = ordered_json::array();
  for (const TensorFiles::Entry& entry : in_file_order(inspected.files)) {
    const TensorStats stats = tensor_stats(values_of(entry));
    j["tensors"].push_back({{"name", entry.tensor->name},
                            {"dtype", entry.tensor->dtype},
                            {"shape", entry.tensor->shape},
                            {"norm", stats.norm},
                            {"min", stats.min},
                            {"max", stats.max},
                            {"non_finite", stats.non_finite}});
  }
  return j;
}

void print_lineage(const ordered_json& lineage) {
  print("\nlineage, oldest first\n");
  for (const ordered_json& entry : lineage) {
    const auto text = [&](const char* key) { return entry.at(key).get<std::string>(); };
    print("  {}: {} steps, {} tokens, seed {}, libminillm {}\n", text("stage"),
          entry.at("steps").dump(), entry.at("tokens").dump(), entry.at("seed").dump(),
          text("library_version"));
    if (!text("parent").empty()) print("    from weights {}\n", text("parent"));
    for (const auto& [name, hash] : entry.at("hashes").items()) {
      print("    {} {}\n", name, hash.get<std::string>());
    }
  }
}

void print_checkpoint(const ordered_json& j) {
  print("{}\n", j.at("path").get<std::string>());
  print("  weights {}\n", j.at("weights_hash").get<std::string>());
  print("  {} parameters, {} tokenizer, {} optimizer state\n", j.at("parameters").get<Index>(),
        j.at("tokenizer_hash").is_null() ? "no" : "with",
        j.at("has_optimizer_state") ? "with" : "no");
  if (const ordered_json& base = j.at("base"); !base.is_null())
    print("  an adapter on {}\n  base weights {}\n", base.at("path").get<std::string>(),
          base.at("weights_hash").get<std::string>());
  print("\nconfig\n");
  for (const auto& [key, value] : j.at("config").items()) print("  {} = {}\n", key, value.dump());

  print("\n{:<52} {:>5} {:>14} {:>11} {:>11} {:>11}\n", "tensor", "dtype", "shape", "norm", "min",
        "max");
  for (const ordered_json& t : j.at("tensors")) {
    const Index bad = t.at("non_finite");
    print("{:<52} {:>5} {:>14} {:>11.5g} {:>11.5g} {:>11.5g}{}\n", t.at("name").get<std::string>(),
          t.at("dtype").get<std::string>(),
          fmt::format("{}", t.at("shape").get<std::vector<Index>>()), t.at("norm").get<double>(),
          t.at("min").get<double>(), t.at("max").get<double>(),
          bad == 0 ? "" : fmt::format("  {} NOT FINITE", bad));
  }
  const ordered_json& state = j.at("trainer_state");
  if (state.is_null()) return;
  print("\ntrainer state\n");
  for (const auto& [key, value] : state.items()) {
    if (key != "lineage") print("  {} = {}\n", key, value.dump());
  }
  print_lineage(state.at("lineage"));
}

// Every tensor of either checkpoint; "difference" is null if they cannot be compared.
ordered_json difference_json(const Inspected& a, const Inspected& b) {
  ordered_json j;
  j["a"] = a.checkpoint.path();
  j["b"] = b.checkpoint.path();
  j["tensors"] = ordered_json::array();
  for (const TensorFiles::Entry& entry : in_file_order(a.files)) {
    ordered_json row = {{"name", entry.tensor->name}, {"a", entry.tensor->shape}, {"b", nullptr}};
    row["difference"] = nullptr;
    const auto other = b.files.tensors().find(entry.tensor->name);
    if (other != b.files.tensors().end()) row["b"] = other->second.tensor->shape;
    if (row["a"] == row["b"]) {
      const TensorDifference d = tensor_difference(values_of(entry), values_of(other->second));
      row["difference"] = {{"norm", d.norm}, {"relative", d.relative}, {"max", d.max}};
    }
    j["tensors"].push_back(row);
  }
  for (const TensorFiles::Entry& entry : in_file_order(b.files)) {
    if (a.files.tensors().contains(entry.tensor->name)) continue;
    j["tensors"].push_back({{"name", entry.tensor->name},
                            {"a", nullptr},
                            {"b", entry.tensor->shape},
                            {"difference", nullptr}});
  }
  return j;
}

void print_difference(const ordered_json& j) {
  print("a = {}\nb = {}\n\n", j.at("a").get<std::string>(), j.at("b").get<std::string>());
  print("{:<52} {:>12} {:>12} {:>12}\n", "tensor", "|b-a|", "|b-a|/|a|", "largest");
  for (const ordered_json& row : j.at("tensors")) {
    print("{:<52} ", row.at("name").get<std::string>());
    const ordered_json& d = row.at("difference");
    if (d.is_null()) {
      print("shape {} in a, {} in b\n", row.at("a").dump(), row.at("b").dump());
    } else {
      const auto number = [&](const char* key) { return d.at(key).get<double>(); };
      print("{:>12.5g} {:>12.5g} {:>12.5g}\n", number("norm"), number("relative"), number("max"));
    }
  }
}

int inspect_checkpoints(const std::vector<std::string>& paths, bool json) {
  const Inspected first = open_to_inspect(paths[0]);
  const ordered_json j = paths.size() == 2 ? difference_json(first, open_to_inspect(paths[1]))
                                           : checkpoint_json(first);
  if (json) {
    print("{}\n", j.dump());
  } else {
    paths.size() == 2 ? print_difference(j) : print_checkpoint(j);
  }
  return 0;
}

// What of a stage's config says how a data set is read.
struct InspectConfig {
  DataConfig data;
  std::string document_split = "blank_line";
};
void list_fields(ConfigFields& fields, InspectConfig& config) {
  list_fields(fields, config.data);
  fields.add("data.document_split", config.document_split,
             "what ends a document in a .txt file: \"blank_line\", \"line\" or \"file\"");
}

// `tokenizer`: a checkpoint, with its chat template and context, or a file.
InspectOptions inspect_options(const std::string& tokenizer, const std::string& chat_template,
                               const InspectConfig& config) {
  MINILLM_CHECK_USAGE(chat_template.empty() || !tokenizer.empty(),
                      "--chat-template: expected --tokenizer with it");
  InspectOptions options;
  options.mapping = row_mapping(config.data);
  options.split = parse_document_split(config.document_split);
  if (tokenizer.empty()) return options;
  if (is_directory(resolve_checkpoint(tokenizer))) {
    const Checkpoint checkpoint = Checkpoint::open(tokenizer);
    options.tokenizer = tokenizer_with(checkpoint, chat_template);
    options.max_positions = checkpoint.model_config().max_position_embeddings;
    return options;
  }
  options.tokenizer = Tokenizer::load(tokenizer);
  if (!chat_template.empty())
    options.tokenizer = options.tokenizer->with_chat_template(chat_template_named(chat_template));
  return options;
}

}  // namespace
}  // namespace minillm

int main(int argc, char** argv) {
  using namespace minillm;
  CLI::App app("Shows what is in a checkpoint or a data set, or how two checkpoints differ",
               "minillm-inspect");
  std::vector<std::string> paths;
  std::string tokenizer, chat_template;
  InspectConfig config;
  ConfigFields fields;
  list_fields(fields, config);
  std::vector<std::string> assignments;
  bool json = false;
  app.add_option("path", paths, "a checkpoint, a run directory, a data set, or two checkpoints")
      ->required()
      ->expected(1, 2);
  app.add_option("--tokenizer", tokenizer,
                 "checkpoint, tokenizer.model or tokenizer.json: shows a data set's tokens and "
                 "loss mask, and with a "
                 "checkpoint which rows are too long for it");
  add_chat_template_option(app, chat_template);
  app.add_option("--set", assignments,
                 "set one config key, as for training: --set key=value (repeat)")
      ->take_all()
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  add_config_help(app, fields);
  app.add_flag("--json", json, "print one JSON object");
  return run_tool(app, argc, argv, [&] {
    if (is_directory(resolve_checkpoint(paths[0])) || paths.size() == 2)
      return inspect_checkpoints(paths, json);
    for (const std::string& assignment : assignments) set_config_value(fields, assignment);
    return inspect_dataset(paths[0], inspect_options(tokenizer, chat_template, config), json);
  });
}
