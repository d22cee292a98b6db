#include "tests/fuzz/targets.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <span>

#include "libminillm/checkpoint/hf_config.h"
#include "libminillm/checkpoint/manifest.h"
#include "libminillm/checkpoint/peft_files.h"
#include "libminillm/checkpoint/safetensors_header.h"
#include "libminillm/checkpoint/tensor_files.h"
#include "libminillm/core/config.h"
#include "libminillm/core/utf8.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/data/record_formats.h"
#include "libminillm/data/sentencepiece_check.h"
#include "libminillm/data/token_shard.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/dpo/dpo.h"
#include "libminillm/interop/llama2c_import.h"
#include "libminillm/pretrain/pretrain.h"
#include "libminillm/sft/sft.h"
#include "tests/data/control_pieces.h"
#include "tests/fuzz/constrain_targets.h"
#include "tests/fuzz/data_targets.h"
#include "tests/fuzz/helpers.h"
#include "tests/fuzz/interop_targets.h"
#include "tests/fuzz/run_targets.h"
#include "tests/fuzz/serve_targets.h"

namespace minillm_testing {
namespace {

using namespace minillm;

// Consumes parts of the input: for targets that take more than one thing.
class Parts {
 public:
  explicit Parts(std::string_view bytes) : rest_(bytes) {}
  uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  std::string text(size_t most) {
    const std::string part(rest_.substr(0, most));
    rest_.remove_prefix(part.size());
    return part;
  }
  bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

const Tokenizer& small_tokenizer() {
  static const Tokenizer tokenizer = [] {
    constexpr const char* kTexts[] = {
        "Mary lives in Ashford. She is a baker and likes plums.",
        "user: Where does Tom live? assistant: Tom lives in Weston, by the river.",
        "\xc3\xa9t\xc3\xa9 \xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x98\x80 0123456789"};
    size_t next = 0;
    const auto texts = [&](std::string& text) {
      if (next == std::size(kTexts)) return false;
      text = kTexts[next++];
      return true;
    };
    return Tokenizer::load(input_file(train_tokenizer(texts, {.vocab_size = 340})));
  }();
  return tokenizer;
}

// --- The targets -------------------------------------------------------------------------------

void safetensors(std::string_view bytes) {
  // An exact copy on the heap: a byte read beyond it is noticed.
  const std::vector<char> copy(bytes.begin(), bytes.end());
  accepted([&] {
    const SafetensorsHeader header = parse_safetensors_header(std::as_bytes(std::span(copy)), "f");
    for (const SafetensorsTensor& tensor : header.tensors)
      require(tensor.begin <= tensor.end && tensor.end <= copy.size());
  });
}

void safetensors_index(std::string_view bytes) {
  accepted([&] {
    fuzz_file("model.safetensors.index.json", bytes);
    for (const std::string& name : weight_file_names(fuzz_directory()))
      require(name.find('/') == std::string::npos && name != "..");
    TensorFiles::open_model(fuzz_directory());
  });
}

void config_json(std::string_view bytes) {
  accepted([&] {
    const HfConfig config = read_hf_config(input_file(bytes));
    config.model.validate();
  });
}

// adapter_config.json in the first line, adapter_model.safetensors after it. What is read is
// written and read again.
void adapter(std::string_view bytes) {
  ModelConfig model;
  model.vocab_size = 40;
  model.hidden_size = 8, model.intermediate_size = 12, model.num_hidden_layers = 2;
  model.num_attention_heads = 2, model.num_key_value_heads = 1, model.head_dim = 4;
  const size_t end = std::min(bytes.find('\n'), bytes.size());
  const auto read = [&] {
    const std::string config = fuzz_directory() + "/" + kPeftConfigName;
    return read_peft_adapter(fuzz_directory(), read_peft_config(config), model);
  };
  accepted([&] {
    fuzz_file(kPeftConfigName, bytes.substr(0, end));
    fuzz_file(kPeftWeightsName, bytes.substr(std::min(end + 1, bytes.size())));
    const Adapter first = read();
    fuzz_file(kPeftConfigName, peft_config_json(first, model));
    const PeftTensors tensors(first);
    const SafetensorsImage image(tensors.tensors, {{"format", "pt"}});
    std::string written;
    for (const std::string_view piece : image.pieces()) written += piece;
    fuzz_file(kPeftWeightsName, written);
    const Adapter again = read();
    require(std::ranges::equal(first.parameters(), again.parameters()));
    require(first.shape().tokens == again.shape().tokens);
    require(first.shape().updates.size() == again.shape().updates.size());
  });
}

void manifest(std::string_view bytes) {
  accepted([&] {
    fuzz_file("MANIFEST.json", bytes);
    verify_hashes(fuzz_directory(), read_manifest(fuzz_directory()));
  });
}

template <typename Config>
void read_config(const std::string& toml, const std::string& assignment) {
  Config config;
  ConfigFields fields;
  list_fields(fields, config);
  const bool good = accepted([&] { read_config_text(fields, toml, "config.toml"); });
  accepted([&] { set_config_value(fields, assignment); });
  if (!good) return;
  const std::string written = config_to_toml(fields);
  Config again;
  ConfigFields same;
  list_fields(same, again);
  require(accepted([&] { read_config_text(same, written, "again"); }));
  require(config_to_toml(same) == written);
}

void config_toml(std::string_view bytes) {
  Parts parts(bytes);
  const uint8_t kind = parts.byte();
  const std::string assignment = parts.text(parts.byte());
  const std::string toml = parts.text(bytes.size());
  if (kind % 3 == 0) return read_config<PretrainConfig>(toml, assignment);
  if (kind % 3 == 1) return read_config<SftConfig>(toml, assignment);
  read_config<DpoConfig>(toml, assignment);
}

void dataset_row(std::string_view bytes) {
  accepted([&] {
    const RowMapping mapping{{{"prompt", "q"}}, {{"u", "user"}}, bytes.size() % 2 == 1};
    RowReading reading{mapping};
    const Json value = with_known_names(parse_json_record(bytes), reading);
    const Row row(value, reading);
    row_kind(row);
    if (const ConversationFormat* format = find_conversation_format(row))
      accepted([&] {
        for (const Conversation& conversation : format->parse(row))
          accepted([&] { render_conversation(small_tokenizer(), conversation.messages); });
      });
    if (const PreferenceFormat* format = find_preference_format(row))
      accepted([&] {
        for (const PreferencePair& pair : format->parse(row))
          accepted([&] { render_pair(small_tokenizer(), pair); });
      });
    RowNotes notes;
    notes.add(reading);
    DatasetReport report;
    notes.report(report);
  });
}

void tokenizer_model(std::string_view bytes) {
  accepted([&] {
    check_sentencepiece_model(bytes, "tokenizer.model");
    const Tokenizer tokenizer = Tokenizer::load(input_file(bytes));
    for (const char* text :
         {"", " ", "hello world", "\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80", "\n\t"}) {
      const std::vector<Token> ids = tokenizer.encode(text);
      for (const Token id : ids) require(0 <= id && id < tokenizer.vocab_size());
      tokenizer.decode(ids);
    }
  });
}

void encode_decode(std::string_view bytes) {
  const Tokenizer& tokenizer = small_tokenizer();
  accepted([&] {
    const std::vector<Token> ids = tokenizer.encode(bytes);
    for (const Token id : ids)
      require(0 <= id && id < tokenizer.vocab_size() && !tokenizer.is_control(id));
    if (is_valid_utf8(bytes)) require(tokenizer.decode(ids) == bytes);
    StreamDecoder decoder(tokenizer);
    std::string streamed;
    for (const Token id : ids) streamed += decoder.push(id);
    streamed += decoder.finish();
    require(is_valid_utf8(streamed));
    if (is_valid_utf8(bytes)) require(streamed == bytes);
  });
  // Any ids at all.
  std::vector<Token> ids(bytes.size() / sizeof(Token));
  std::copy_n(bytes.data(), ids.size() * sizeof(Token), reinterpret_cast<char*>(ids.data()));
  for (Token& id : ids)
    if (id % 3 != 0) id = std::abs(id % 400);
  accepted([&] { tokenizer.decode(ids); });
}

// In any of the templates, with and without a dummy prefix.
void chat_template(std::string_view bytes) {
  static const Tokenizer kPlain = tokenizer_for_all_templates(small_tokenizer(), false);
  static const Tokenizer kPrefix = tokenizer_for_all_templates(small_tokenizer(), true);
  recognise_chat_template(bytes);
  Parts parts(bytes);
  const std::span<const ChatTemplate> templates = chat_templates();
  const uint8_t kind = parts.byte();
  const Tokenizer tokenizer = (kind / templates.size() % 2 == 0 ? kPlain : kPrefix)
                                  .with_chat_template(templates[kind % templates.size()]);
  std::vector<Message> messages;
  while (!parts.empty() && messages.size() < 20) {
    Message message;
    const uint8_t role = parts.byte();
    message.role = kRoles[role % kRoles.size()];
    message.content = parts.text(parts.byte());
    if (message.role == Role::kAssistant && role >= 128)  // what it says is an argument of a call
      message.calls = {{"f", nlohmann::json({{"a", std::exchange(message.content, "")}})
                                 .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)}};
    messages.push_back(std::move(message));
  }
  accepted([&] {
    const RenderedSequence sequence = render_conversation(tokenizer, messages);
    require(sequence.tokens.size() == sequence.supervised.size());
    require(sequence.tokens.empty() || sequence.supervised[0] == 0);
    // No content yields a control id: there are as many as without any. But smollm-3's system turn
    // has an end where its prompt says so.
    const auto controls = [&](const RenderedSequence& s) {
      return std::ranges::count_if(s.tokens, [&](Token id) { return tokenizer.is_control(id); });
    };
    std::vector<Message> silent = messages;
    const std::string alone = "/system_override";
    for (Message& message : silent)
      message.content = message.content.find(alone) == std::string::npos ? "" : alone;
    require(controls(sequence) == controls(render_conversation(tokenizer, silent)));
  });
  accepted([&] { render_prompt(tokenizer, messages); });
}

void token_shard(std::string_view bytes) {
  accepted([&] {
    const TokenShard shard = TokenShard::open(input_file(bytes), 340);
    std::vector<Token> ids;
    for (Index d = 0; d < std::min<Index>(shard.documents(), 100); ++d) {
      shard.document(d, ids);
      for (const Token id : ids) require(0 <= id && id < 340);
    }
    cut_windows(shard, 16);
  });
}

void llama2c_tokenizer(std::string_view bytes) {
  Parts parts(bytes);
  const Index vocab_size = 250 + parts.byte();
  const std::string file = parts.text(bytes.size());
  accepted([&] {
    const Tokenizer tokenizer =
        Tokenizer::from_bytes(import_llama2c_tokenizer(file, vocab_size, "tok.bin"), "tok.bin");
    require(tokenizer.vocab_size() == vocab_size);
    tokenizer.decode(tokenizer.encode("hello world"));
  });
}

}  // namespace

const FuzzTarget kFuzzTargets[] = {
    {"safetensors", safetensors},
    {"safetensors_index", safetensors_index},
    {"config_json", config_json},
    {"adapter", adapter},
    {"trainer_state", trainer_state},
    {"manifest", manifest},
    {"config_toml", config_toml},
    {"choice_items", choice_items},
    {"data_file", data_file},
    {"dataset_row", dataset_row},
    {"jinja", jinja},
    {"special_tokens", special_tokens},
    {"tool_calls", tool_calls},
    {"tokenizer_model", tokenizer_model},
    {"tokenizer_json", tokenizer_json},
    {"encode_decode", encode_decode},
    {"chat_template", chat_template},
    {"note_query", note_query},
    {"fact_check", fact_check},
    {"token_shard", token_shard},
    {"gguf", gguf},
    {"llama2c", llama2c},
    {"llama2c_tokenizer", llama2c_tokenizer},
    {"metrics", metrics},
    {"summary", summary},
    {"prompts", prompts},
    {"world_eval", world_eval},
    {"reference_cache", reference_cache},
    {"json_schema", json_schema},
    {"regex", regex},
    {"policy", policy},
#ifdef MINILLM_FUZZ_SERVER
    {"api_request", api_request},
    {"http_bytes", http_bytes},
#endif
};
const int kFuzzTargetCount = static_cast<int>(std::size(kFuzzTargets));

const FuzzTarget* find_fuzz_target(std::string_view name) {
  for (const FuzzTarget& target : kFuzzTargets)
    if (target.name == name) return &target;
  return nullptr;
}

}  // namespace minillm_testing
