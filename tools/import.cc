// minillm-import: another program's model becomes a checkpoint.

#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>
#include <optional>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/version.h"
#include "libminillm/interop/gguf_import.h"
#include "libminillm/interop/llama2c_import.h"
#include "libminillm/interop/mlx_adapter_import.h"
#include "tools/chat_template_option.h"
#include "tools/print.h"
#include "tools/tool_main.h"

namespace minillm {
namespace {

struct ImportArguments {
  std::string gguf, llama2c, llama2c_tokenizer, tokenizer, chat_template, mlx, base, out;
  bool json = false;
};

std::optional<Tokenizer> read_tokenizer(const ImportArguments& arguments, Index vocab_size) {
  if (!arguments.tokenizer.empty()) return Tokenizer::load(arguments.tokenizer);
  if (arguments.llama2c_tokenizer.empty()) return std::nullopt;
  const std::string& path = arguments.llama2c_tokenizer;
  return Tokenizer::from_bytes(
      import_llama2c_tokenizer(read_file(path, kMaxModelBytes), vocab_size, path), path);
}

TrainerState imported_from(const std::string& file) {
  TrainerState state;
  LineageEntry& entry = state.lineage.emplace_back();
  entry.stage = "import";
  entry.library_version = kVersion;
  entry.hashes["source"] = sha256_file(file);
  return state;
}

void import_adapter(const ImportArguments& arguments) {
  const Checkpoint base = Checkpoint::open(arguments.base);
  Model model = base.load_model();
  model.adapt(std::make_shared<Adapter>(import_mlx_adapter(arguments.mlx, base)));
  const TrainerState state = imported_from(join_path(arguments.mlx, "adapters.safetensors"));
  write_checkpoint(arguments.out,
                   {.model = &model, .tokenizer = nullptr, .optimizer = {}, .state = state});
  const Index parameters = model.adapter()->tensors().size();
  if (arguments.json)
    print("{}\n",
          nlohmann::ordered_json{{"checkpoint", arguments.out}, {"parameters", parameters}}.dump());
  else
    print("{}: {}, {} parameters, on {}\n", arguments.out, describe(model.adapter()->shape()),
          parameters, base.path());
}

GgufModel read_model(const ImportArguments& arguments) {
  if (!arguments.gguf.empty()) return import_gguf(arguments.gguf);
  Model model = import_llama2c(arguments.llama2c);
  std::optional<Tokenizer> tokenizer = read_tokenizer(arguments, model.config().vocab_size);
  return {std::move(model), std::move(tokenizer)};
}

void import_model(const ImportArguments& arguments) {
  auto [model, tokenizer] = read_model(arguments);
  const ModelConfig& config = model.config();
  if (!arguments.chat_template.empty()) {
    MINILLM_CHECK_USAGE(tokenizer, "--chat-template: expected a tokenizer with it");
    tokenizer = tokenizer->with_chat_template(chat_template_named(arguments.chat_template));
  }

  const TrainerState state =
      imported_from(arguments.gguf.empty() ? arguments.llama2c : arguments.gguf);
  write_checkpoint(arguments.out, {.model = &model,
                                   .tokenizer = tokenizer ? &*tokenizer : nullptr,
                                   .optimizer = {},
                                   .state = state});
  if (arguments.json) {
    const nlohmann::ordered_json result = {{"checkpoint", arguments.out},
                                           {"parameters", config.parameter_count()},
                                           {"tokenizer", tokenizer.has_value()}};
    print("{}\n", result.dump());
  } else {
    print("{}: {} parameters, {} blocks of width {}, {} tokens of context{}\n", arguments.out,
          config.parameter_count(), config.num_hidden_layers, config.hidden_size,
          config.max_position_embeddings,
          tokenizer ? "" : "; without a tokenizer, it can only be given token ids");
    if (tokenizer && tokenizer->chat_template() == nullptr && !tokenizer->jinja().empty())
      spdlog::warn("note: {}", tokenizer->chat_template_problem());
  }
}

}  // namespace
}  // namespace minillm

int main(int argc, char** argv) {
  using namespace minillm;
  CLI::App app(
      "Makes a checkpoint from a GGUF file, a llama2.c model, or an adapter of mlx-lm. (Hugging "
      "Face "
      "directories of the Llama family and PEFT's adapters need no import: every tool takes them)",
      "minillm-import");
  ImportArguments arguments;
  auto* formats = app.add_option_group("format")->require_option(1);
  formats->add_option("--gguf", arguments.gguf,
                      "model file (.gguf) of the Llama family, in F32, F16, BF16 or Q8_0, with its "
                      "tokenizer and chat template");
  auto* llama2c = formats->add_option("--llama2c", arguments.llama2c,
                                      "model file (.bin): legacy layout or version 1");
  auto* mlx = formats->add_option("--mlx", arguments.mlx, "directory of an adapter of mlx-lm");
  auto* base = app.add_option("--base", arguments.base, "with --mlx: the model that it belongs to")
                   ->needs(mlx);
  mlx->needs(base);
  auto* bin = app.add_option("--llama2c-tokenizer", arguments.llama2c_tokenizer,
                             "its tokenizer.bin, turned into a sentencepiece model")
                  ->needs(llama2c);
  app.add_option("--tokenizer", arguments.tokenizer,
                 "or instead: the sentencepiece model (.model) it was made from")
      ->needs(llama2c)
      ->excludes(bin);
  add_chat_template_option(app, arguments.chat_template);
  app.add_option("--out", arguments.out, "checkpoint directory to write")->required();
  app.add_flag("--json", arguments.json, "print one JSON object on stdout");
  return run_tool(app, argc, argv, [&] {
    arguments.mlx.empty() ? import_model(arguments) : import_adapter(arguments);
    return 0;
  });
}
