#include "tests/fuzz/data_targets.h"

#include <filesystem>
#include <utility>

#include "libminillm/checkpoint/hf_tokenizer_files.h"
#include "libminillm/core/utf8.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/data/document_reader.h"
#include "libminillm/data/element_splitter.h"
#include "libminillm/data/jinja.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/data/tool_calls.h"
#include "libminillm/eval/choice_eval.h"
#include "libminillm/eval/choice_items.h"
#include "libminillm/eval/choice_log.h"
#include "libminillm/retrieve/note_index.h"
#include "libminillm/retrieve/sentences.h"
#include "libminillm/world/fact_check.h"
#include "libminillm/world/world_files.h"
#include "tests/data/small_tokenizer_json.h"
#include "tests/fuzz/helpers.h"

namespace minillm_testing {
namespace {

using namespace minillm;

using Elements = std::vector<std::pair<int64_t, std::string>>;

Elements divide(std::string_view text, size_t piece, ElementSplitter::Of what) {
  Elements elements;
  ElementSplitter splitter(what, 1000, 1, [&](int64_t line, std::string_view element) {
    elements.emplace_back(line, element);
  });
  for (size_t i = 0; i < text.size() && !splitter.array_ended(); i += piece)
    splitter.push(text.substr(i, piece));
  splitter.finish();
  return elements;
}

}  // namespace

void data_file(std::string_view bytes) {
  constexpr const char* kNames[] = {"x", "x.jsonl", "x.json", "x.csv", "x.tsv", "x.txt.gz"};
  if (bytes.empty()) return;
  const auto kind = static_cast<uint8_t>(bytes.front());
  bytes.remove_prefix(1);
  const std::string path = fuzz_file(kNames[kind % std::size(kNames)], bytes);
  const auto split = static_cast<DocumentSplit>(kind / 8 % 3);
  accepted([&] {
    int64_t documents = 0;
    const auto reports =
        for_each_document({path}, split, BadRecordPolicy::kSkip, [&](std::string_view document) {
          require(!document.empty());
          ++documents;
        });
    require(documents > 0 && reports.at(0).used > 0);
  });
  accepted([&] {
    if (detect_dataset_kind(path) == DatasetKind::kPreferences)
      inspect_preferences(path);
    else
      inspect_conversations(path);
  });
  std::filesystem::remove(path);
  for (const auto what : {ElementSplitter::Of::kSequence, ElementSplitter::Of::kArray}) {
    const std::string_view text = bytes.substr(0, 4096);
    require(divide(text, 1, what) == divide(text, text.size() + 1, what));
  }
}

std::vector<std::string> data_file_seeds() {
  const auto of = [](size_t length, const char* bytes) { return std::string(bytes, length); };
  return {"\x01{\"text\": \"a\"}\n{\"text\": null}\n",
          "\x02[{\"text\": \"a\"},\n {\"text\": \"b\"}]",
          "\x02{\"version\": 1, \"data\": [{\"prompt\": \"a\", \"completion\": \"b\"}]}",
          "\x02{\n\"text\": \"a\"\n}\n{\"text\": NaN}",
          "\x03id,text\n1,\"a, \"\"b\"\"\nc\"\n2,d\n",
          "\x04prompt\tchosen\trejected\na\tb\tc\n",
          std::string("\0a\n\nb <|endoftext|> c\n", 23),
          std::string("\x08[Enter HAMLET]\n{x}\n", 21),
          std::string(1, '\x05') +
              of(57,
                 "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\x2a\x49\xad\x28\x51\xb2\x52\x50"
                 "\x4a\x54\x48\xcb\xaf\x50\xaa\xe5\xaa\x86\x8b\x24\x29\xd8\xd4\xa4\xe6\xa5\xe4\xa7"
                 "\x81\x04\x6a\xec\x14\x92\x81\xb2\x00\x3d\xea\xdd\xd1\x30\x00\x00\x00"),
          std::string(1, '\x01') +
              of(58,
                 "\x28\xb5\x2f\xfd\x04\x58\x6d\x01\x00\x64\x02\x7b\x22\x74\x65\x78\x74\x22\x3a\x20"
                 "\x22\x61\x20\x66\x6f\x78\x22\x7d\x0a\x62\x20\x3c\x7c\x65\x6e\x64\x6f\x66\x74\x65"
                 "\x78\x74\x7c\x3e\x20\x63\x22\x7d\x0a\x01\x00\x6a\x9b\x61\x5b\x1a\xb9\xe6")};
}

void choice_items(std::string_view bytes) {
  constexpr const char* kNames[] = {"x.jsonl", "x.csv", "x.txt", "x.requests.jsonl.gz"};
  if (bytes.empty()) return;
  const auto kind = static_cast<uint8_t>(bytes.front());
  bytes.remove_prefix(1);
  const std::string path = fuzz_file(kNames[kind % std::size(kNames)], bytes);
  const auto check = [](const ChoiceTask& task, size_t fewest) {
    require(!task.items.empty() && !task.form.empty());
    for (const ChoiceItem& item : task.items) {
      require(item.choices.size() >= fewest && item.right < item.choices.size());
      for (const Choice& choice : item.choices) require(character_count(answer_text(choice)) > 0);
    }
  };
  accepted([&] { check(read_choice_items(path), 2); });
  accepted([&] { check(read_continuation_items(path), 1); });
  accepted([&] {
    ChoiceTask task{"f", "f", "questions", "h", {}};
    task.items.assign(2, {"a", {{"", "b"}, {"", "c"}}, 1});
    for (const auto& score : ChoiceLog(path, "m", /*reads_only=*/true).begin(task))
      require(!score || !score->problem.empty() || score->choices.size() == 2);
  });
  std::filesystem::remove(path);
}

std::vector<std::string> choice_items_seeds() {
  const std::string number(1, '\0');
  return {
      number + R"({"sentence_good": "A b.", "sentence_bad": "A c.", "pairID": "0"})" + "\n",
      number +
          R"({"request": {"context": "a", "continuation": " b"}, "doc_id": 0, "idx": 0, "label": 1})"
          "\n"
          R"({"request": {"context": "a", "continuation": " c"}, "doc_id": 0, "idx": 1, "label": 1})",
      number + R"({"question": "a", "choices": ["b", "c"], "answer": "B"})" + "\n",
      number +
          R"({"query": "a", "choices": {"text": ["b", "c"], "label": ["1", "2"]}, "answerKey": "2"})",
      number + R"({"context": "a", "continuation": " b"})" + "\n" + R"({"text": "a b"})",
      "\x01Question,Best Answer,Incorrect Answers\na?,b,\"c; d;\"\n",
      "\x02the goat has a name\n\nalone\n",
      number + R"({"task": "f", "kind": "choice", "file": "f", "sha256": "h", "model": "m"})"
               "\n"
               R"({"item": 0, "logp": [-1, -2.5], "tokens": [1, 2], "most_probable": [0, 0]})"
               "\n"
               R"({"item": 1, "not_asked": "no room"})"
               "\n"};
}

void jinja(std::string_view bytes) {
  recognise_chat_template(bytes);
  try {
    render_jinja(bytes, {{"messages", {{{"role", "user"}, {"content", " a\n"}}}},
                         {"add_generation_prompt", true},
                         {"n", 3}});
  } catch (const JinjaError& error) {
    require(*error.what() != '\0');
  }
}

std::vector<std::string> jinja_seeds() {
  std::vector<std::string> seeds = {
      "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% else %}"
      "{% set loop_messages = messages %}{% endif %}{% for m in loop_messages %}{% if (m.role == "
      "'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('no') }}{% endif %}{% endfor %}",
      "{%- for m in messages -%}{{- m['content'] | trim ~ m.content.strip() -}}{# c #}{%- endfor "
      "-%}",
      "{{ ('a' if n > 2 and not x or 'b' in 'abc' else [1, 2][-1]) }}{% set s = namespace(a=1) %}"
      "{% set s.a = s.a + 1 %}"};
  for (const ChatTemplate& format : chat_templates()) seeds.push_back(format.jinja);
  return seeds;
}

void tool_calls(std::string_view bytes) {
  if (bytes.empty()) return;
  std::vector<const ToolFormat*> formats;
  for (const ChatTemplate& format : chat_templates())
    if (format.tools != nullptr) formats.push_back(format.tools);
  const ToolFormat* format = formats[static_cast<uint8_t>(bytes[0]) % formats.size()];
  bytes.remove_prefix(1);
  const auto read = [&](size_t length) {
    std::string told;
    ToolCallReader reader(format, false,
                          {.on_text = [&](std::string_view piece) { told += piece; }});
    for (size_t i = 0; i < bytes.size(); i += length) reader.push(bytes.substr(i, length));
    reader.finish();
    require(told == reader.text());
    for (const ToolCall& call : reader.calls()) told += '\n' + call.name + call.arguments;
    return told;
  };
  require(read(1) == read(bytes.size() + 1));
}

std::vector<std::string> tool_calls_seeds() {
  return {std::string(1, '\0') +
              "See:\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1.0]}}\n</tool_call>\n"
              "<tool_call>{\"arguments\": {}, \"name\": \"g\"}</tool_call>",
          "\2{\"name\": \"f\", \"parameters\": {\"a\": \"}\\\"\"}}",
          "\3[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}, \"id\": \"x\"}, {\"name\": 1}]"};
}

void special_tokens(std::string_view bytes) {
  static const std::string model = [] {
    bool done = false;
    const auto texts = [&](std::string& text) {
      text = "Mary lives in Ashford. She likes plums.";
      return !std::exchange(done, true);
    };
    return train_tokenizer(texts, {.vocab_size = 300, .character_coverage = 1.0});
  }();
  static const std::vector<SentencePieceInfo> pieces = check_sentencepiece_model(model, "m").pieces;
  constexpr const char* kNames[] = {"tokenizer_config.json", "generation_config.json",
                                    "config.json", "added_tokens.json", "special_tokens_map.json"};
  if (bytes.empty()) return;
  const std::string name = kNames[static_cast<uint8_t>(bytes.front()) % std::size(kNames)];
  const std::string path = fuzz_file(name, bytes.substr(1));
  accepted([&] {
    read_chat_template(fuzz_directory());
    const SpecialTokens special = read_special_tokens(fuzz_directory(), pieces);
    const Tokenizer tokenizer = Tokenizer::from_bytes(model, "m", special);
    for (const Token id : tokenizer.encode("Mary <s></s><|im_end|> likes <x>"))
      require(!tokenizer.is_control(id));
    for (const Token id : tokenizer.end_tokens()) require(id >= 0);
    std::vector<Token> all;
    for (Token id = 0; id < tokenizer.vocab_size(); ++id) all.push_back(id);
    tokenizer.decode(all);
    ModelConfig config;
    config.vocab_size = tokenizer.vocab_size();
    hf_tokenizer_files(config, tokenizer);
  });
  std::filesystem::remove(path);
}

std::vector<std::string> special_tokens_seeds() {
  return {
      std::string("\0", 1) +
          "{\"bos_token\": {\"content\": \"<s>\"}, \"eos_token\": \"M\", \"pad_token\": null, "
          "\"add_bos_token\": false, \"added_tokens_decoder\": {\"3\": {\"content\": \"<pad>\", "
          "\"special\": true}}, \"chat_template\": [{\"name\": \"default\", \"template\": \"x\"}]}",
      "\x01{\"eos_token_id\": [2, 5], \"do_sample\": true, \"temperature\": 0.6}",
      "\x02{\"vocab_size\": 300, \"eos_token_id\": 2}", "\x03{\"<x>\": 279, \"y\": 270}",
      "\x04{\"bos_token\": \"<s>\"}"};
}

void tokenizer_json(std::string_view bytes) {
  static const nlohmann::json sound[] = {small_tokenizer_json(), small_llama2_json()};
  if (bytes.empty()) return;
  const int kind = static_cast<uint8_t>(bytes.front()) % 3;
  bytes.remove_prefix(1);
  std::string file(bytes);
  if (kind != 0) {
    const nlohmann::json changes = nlohmann::json::parse(bytes, nullptr, false);
    if (!changes.is_object()) return;
    nlohmann::json changed = sound[kind - 1];
    changed.merge_patch(changes);
    file = changed.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  accepted([&] {
    const Tokenizer tokenizer = Tokenizer::from_bytes(file, "t");
    for (const std::string& text :
         {std::string(
              " the 1234\n\n  I'LL <think>e\xcc\x81 \xe4\xb8\xad\xf0\x9f\x98\x80 </s><|im_end|>"),
          replace_invalid_utf8(bytes.substr(0, 200))}) {
      const std::vector<Token> ids = tokenizer.encode(text);
      for (const Token id : ids)
        require(0 <= id && id < tokenizer.vocab_size() && !tokenizer.is_control(id));
      require(is_valid_utf8(tokenizer.decode(ids)));
      tokenizer.encode_continuing(text);
    }
    require(Tokenizer::from_bytes(tokenizer.bytes(), "t").hash() == tokenizer.hash());
  });
}

std::vector<std::string> tokenizer_json_seeds() {
  return {
      std::string("\0", 1) + small_tokenizer_json().dump(),
      std::string("\0", 1) + small_llama2_json().dump(),
      "\1{\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}]}}",
      "\1{\"pre_tokenizer\": {\"pretokenizers\": [{\"type\": \"Split\", \"pattern\": {\"Regex\": "
      "\"\\\\s+|[^\\\\p{L}]\"}, \"behavior\": \"Removed\", \"invert\": false}, {\"type\": "
      "\"ByteLevel\"}]}}",
      "\1{\"added_tokens\": [{\"id\": 264, \"content\": \"<think>\", \"lstrip\": true, \"rstrip\": "
      "true, "
      "\"special\": false, \"normalized\": true}]}",
      "\1{\"model\": {\"ignore_merges\": false, \"merges\": [[\"h\", \"e\"]], \"vocab\": {\"x y\": "
      "300}}}",
      "\2{\"normalizer\": null, \"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": "
      "\"\xe2\x96\x81\", \"prepend_scheme\": \"first\", \"split\": false}}",
      "\2{\"post_processor\": null, \"model\": {\"vocab\": {\"\xe2\x96\x81\xe2\x96\x81\": 270}}}"};
}

// A question, which anybody may ask, of an index; and the bytes as a document.
void note_query(std::string_view bytes) {
  for (const std::string& sentence : cut_sentences(bytes))
    require(!sentence.empty() && sentence.size() <= kMostNoteBytes);
  accepted([&] {  // where there is no SQLite, this is refused
    static const NoteIndex index = [] {
      const std::string text =
          "Mary plays the fiddle. Tom does NOT. Near Ashford the harp AND a drum.";
      const std::string path = fuzz_directory() + "/notes.sqlite";
      build_note_index({fuzz_file("notes.txt", text)}, path);
      return NoteIndex(path);
    }();
    const size_t found = index.query(bytes).size();
    require(found <= static_cast<size_t>(kMostNotes));
  });
}

std::vector<std::string> note_query_seeds() {
  return {"Which instrument does Mary play?", "fiddle\" OR NEAR(harp* drum, 2) -text : ^NOT",
          "# Mary Ashford\n\nDr. Tom sings. \u201cWho?\u201d\n## Life\n- one\n* two",
          "\u00c9va \u0395\u03bb\u03b5\u03bd\u03b7 \u0418\u0432\u0430\u043d", "{a b} : c + d"};
}

void fact_check(std::string_view bytes) {
  static const world::World people(1);
  static const world::FactChecker checker(people);
  world::StatementCounts counts;
  const std::vector<world::Statement> statements = checker.check(bytes);
  for (const world::Statement& statement : statements)
    require(bytes.find(statement.text) != std::string_view::npos);
  counts.add(statements);
  require(counts.untrue_share() >= 0 && counts.untrue_share() <= 1);
  require(all_true(statements) == (counts.untrue_documents == 0));
}

std::vector<std::string> fact_check_seeds() {
  return {world::make_world_files({.stories = 3, .sft_rows = 1, .pairs = 1}, "pretrain")
              .front()
              .content.substr(0, 2000),
          "Jofick Harford keeps a goat. He lives on Mill Lane, so yes. 3 plus 4 makes 7.",
          "In spring In spring In spring nobody in Velloway knows Mary. She She. He is a cooper"};
}

}  // namespace minillm_testing
