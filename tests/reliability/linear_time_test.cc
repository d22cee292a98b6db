// What others wrote is read in time proportional to its length: each kind of input is made, and
// made again eight times as long. A quadratic reader takes 64 times as long, and one of 1 MiB would
// hang. Measured is processor time, the best of several; timing is never what decides between right
// and nearly right.

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <functional>

#include "libminillm/checkpoint/hf_config.h"
#include "libminillm/checkpoint/hf_tokenizer_files.h"
#include "libminillm/checkpoint/manifest.h"
#include "libminillm/checkpoint/safetensors_header.h"
#include "libminillm/checkpoint/tensor_files.h"
#include "libminillm/checkpoint/trainer_state.h"
#include "libminillm/core/config.h"
#include "libminillm/core/error.h"
#include "libminillm/core/file.h"
#include "libminillm/core/visible.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/data/dataset_reader.h"
#include "libminillm/data/document_reader.h"
#include "libminillm/data/jinja.h"
#include "libminillm/data/sentencepiece_check.h"
#include "libminillm/dpo/reference.h"
#include "libminillm/generate/prompts.h"
#include "libminillm/generate/stop_scanner.h"
#include "libminillm/interop/llama2c_import.h"
#include "libminillm/report/report.h"
#include "libminillm/sft/sft.h"
#include "libminillm/world/eval_set.h"
#include "tests/data/control_pieces.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::TempDir;
using minillm_testing::toy_tokenizer;

// `text` n times, with every '#' replaced by the number.
std::string repeated(size_t n, const std::string& text, const std::string& between = "") {
  std::string all;
  for (size_t i = 0; i < n; ++i) {
    if (i > 0) all += between;
    for (const char c : text) all += c == '#' ? std::to_string(i) : std::string(1, c);
  }
  return all;
}

using Work = std::function<void()>;
struct Input {
  const char* name;
  size_t size;  // of the shorter input; how long that is, depends
  Work (*make)(size_t n, const TempDir& directory);
};

// Reading may end in an Error: what matters is that it ends.
Work reading(std::string text, void (*read)(const std::string& text)) {
  return [text = std::move(text), read] {
    try {
      read(text);
    } catch (const Error&) {
    } catch (const BadRecord&) {
    }
  };
}
Work reading_file(const TempDir& directory, const std::string& name, const std::string& text,
                  void (*read)(const std::string& path)) {
  return reading(directory.write(name, text), read);
}

void read_conversation_file(const std::string& path) {
  for (const Conversation& row : inspect_conversations(path).records)
    render_conversation(toy_tokenizer(), row.messages);
}
void read_preference_file(const std::string& path) {
  for (const PreferencePair& row : inspect_preferences(path).records)
    render_pair(toy_tokenizer(), row);
}
template <DocumentSplit split>
void read_documents(const std::string& path) {
  for_each_document({path}, split, BadRecordPolicy::kSkip, [](std::string_view) {});
}
void encode(const std::string& text) { toy_tokenizer().decode(toy_tokenizer().encode(text)); }
void read_template(const std::string& text) { recognise_chat_template(text); }
void read_sft_config(const std::string& text) {
  SftConfig config;
  ConfigFields fields;
  list_fields(fields, config);
  read_config_text(fields, text, "config.toml");
  config_to_toml(fields);
}
void read_evaluation(const std::string& path) { world::load_world_eval(path, world::Split::kTest); }
void report_run(const std::string& path) {
  report::Report report;
  report.runs = report::read_runs({path});
  report_csv(report.runs);
  report_html(report);
  report_markdown(report);
}

