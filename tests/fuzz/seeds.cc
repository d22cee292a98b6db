#include "tests/fuzz/seeds.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/checkpoint/hf_config.h"
#include "libminillm/checkpoint/safetensors.h"
#include "libminillm/checkpoint/safetensors_header.h"
#include "libminillm/checkpoint/trainer_state.h"
#include "libminillm/core/config.h"
#include "libminillm/core/file.h"
#include "libminillm/data/token_shard.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/dpo/dpo.h"
#include "libminillm/interop/gguf_export.h"
#include "libminillm/nn/model.h"
#include "libminillm/pretrain/pretrain.h"
#include "libminillm/sft/sft.h"
#include "tests/data/small_tokenizer_json.h"
#include "tests/fuzz/constrain_targets.h"
#include "tests/fuzz/data_targets.h"
#include "tests/fuzz/run_targets.h"
#include "tests/fuzz/serve_targets.h"
#include "tests/interop/gguf_bytes.h"
#include "tests/testing/temp_dir.h"

namespace minillm_testing {
namespace {

using namespace minillm;
namespace fs = std::filesystem;

constexpr const char* kText = "Mary lives in Ashford. She likes plums.\n\nTom is a baker, 42.\n";

std::string tokenizer_bytes() {
  bool done = false;
  const auto texts = [&](std::string& text) {
    if (done) return false;
    text = kText;
    return done = true;
  };
  return train_tokenizer(texts, {.vocab_size = 320, .character_coverage = 1.0});
}

ModelConfig small_model() {
  ModelConfig config;
  config.vocab_size = 320;
  config.hidden_size = 8;
  config.intermediate_size = 16;
  config.num_hidden_layers = 1;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = 4;
  return config;
}

std::string safetensors_file() {
  std::vector<SafetensorsTensor> tensors(2);
  tensors[0].name = "a", tensors[0].dtype = "F32", tensors[0].shape = {2, 3};
  tensors[1].name = "model.norm.weight", tensors[1].dtype = "F32", tensors[1].shape = {4};
  return make_safetensors_header(tensors, {{"format", "pt"}}) + std::string(40, '\1');
}

template <typename Config>
std::string toml_of() {
  Config config;
  ConfigFields fields;
  list_fields(fields, config);
  return config_to_toml(fields);
}

// A target that takes an assignment first: its length, then itself.
std::string config_seed(char kind, const std::string& assignment, const std::string& toml) {
  return std::string(1, kind) + static_cast<char>(assignment.size()) + assignment + toml;
}

std::string state_json() {
  TrainerState state;
  state.step = 120;
  state.tokens = 4711;
  state.best_eval_loss = 1.25;
  state.best_step = 100;
  LineageEntry entry;
  entry.stage = "pretrain";
  entry.config = toml_of<PretrainConfig>();
  entry.hashes = {{"train", std::string(64, 'a')}};
  state.lineage = {entry};
  return trainer_state_to_json(state);
}

std::string shard_bytes(const std::string& tokenizer_model) {
  const TempDir directory;
  const Tokenizer tokenizer = Tokenizer::load(directory.write("tokenizer.model", tokenizer_model));
  const std::string text = directory.write("text.txt", kText), out = directory.file("tokens");
  write_token_shard(out, {text}, DocumentSplit::kBlankLine, BadRecordPolicy::kError, tokenizer);
  return read_file(out);
}

std::string little_endian(std::initializer_list<uint32_t> numbers) {
  std::string bytes;
  for (const uint32_t number : numbers)
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(number >> shift);
  return bytes;
}

// llama2.c's two layouts of a model of width 4: 1 block, 2 heads, 1 key-value head, 5 tokens.
std::vector<std::string> llama2c_models() {
  const std::string header = little_endian({4, 6, 1, 2, 1, 5, 3});
  std::string version_1 = little_endian({0x616b3432, 1}) + header + '\1';
  version_1.resize(256, '\0');
  return {header + std::string(4 * 158, '\0'), version_1 + std::string(4 * 152, '\0')};
}

// tokenizer.bin with one piece of its own, after the byte that the target takes its size from.
std::string llama2c_vocabulary() {
  std::string bytes(1, static_cast<char>(260 - 250));
  bytes += little_endian({7});
  const auto add = [&](const std::string& text) {
    bytes += little_endian({0, static_cast<uint32_t>(text.size())}) + text;
  };
  for (const char* text : {"<unk>", "\n<s>\n", "\n</s>\n"}) add(text);
  for (int byte = 0; byte < 256; ++byte) add(fmt::format("<0x{:02X}>", byte));
  add(" a");
  return bytes;
}

// Put together by hand, and exports of ours with their tokenizers.
std::vector<std::string> gguf_files(const std::string& tokenizer_model) {
  std::vector<std::string> files = {sample_gguf().bytes(), tiny_gguf_model().bytes()};
  for (const std::string& bytes : {tokenizer_model, small_tokenizer_json().dump()}) {
    const TempDir dir;
    Model model(small_model());
    model.initialize(1);
    const Tokenizer tokenizer = Tokenizer::from_bytes(bytes, "seed");
    write_checkpoint(dir.file("c"), {&model, &tokenizer, {}, {}});
    export_gguf(Checkpoint::open(dir.file("c")), dir.file("f"), WeightEncoding::kBf16);
    files.push_back(read_file(dir.file("f")));
  }
  return files;
}

constexpr const char* kRows[] = {
    R"({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "weight": 1}]})",
    R"([{"role": "user", "content": [{"type": "text", "text": "q"}]}, {"role": "assistant", "content": "a"}])",
    R"({"instruction": "i", "input": "n", "output": "o", "system": "s", "history": [["q", "a"]]})",
    R"({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]})",
    R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"a": 1.0}}}]}, {"role": "tool", "tool_call_id": "c", "content": "r"}, {"role": "assistant", "content": "a"}], "tools": [{"name": "f"}]})",
    R"({"conversations": [{"from": "system", "value": "s. <tools>[{'name': 'f'}]</tools> t"}, {"from": "human", "value": "q"}, {"from": "gpt", "value": "a<tool_call>{'arguments': {'a': 1.0, 'b': 'it's', 'c': None}, 'name': 'f'}</tool_call><tool_call>{\"name\": \"f\"}</tool_call>"}, {"from": "tool", "value": "<tool_response>r</tool_response><tool_response>s</tool_response>"}, {"from": "gpt", "value": "a"}]})",
    R"({"query": "q", "answers": "[{\"name\": \"f\", \"arguments\": {\"a\": 1.0}}]", "tools": "[{\"name\": \"f\", \"parameters\": {\"a\": {\"type\": \"List[List[int]], optional\", \"default\": 1.0}}}]"})",
    R"({"system": "SYSTEM: With the following functions -\n{\"name\": \"f\"}\n{\"name\": \"g\"}", "chat": "USER: q\n\nASSISTANT: <functioncall> {\"name\": \"f\", \"arguments\": '{\"a\": \"it's\"}'} <|endoftext|>\nFUNCTION RESPONSE: r\nASSISTANT: a"})",
    R"({"conversation": [{"human": "q", "assistant": "a"}]})",
    R"({"prompt": "p", "completion": "c"})",
    R"({"prompt": [{"role": "user", "content": "p"}], "completion": [{"role": "assistant", "content": "c"}]})",
    R"({"question": "q", "answer": "a"})",
    R"({"instruction": "i", "instances": [{"input": "n", "output": "o"}]})",
    R"({"prompt": "p", "chosen": "c", "rejected": "r"})",
    R"({"chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}]})",
    R"({"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: b"})",
    R"({"instruction": "i", "input": "", "chosen": "c", "rejected": "r"})",
    R"({"conversations": [{"from": "human", "value": "q"}], "chosen": {"from": "gpt", "value": "c"}, "rejected": {"from": "gpt", "value": "r"}})",
    R"({"input": {"messages": [{"role": "user", "content": "q"}]}, "preferred_output": [{"role": "assistant", "content": "c"}], "non_preferred_output": [{"role": "assistant", "content": "r"}]})",
    R"({"question": "q", "response_j": "c", "response_k": "r"})",
    R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "c"}], "rejected_response": "r"})",
    R"({"data": ["q", "a", "r", "b"], "system_prompt": "s", "id": 1})",
    R"({"question": "q", "context": ["c", "d"], "answers": ["a", "b"], "weight": 1})",
    R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "train": false, "thinking": "t"}], "loss_mask": [0, 1]})",
    R"({"prompt": {"text": "q", "role": "prompter", "replies": [{"text": "a", "role": "assistant", "rank": 0, "replies": []}, {"text": "b", "role": "assistant", "rank": 1}]}})",
    R"({"prompt": "q", "responses": ["a", "b"], "scores": [1, 2]})",
    R"({"prompt": "q", "completions": [{"text": "a", "rank": 1}, {"text": "b", "rank": 2}]})",
    R"({"history": "q", "human_ref_A": "a", "human_ref_B": "b", "labels": 1})",
    R"({"prompt": "q", "chosen": "a", "rejected": ["b", "c"], "score_chosen": 1, "score_rejected": 2})",
    R"({"prompt": "q", "completion": "a", "label": true})",
    R"({"text": "t"})",
    R"({"text": "\ud83d\ude00 \u00e9 <|im_start|>", "n": [1, -2.5e3, true, null]})"};

