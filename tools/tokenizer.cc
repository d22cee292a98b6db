// minillm-tokenizer: trains a tokenizer on text, and encodes and decodes with one.

#include <algorithm>
#include <charconv>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "libminillm/checkpoint/hf_tokenizer_files.h"
#include "libminillm/checkpoint/output_path.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/data/byte_bpe_training.h"
#include "libminillm/data/document_reader.h"
#include "libminillm/data/tokenizer.h"
#include "tools/print.h"
#include "tools/tool_main.h"

namespace minillm {
namespace {

constexpr size_t kSampleBytes = size_t{1} << 20;  // of the text, to report bytes per token

struct TrainArguments {
  std::vector<std::string> inputs;
  std::string out;
  std::string split = "blank_line";
  std::string on_bad_record = "error";
  std::string type = "sentencepiece";
  TokenizerTrainingOptions options;
};

struct CodeArguments {
  std::string tokenizer;
  std::optional<std::string> text;  // from the command line; else standard input
  bool lines = false;               // a JSON value a line
};

double bytes_per_token(const Tokenizer& tokenizer, const std::vector<std::string>& documents) {
  size_t bytes = 0, tokens = 0;
  for (const std::string& document : documents) {
    bytes += document.size();
    tokens += tokenizer.encode(document).size();
    if (bytes > kSampleBytes) break;
  }
  return static_cast<double>(bytes) / static_cast<double>(std::max<size_t>(tokens, 1));
}

int train(const TrainArguments& arguments, bool json) {
  MINILLM_CHECK_USAGE(arguments.type == "sentencepiece" || arguments.type == "byte-bpe",
                      "--type: expected sentencepiece or byte-bpe, got '{}'", arguments.type);
  check_output_path(arguments.out, arguments.inputs);
  std::vector<std::string> documents;
  const auto reports =
      for_each_document(arguments.inputs, parse_document_split(arguments.split),
                        parse_bad_record_policy(arguments.on_bad_record),
                        [&](std::string_view document) { documents.emplace_back(document); });
  for (const DatasetReport& report : reports) {
    spdlog::info("{}: {} documents", report.path, report.used);
    for (const auto& [reason, count] : report.dropped)
      spdlog::warn("{}: {} dropped: {}", report.path, count, reason);
  }
  size_t next = 0;
  const TextSource source = [&](std::string& text) {
    if (next == documents.size()) return false;
    text = documents[next++];
    return true;
  };
  const auto train = arguments.type == "byte-bpe" ? train_byte_bpe : train_tokenizer;
  const Tokenizer tokenizer =
      Tokenizer::from_bytes(train(source, arguments.options), arguments.out);
  write_output(arguments.out, tokenizer.bytes());
  const double ratio = bytes_per_token(tokenizer, documents);
  if (json) {
    const nlohmann::ordered_json result = {{"out", arguments.out},
                                           {"vocab_size", tokenizer.vocab_size()},
                                           {"documents", documents.size()},
                                           {"bytes_per_token", ratio},
                                           {"sha256", tokenizer.hash()}};
    print("{}\n", result.dump());
  } else {
    print("{}: {} pieces, {:.2f} bytes of text per token\n", arguments.out, tokenizer.vocab_size(),
          ratio);
  }
  return 0;
}

std::string read_standard_input() {
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

Tokenizer load(const std::string& path) {
  return is_directory(path) ? load_hf_tokenizer(path) : Tokenizer::load(path);
}

// Calls back with each line's JSON value.
void for_each_line(const std::function<void(const nlohmann::json&)>& value) {
  size_t number = 0;
  for (std::string line; std::getline(std::cin, line);)
    value(parse_json(line, fmt::format("line {}", ++number)));
}

int encode_lines(const Tokenizer& tokenizer) {
  for_each_line([&](const nlohmann::json& text) {
    MINILLM_CHECK(text.is_string(), "expected a JSON string on every line");
    fmt::print("[{}]\n", fmt::join(tokenizer.encode(text.get<std::string>()), ","));
  });
  return 0;
}

int decode_lines(const Tokenizer& tokenizer) {
  for_each_line([&](const nlohmann::json& ids) {
    std::vector<Token> tokens;
    MINILLM_CHECK(ids.is_array(), "expected a JSON list of ids on every line");
    for (const nlohmann::json& id : ids) {
      MINILLM_CHECK(id.is_number_unsigned() && id.get<uint64_t>() <= INT32_MAX,
                    "expected token ids, got {}", id.dump());
      tokens.push_back(id.get<Token>());
    }
    fmt::print("{}\n", nlohmann::json(tokenizer.decode(tokens)).dump());
  });
  return 0;
}

int encode(const CodeArguments& arguments, bool json) {
  const Tokenizer tokenizer = load(arguments.tokenizer);
  if (arguments.lines) return encode_lines(tokenizer);
  const std::vector<Token> ids =
      tokenizer.encode(arguments.text ? *arguments.text : read_standard_input());
  if (json) {
    nlohmann::ordered_json result = {{"token_ids", ids}, {"pieces", nlohmann::json::array()}};
    for (const Token id : ids) result["pieces"].push_back(tokenizer.piece(id));
    print("{}\n", result.dump());
  } else {
    fmt::print("{}\n", fmt::join(ids, " "));
  }
  return 0;
}

// Numbers separated by white space or commas.
std::vector<Token> parse_ids(std::string text) {
  std::replace(text.begin(), text.end(), ',', ' ');
  std::istringstream words(text);
  std::vector<Token> ids;
  for (std::string word; words >> word;) {
    Token id = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    MINILLM_CHECK_USAGE(error == std::errc() && end == word.data() + word.size(),
                        "token ids: expected numbers, got '{}'", word);
    ids.push_back(id);
  }
  return ids;
}

int decode(const CodeArguments& arguments, bool json) {
  const Tokenizer tokenizer = load(arguments.tokenizer);
  if (arguments.lines) return decode_lines(tokenizer);
  const std::string text =
      tokenizer.decode(parse_ids(arguments.text ? *arguments.text : read_standard_input()));
  if (json) {
    print("{}\n", nlohmann::json({{"text", text}}).dump());
  } else {
    print_text(text);  // exactly the text, so that encode and decode are inverse in a pipe
  }
  return 0;
}

}  // namespace
}  // namespace minillm

int main(int argc, char** argv) {
  using namespace minillm;
  CLI::App app("Trains a tokenizer on text, and turns text into token ids and back",
               "minillm-tokenizer");
  app.require_subcommand(1);
  app.fallthrough();
  bool json = false;
  app.add_flag("--json", json, "print one JSON object");

  TrainArguments training;
  CLI::App* train_command =
      app.add_subcommand("train", "train a BPE tokenizer that spells every text");
  train_command
      ->add_option("--input", training.inputs, "text files, or .jsonl with a \"text\" field")
      ->required();
  train_command->add_flag("--tool-marks", training.options.tool_marks,
                          "make control pieces of <tool_call> and its kin, so that no text can "
                          "forge a call");
  train_command->add_option("--vocab-size", training.options.vocab_size, "number of pieces")
      ->capture_default_str();
  train_command
      ->add_option("--type", training.type,
                   "sentencepiece: a .model file, of characters with byte fallback; byte-bpe: a "
                   "tokenizer.json, of bytes, as GPT-2 and Llama 3 have it")
      ->capture_default_str();
  train_command->add_option("--out", training.out, "the file to write")->required();
  train_command
      ->add_option("--split", training.split, "what ends a document: blank_line, line or file")
      ->capture_default_str();
  train_command
      ->add_option(
          "--character-coverage", training.options.character_coverage,
          "fraction of the text whose characters get a piece; rarer ones are spelled in bytes")
      ->capture_default_str();
  train_command
      ->add_option("--on-bad-record", training.on_bad_record,
                   "what to do with a bad record: error or skip")
      ->capture_default_str();

  CodeArguments coding;
  const auto add_code_options = [&](CLI::App* command, const char* name, const char* what) {
    command
        ->add_option("--tokenizer", coding.tokenizer,
                     "a .model file, a tokenizer.json, or a checkpoint directory")
        ->required();
    command->add_flag("--lines", coding.lines,
                      "standard input has a JSON value a line, a text or a list of ids, and so has "
                      "what is printed");
    command->add_option(name, coding.text, what);
    return command;
  };
  CLI::App* encode_command = add_code_options(app.add_subcommand("encode", "text to token ids"),
                                              "--text", "the text (default: standard input)");
  add_code_options(app.add_subcommand("decode", "token ids to text"), "--ids",
                   "the ids, as \"1 2 3\" (default: standard input)");

  return run_tool(app, argc, argv, [&] {
    if (train_command->parsed()) return train(training, json);
    return encode_command->parsed() ? encode(coding, json) : decode(coding, json);
  });
}