std::string header_of(size_t tensors) {
  const std::string json =
      "{" + repeated(tensors, R"("t#":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})", ",") +
      "}";
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(json.size() >> shift);
  return bytes + json;
}
void read_header(const std::string& bytes) {
  parse_safetensors_header(std::as_bytes(std::span(bytes)), "f");
}
std::string state_of(size_t steps) {
  TrainerState state;
  state.spike_window.losses.assign(steps, 1.5);
  state.spike_window.grad_norms.assign(steps, 1.5);
  for (size_t i = 0; i < steps / 20; ++i)
    state.lineage.emplace_back().hashes = {{"train", "a"}, {"eval", "b"}};
  return trainer_state_to_json(state);
}
void read_state(const std::string& text) { parse_trainer_state(text, "state"); }
constexpr size_t kPieceBytes = 10;
std::string vocabulary_of(size_t pieces) {
  const auto number = [](uint32_t value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  std::string bytes = number(7);
  for (size_t i = 0; i < pieces; ++i) bytes += number(0) + number(2) + "ab";
  return bytes;
}
void read_vocabulary(const std::string& bytes) {
  import_llama2c_tokenizer(bytes, static_cast<Index>(bytes.size() / kPieceBytes), "t");
}

#define TEXT(name, size, text, read)                                         \
  {                                                                          \
    name, size, [](size_t n, const TempDir&) { return reading(text, read); } \
  }
#define FILE_OF(name, size, file, text, read)            \
  {                                                      \
    name, size, [](size_t n, const TempDir& directory) { \
      return reading_file(directory, file, text, read);  \
    }                                                    \
  }

const Input kInputs[] = {
    // Data.
    FILE_OF("RowOfMessages", 10000, "x.jsonl",
            "{\"messages\":[" +
                repeated(n, R"({"role":"user","content":"a"},{"role":"assistant","content":"b"})",
                         ",") +
                "]}",
            read_conversation_file),
    FILE_OF("RowOfColumns", 10000, "x.jsonl",
            "{\"prompt\":\"a\",\"completion\":\"b\"," + repeated(n, "\"c#\":0", ",") + "}",
            read_conversation_file),
    FILE_OF("RowOfOneText", 100000, "x.jsonl",
            "{\"prompt\":\"a\",\"completion\":\"" + repeated(n, "b \\u00e9") + "\"}",
            read_conversation_file),
    FILE_OF("RowOfTurnsInOneText", 10000, "x.jsonl",
            "{\"chosen\":\"" + repeated(n, "\\n\\nHuman: q\\n\\nAssistant: a") +
                "\",\"rejected\":\"\\n\\nHuman: q\\n\\nAssistant: b\"}",
            read_preference_file),
    FILE_OF("RowOfAnswers", 4000, "x.jsonl",
            "{\"prompt\":\"q\",\"responses\":[" + repeated(n, "\"a#\"", ",") + "],\"scores\":[" +
                repeated(n, "#", ",") + "]}",
            read_preference_file),
    FILE_OF("RowOfNaN", 20000, "x.jsonl",
            "{\"prompt\":\"a\",\"completion\":\"b\",\"x\":[" + repeated(n, "NaN", ",") + "]}",
            read_conversation_file),
    FILE_OF("Lines", 4000, "x.jsonl", repeated(n, "{\"prompt\":\"a#\",\"completion\":\"b\"}\n"),
            read_conversation_file),
    FILE_OF("ArrayAsAFile", 4000, "x.json",
            "[" + repeated(n, "{\"prompt\":\"a#\",\"completion\":\"b\"}", ",\n") + "]",
            read_conversation_file),
    FILE_OF("ValuesOverLines", 4000, "x.json",
            repeated(n, "{\n\"prompt\":\"a#\",\n\"completion\":\"b\"\n}\n"),
            read_conversation_file),
    FILE_OF("OpenBrackets", 100000, "x.json", repeated(n, "["), read_conversation_file),
    FILE_OF("Table", 4000, "x.csv", "prompt,completion\n" + repeated(n, "a#,\"b\"\"c\"\n"),
            read_conversation_file),
    FILE_OF("TableOfColumns", 4000, "x.csv",
            "prompt,completion" + repeated(n, ",c#") + "\na,b" + repeated(n, ",#") + "\n",
            read_conversation_file),
    FILE_OF("CellNotClosed", 100000, "x.csv", "prompt,completion\na,\"" + repeated(n, "b\n"),
            read_conversation_file),
    FILE_OF("BadRows", 4000, "x.txt", repeated(n, "\xff\n\n"),
            read_documents<DocumentSplit::kBlankLine>),
    FILE_OF("TextOfLines", 50000, "x.txt", repeated(n, "a line\n"),
            read_documents<DocumentSplit::kFile>),
    FILE_OF("TextOfOneLine", 200000, "x.txt", repeated(n, "word "),
            read_documents<DocumentSplit::kLine>),
    FILE_OF("MarksInOneLine", 20000, "x.txt", repeated(n, "a<|endoftext|>"),
            read_documents<DocumentSplit::kBlankLine>),
    TEXT("Words", 20000, repeated(n, "the goat "), encode),
    TEXT("OneWord", 50000, repeated(n, "a"), encode),
    TEXT("Spaces", 50000, repeated(n, " "), encode),
    TEXT("NoUtf8", 50000, repeated(n, "\xff"), encode),
    TEXT("Controls", 10000, repeated(n, "<|im_start|>"), encode),
    // Directories of models.
    TEXT("SafetensorsHeader", 4000, header_of(n), read_header),
    FILE_OF("SafetensorsIndex", 4000, "model.safetensors.index.json",
            "{\"weight_map\":{" + repeated(n, "\"t#\":\"m#.safetensors\"", ",") + "}}",
            [](const std::string& path) { weight_file_names(path.substr(0, path.rfind('/'))); }),
    FILE_OF("Config", 10000, "config.json", "{" + repeated(n, "\"k#\":[0,{}]", ",") + "}",
            [](const std::string& path) { read_hf_config(path); }),
    FILE_OF("Manifest", 10000, "MANIFEST.json",
            "{\"format_version\":1,\"files\":{" +
                repeated(n, R"("f#":{"bytes":0,"sha256":""})", ",") + "}}",
            [](const std::string& path) { read_manifest(path.substr(0, path.rfind('/'))); }),
    TEXT("TrainerState", 4000, state_of(n), read_state),
    FILE_OF(
        "AddedTokens", 2000, "added_tokens.json", "{" + repeated(n, "\"<t#>\":1#", ",") + "}",
        [](const std::string& path) { read_special_tokens(path.substr(0, path.rfind('/')), {}); }),
    FILE_OF(
        "GenerationConfig", 4000, "generation_config.json",
        "{" + repeated(n, "\"k#\":0", ",") + "}",
        [](const std::string& path) { read_special_tokens(path.substr(0, path.rfind('/')), {}); }),
    TEXT("Pieces", 10000, repeated(n, minillm_testing::control_piece("<#>")),
         [](const std::string& bytes) { check_sentencepiece_model(bytes, "m"); }),
    TEXT("Template", 2000, repeated(n, "{% if x %}{{ messages[0]['content'] | trim }}{% endif %}"),
         read_template),
    TEXT("TemplateLoops", 2000, repeated(n, "{% for m in messages %}{{ m.content }}{% endfor %}"),
         read_template),
    TEXT("TemplateNotClosed", 50000, repeated(n, "{{ ("), read_template),
    TEXT("TemplateText", 100000, "{{ x }}" + repeated(n, "{ "), read_template),
    TEXT("Toml", 2000,
         "[data]\nsample_prompts = [" + repeated(n, "\"a#\"", ",") + "]\n[data.columns]\n" +
             repeated(n, "c# = \"prompt\"\n"),
         read_sft_config),
    // What is kept beside runs.
    {"Metrics", 4000,
     [](size_t n, const TempDir& directory) {
       create_directories(directory.file("run" + std::to_string(n)));
       directory.write("run" + std::to_string(n) + "/metrics.jsonl",
                       repeated(n, "{\"step\":#,\"loss\":1.5,\"grad_norm\":null}\n"));
       return reading(directory.file("run" + std::to_string(n)), report_run);
     }},
    FILE_OF("MetricsLine", 1000, "metrics.jsonl",
            "{\"step\":1," + repeated(n, "\"m#\":1", ",") + "}",
            [](const std::string& path) { report::read_run_log(path); }),
    FILE_OF("Summary", 2000, "summary.json",
            "{\"sft\":{" + repeated(n, R"("m#":{"value":1,"count":1,"of":1})", ",") + "}}",
            [](const std::string& path) {
              report::Report report;
              report.figures = report::read_figures(path);
              report_html(report);
              report_markdown(report);
            }),
    FILE_OF("Prompts", 10000, "x.txt", repeated(n, "a prompt #\n"),
            [](const std::string& path) { read_prompts(path); }),
    FILE_OF("ExpectedTexts", 10000, "x.jsonl",
            "{\"prompt\":\"q\",\"expect\":[" + repeated(n, "\"a#\"", ",") + "]}",
            [](const std::string& path) { read_prompts(path); }),
    FILE_OF("WorldEvaluation", 4000, "eval.jsonl",
            repeated(n, "{\"type\":\"story\",\"split\":\"test\",\"text\":\"x\"}\n"),
            read_evaluation),
    FILE_OF(
        "WorldItem", 10000, "eval.jsonl",
        "{\"type\":\"chat\",\"split\":\"test\",\"kind\":\"sum\",\"value\":\"1\",\"messages\":[" +
            repeated(n, "{\"role\":\"user\",\"content\":\"q\"}", ",") + "]}",
        read_evaluation),
    FILE_OF("ReferenceCache", 20000, "cache.json",
            "{\"key\":\"k\",\"chosen\":[" + repeated(n, "-1.5", ",") + "],\"rejected\":[" +
                repeated(n, "-1.5", ",") + "]}",
            [](const std::string& path) {
              static const Model model = minillm_testing::toy_model();
              reference_log_probs(path, "k", model, {});
            }),
    TEXT("Llama2cVocabulary", 4000, vocabulary_of(n), read_vocabulary),
    // What a model says.
    TEXT("Shown", 100000, repeated(n, "\x1b[31m\xc2\x9b"),
         [](const std::string& text) { visible(text, LineEnds::kShown); }),
    TEXT("Streamed", 50000, repeated(n, "a"),
         [](const std::string& text) {
           StreamDecoder decoder(toy_tokenizer());
           for (size_t i = 0; i < text.size(); ++i) decoder.push(6 + static_cast<Token>(i % 290));
           decoder.finish();
         }),
    TEXT("StopStrings", 50000, repeated(n, "a"),
         [](const std::string& text) {
           StopScanner scanner({std::string(40, 'a') + "b"});
           for (size_t i = 0; i < text.size(); ++i) scanner.push("a");
           scanner.finish();
         }),
};

double seconds(const Work& work) {
  const std::clock_t begin = std::clock();
  work();
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

class LinearTime : public testing::TestWithParam<Input> {};

TEST_P(LinearTime, EightTimesTheLengthTakesAboutEightTimesAsLong) {
  constexpr size_t kTimes = 8;
  constexpr double kMost = 24, kTick = 0.004;  // the clock's, and of what is done once
  const Input& input = GetParam();
  const TempDir shorter, longer;
  const Work small = input.make(input.size, shorter),
             large = input.make(kTimes * input.size, longer);
  double once = seconds(small), eight = 1e9;
  for (int attempt = 0; attempt < 5; ++attempt) {
    once = std::min(once, seconds(small));
    eight = std::min(eight, seconds(large));
    if (eight <= kMost * once + kTick) break;
  }
  RecordProperty("ratio", std::to_string(eight / once));
  EXPECT_LE(eight, kMost * once + kTick) << input.name << ": " << once << " s, then " << eight;
  EXPECT_LT(eight, 3) << input.name;
}
INSTANTIATE_TEST_SUITE_P(All, LinearTime, testing::ValuesIn(kInputs),
                         [](const auto& input) { return input.param.name; });

}  // namespace
}  // namespace minillm