// Files in `folder` and below, of at most `most` bytes.
void add_files(std::vector<std::string>& seeds, const fs::path& folder, uintmax_t most,
               const std::string& extension = "") {
  if (!fs::is_directory(folder)) return;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && entry.file_size() <= most &&
        (extension.empty() || entry.path().extension() == extension))
      seeds.push_back(read_file(entry.path().string()));
}

void add_lines(std::vector<std::string>& seeds, const fs::path& folder, size_t most_lines) {
  if (!fs::is_directory(folder)) return;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::string line;
    for (size_t i = 0; i < most_lines && std::getline(file, line); ++i)
      if (line.size() < 4096) seeds.push_back(line);
  }
}

// As the target's model has them: PEFT's own spelling, and what a reader may meet besides.
std::vector<std::string> adapter_seeds() {
  const auto tensors = [](const std::vector<std::pair<std::string, std::vector<Index>>>& list) {
    std::vector<std::vector<Real>> values;
    std::vector<NamedTensor> named;
    values.reserve(list.size());
    for (const auto& [name, shape] : list) {
      values.emplace_back(static_cast<size_t>(shape[0] * shape[1]), Real{0.5});
      const bool bare = name == kPromptName;
      named.push_back({bare ? name : "base_model.model." + name, shape, values.back()});
    }
    const SafetensorsImage image(named, {{"format", "pt"}});
    std::string bytes;
    for (const std::string_view piece : image.pieces()) bytes += piece;
    return bytes;
  };
  const std::string q = "model.layers.0.self_attn.q_proj.lora_",
                    down = "model.layers.1.mlp.down_proj.lora_";
  return {
      R"({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"], "task_type": "CAUSAL_LM"})"
      "\n" +
          tensors({{q + "A.weight", {2, 8}}, {q + "B.weight", {8, 2}}}),
      R"({"peft_type": "LORA", "r": 1, "use_rslora": true, "rank_pattern": {"layers.1.mlp.down_proj": 3}, "alpha_pattern": {"q_proj": 5}, "target_modules": null, "trainable_token_indices": [3, 39], "modules_to_save": ["score"]})"
      "\n" +
          tensors({{q + "A.weight", {1, 8}},
                   {q + "B.weight", {8, 1}},
                   {down + "A.weight", {3, 12}},
                   {down + "B.weight", {8, 3}},
                   {"model.embed_tokens.token_adapter.trainable_tokens_delta", {2, 8}},
                   {"score.weight", {1, 8}}}),
      R"({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 3, "token_dim": 8, "prompt_tuning_init": "TEXT"})"
      "\n" +
          tensors({{kPromptName, {3, 8}}}),
      R"({"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 2, "token_dim": 4, "num_layers": 2, "num_attention_heads": 1, "prefix_projection": false, "task_type": "SEQ_CLS"})"
      "\n" +
          tensors({{kPromptName, {2, 16}}}),
      R"({"peft_type": "PARALLEL_ADAPTER", "width": 2, "scale": 1.5, "target_modules": ["mlp"]})"
      "\n" +
          tensors({{"model.layers.0.mlp.adapter_down.weight", {2, 8}},
                   {"model.layers.0.mlp.adapter_up.weight", {8, 2}}})};
}

}  // namespace

