// minillm-export: a checkpoint in other programs' formats.

#include <nlohmann/json.hpp>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/checkpoint/output_path.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/version.h"
#include "libminillm/interop/adapter_export.h"
#include "libminillm/interop/gguf_export.h"
#include "libminillm/interop/hf_export.h"
#include "libminillm/interop/llama2c.h"
#include "libminillm/nn/adapter_composition.h"
#include "tools/adapter_option.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/tool_main.h"

namespace minillm {
namespace {

struct ExportArguments {
  std::string checkpoint;
  AdapterOptions adapters;
  std::string gguf, llama2c, hf, merge, gguf_lora, mlx;  // one of them
  std::string llama2c_tokenizer;
  WeightEncoding type = WeightEncoding::kF32;
  WeightEncoding dtype = WeightEncoding::kF32;
  bool json = false;
};

// What was asked for: which path, which format, which encoding.
struct Target {
  const char* format;
  std::string path;
  WeightEncoding encoding;
};

Target target_of(const ExportArguments& arguments) {
  if (!arguments.gguf.empty()) return {"gguf", arguments.gguf, arguments.type};
  if (!arguments.hf.empty()) return {"hf", arguments.hf, arguments.dtype};
  if (!arguments.merge.empty()) return {"merged", arguments.merge, WeightEncoding::kF32};
  if (!arguments.gguf_lora.empty()) return {"gguf-lora", arguments.gguf_lora, WeightEncoding::kF32};
  if (!arguments.mlx.empty()) return {"mlx", arguments.mlx, WeightEncoding::kF32};
  return {"llama2c", arguments.llama2c, WeightEncoding::kF32};
}

ExportReport write_llama2c(const Checkpoint& checkpoint, const ExportArguments& arguments,
                           const ExportEvents& events) {
  const std::string subject = fmt::format("checkpoint '{}'", checkpoint.path());
  std::string tokenizer;  // made first: if the vocabulary does not fit, no model is written
  if (!arguments.llama2c_tokenizer.empty())
    tokenizer = llama2c_tokenizer(checkpoint.tokenizer(), subject);
  ExportReport report = export_llama2c(checkpoint, arguments.llama2c, events);
  if (!tokenizer.empty()) {
    write_output(arguments.llama2c_tokenizer, tokenizer);
    return report;
  }
  report.warnings.push_back(fmt::format(
      "{}: without --llama2c-tokenizer only the model is written, and run.c's own encoder "
      "must not be used with another tokenizer's file",
      subject));
  return report;
}

// A checkpoint of its own: the base with the adapters in its weights.
ExportReport write_merged(const Checkpoint& checkpoint, const std::string& path) {
  MINILLM_CHECK(checkpoint.base() != nullptr,
                "checkpoint '{}': there is nothing to merge: expected an adapter, or --adapter",
                checkpoint.path());
  const Model model = checkpoint.load_model();
  const Model whole = merged(model);
  std::optional<Tokenizer> tokenizer;
  if (checkpoint.has_tokenizer()) tokenizer = checkpoint.tokenizer();
  TrainerState state = checkpoint.state().value_or(TrainerState());
  LineageEntry entry;
  entry.stage = "merge";
  entry.library_version = kVersion;
  entry.parent = checkpoint.base()->weights_hash();
  entry.hashes["adapter"] = checkpoint.weights_hash();
  state.lineage.push_back(entry);
  write_checkpoint(path, {&whole, tokenizer ? &*tokenizer : nullptr, {}, state});
  ExportReport report;
  report.tensors = std::ssize(whole.tensors().tensors());
  report.bytes = whole.parameters().size_bytes();
  const MergeLoss loss = merge_loss(model, whole);
  if (loss.unmoved_in_bfloat16 * 100 > loss.numbers)
    report.warnings.push_back(fmt::format(
        "rounded to bf16, {} of {} numbers that have an update would be those of the base: keep "
        "the merged weights in f32 where that matters",
        loss.unmoved_in_bfloat16, loss.numbers));
  return report;
}

int export_checkpoint(const ExportArguments& arguments) {
  catch_stop_signals("\nstopping: no partial file will be left (once more to quit at once)\n");
  const Checkpoint checkpoint = open_checkpoint(arguments.checkpoint, arguments.adapters);
  const Target target = target_of(arguments);
  for (const std::string& path : {target.path, arguments.llama2c_tokenizer})
    if (!path.empty()) check_output_path(path, {arguments.checkpoint, checkpoint.path()});
  ExportReport report;
  {
    WorkBar bar;
    ExportEvents events;
    events.on_progress = [&](uint64_t written, uint64_t total) {
      if (stop_requested())
        throw Error("export: interrupted: nothing was written", ExitCode::kInterrupted);
      bar.draw("exporting", static_cast<double>(written), static_cast<double>(total));
    };
    if (!arguments.gguf.empty())
      report = export_gguf(checkpoint, target.path, target.encoding, events);
    else if (!arguments.hf.empty())
      report = export_hf(checkpoint, target.path, target.encoding, events);
    else if (!arguments.merge.empty())
      report = write_merged(checkpoint, target.path);
    else if (!arguments.gguf_lora.empty())
      report = export_gguf_adapter(checkpoint, target.path, events);
    else if (!arguments.mlx.empty())
      report = export_mlx_adapter(checkpoint, target.path);
    else
      report = write_llama2c(checkpoint, arguments, events);
  }
  for (const std::string& warning : report.warnings) spdlog::warn("warning: {}", warning);
  const char* type = weight_encoding_name(target.encoding);
  if (!arguments.json) {
    print("{}: {} tensors as {}, {} bytes\n", target.path, report.tensors, type, report.bytes);
    return 0;
  }
  nlohmann::ordered_json result = {{"checkpoint", checkpoint.path()},
                                   {"format", target.format},
                                   {"path", target.path},
                                   {"type", type},
                                   {"tensors", report.tensors},
                                   {"bytes", report.bytes},
                                   {"warnings", report.warnings}};
  if (!arguments.llama2c_tokenizer.empty()) result["tokenizer"] = arguments.llama2c_tokenizer;
  print("{}\n", result.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  return 0;
}

CLI::CheckedTransformer encodings(std::initializer_list<WeightEncoding> allowed) {
  std::map<std::string, WeightEncoding> names;
  for (const WeightEncoding encoding : allowed) names[weight_encoding_name(encoding)] = encoding;
  return CLI::CheckedTransformer(names);
}

}  // namespace
}  // namespace minillm

int main(int argc, char** argv) {
  using namespace minillm;
  CLI::App app("Writes a checkpoint in another program's format", "minillm-export");
  ExportArguments arguments;
  app.add_option("--checkpoint", arguments.checkpoint, "a checkpoint or a run directory")
      ->required();
  add_adapter_options(app, arguments.adapters);
  auto* formats = app.add_option_group("Format", "one of these");
  auto* gguf = formats->add_option(
      "--gguf", arguments.gguf,
      "FILE to write for llama.cpp and programs based on it, tokenizer included");
  auto* llama2c = formats->add_option("--llama2c", arguments.llama2c,
                                      "FILE to write for llama2.c's run (version 0, float)");
  auto* hf = formats->add_option(
      "--hf", arguments.hf,
      "DIRECTORY to write in Hugging Face's layout, without the training state");
  formats->add_option("--merge", arguments.merge,
                      "DIRECTORY to write as a checkpoint: the model with its adapters in its "
                      "weights, which cannot be taken out again");
  formats->add_option("--gguf-lora", arguments.gguf_lora,
                      "FILE to write for llama.cpp's --lora: the adapter alone");
  formats->add_option("--mlx", arguments.mlx, "DIRECTORY to write for mlx-lm: the adapter alone");
  formats->require_option(1);
  using enum WeightEncoding;
  app.add_option("--type", arguments.type, "with --gguf: type of the weights (default f32)")
      ->transform(encodings({kF32, kF16, kBf16, kQ8_0}))
      ->needs(gguf);
  app.add_option("--dtype", arguments.dtype, "with --hf: type of the weights (default f32)")
      ->transform(encodings({kF32, kBf16, kF16}))
      ->needs(hf);
  app.add_option("--llama2c-tokenizer", arguments.llama2c_tokenizer,
                 "with --llama2c: tokenizer.bin to write, for a vocabulary with Llama's ids")
      ->needs(llama2c);
  app.add_flag("--json", arguments.json, "print the outcome as one JSON object");
  return run_tool(app, argc, argv, [&] { return export_checkpoint(arguments); });
}