std::map<std::string, std::vector<std::string>> make_seeds(const std::string& public_data) {
  const std::string tokenizer = tokenizer_bytes();
  std::map<std::string, std::vector<std::string>> seeds;
  seeds["safetensors"] = {safetensors_file()};
  seeds["safetensors_index"] = {
      R"({"metadata": {"total_size": 8}, "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}})"};
  seeds["config_json"] = {
      hf_config_json(small_model(), nullptr),
      R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 64, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}, "eos_token_id": [1, 2], "sliding_window": null, "hidden_act": "silu"})"};
  seeds["adapter"] = adapter_seeds();
  seeds["trainer_state"] = {state_json()};
  seeds["manifest"] = {
      R"({"format_version": 1, "files": {"MANIFEST.json": {"bytes": 1, "sha256": ")" +
      std::string(64, '0') + R"("}}})"};
  seeds["config_toml"] = {
      config_seed(0, "train.steps=3", toml_of<PretrainConfig>()),
      config_seed(1, "train.learning_rate=1e-3", toml_of<SftConfig>()),
      config_seed(2, "dpo.beta=0.1", toml_of<DpoConfig>()),
      config_seed(0, "data.sample_prompts=[\"a\", 'b']", "[train]\nsteps = 0x10 # comment\n")};
  seeds["choice_items"] = choice_items_seeds();
  seeds["data_file"] = data_file_seeds();
  seeds["jinja"] = jinja_seeds();
  seeds["json_schema"] = json_schema_seeds();
  seeds["regex"] = regex_seeds();
  seeds["policy"] = policy_seeds();
#ifdef MINILLM_FUZZ_SERVER
  seeds["api_request"] = api_request_seeds();
  seeds["http_bytes"] = http_bytes_seeds();
#endif
  seeds["tool_calls"] = tool_calls_seeds();
  seeds["special_tokens"] = special_tokens_seeds();
  seeds["tokenizer_json"] = tokenizer_json_seeds();
  seeds["note_query"] = note_query_seeds();
  seeds["fact_check"] = fact_check_seeds();
  seeds["dataset_row"].assign(std::begin(kRows), std::end(kRows));
  seeds["tokenizer_model"] = {tokenizer};
  seeds["encode_decode"] = {kText, " \xe2\x96\x81 <|im_start|> </s> \xf0\x9f\x98\x80",
                            std::string("\xff\xc3\x28\0\x01\x02", 6)};
  for (char kind = 0; kind < 34; ++kind)  // the template, and whether there is a dummy prefix
    for (const std::string& messages :
         {std::string("\1\5hello\2\3yes\1\14<|im_start|>\2\1b"),
          std::string("\1\5hello\x82\3yes\3\1r\2\1b"), std::string("\0\4role\1\0\2\2ok", 12)})
      seeds["chat_template"].push_back(kind + messages);
  seeds["token_shard"] = {shard_bytes(tokenizer)};
  seeds["gguf"] = gguf_files(tokenizer);
  seeds["llama2c"] = llama2c_models();
  seeds["llama2c_tokenizer"] = {llama2c_vocabulary()};
  seeds.merge(run_seeds());
  if (public_data.empty()) return seeds;

  const fs::path data = public_data;
  add_files(seeds["safetensors"], data / "hostile/safetensors", 4096, ".safetensors");
  add_files(seeds["config_json"], data / "weights", 8192, ".json");
  add_files(seeds["config_json"], data / "hostile/JSONTestSuite", 2048);
  add_files(seeds["safetensors_index"], data / "hostile/JSONTestSuite/test_transform", 2048);
  add_files(seeds["json_schema"], data / "hostile/JSONTestSuite/test_transform", 2048);
  for (const char* target : {"metrics", "summary", "reference_cache"})
    add_files(seeds[target], data / "hostile/JSONTestSuite/test_transform", 2048);
  add_files(seeds["trainer_state"], data / "hostile/JSONTestSuite/test_transform", 2048);
  add_files(seeds["dataset_row"], data / "hostile/JSONTestSuite", 2048);
  add_lines(seeds["dataset_row"], data / "hostile/datasets", 5);
  add_lines(seeds["dataset_row"], data / "sft", 3);
  add_lines(seeds["dataset_row"], data / "pref", 3);
  add_files(seeds["tokenizer_model"], data / "hostile/spm", 65536);
  add_files(seeds["tokenizer_model"], data / "weights", 65536, ".model");
  add_lines(seeds["encode_decode"], data / "hostile", 40);
  return seeds;
}

}  // namespace minillm_testing
