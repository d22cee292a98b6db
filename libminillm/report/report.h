// Report: what there is to say about the runs of a training pipeline, gathered as plain structs,
// and the forms it is written in: a page for people, Markdown, CSV, and TensorBoard's event files.

#ifndef LIBMINILLM_REPORT_REPORT_H_
#define LIBMINILLM_REPORT_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libminillm/checkpoint/trainer_state.h"
#include "libminillm/core/metrics.h"
#include "libminillm/core/sample.h"
#include "libminillm/eval/compare.h"
#include "libminillm/eval/diagnosis.h"
#include "libminillm/eval/stage_notes.h"

namespace minillm::report {

// A line of metrics.jsonl that has metrics.
struct MetricsLine {
  int64_t step = 0;
  Metrics values;  // without "step"; a NaN where the line has null
};
// One that has a sample.
struct LoggedSample {
  int64_t step = 0;
  Sample sample;
};
struct RunLog {
  std::vector<MetricsLine> metrics;
  std::vector<LoggedSample> samples;
};
// Reads a metrics.jsonl. Throws Error `'path':line: ...` on a line of neither kind, even a last one
// cut short, and on the 257th name.
RunLog read_run_log(const std::string& path);

// A run, or a checkpoint by itself.
struct ReportRun {
  std::string name;          // its stage, where no other run has the same, else its path
  std::string path;          // as given; with adapters, CheckpointSource::name()
  std::string stage;         // of stage_notes.h; empty where unknown (a foreign checkpoint)
  std::string checkpoint;    // its directory; empty if nothing is saved yet
  CheckpointSource source;   // what is asked
  std::string weights_hash;  // SHA-256
  int64_t parameters = 0;
  bool taught_to_chat = false;
  bool writes = true;                 // a reward model writes nothing
  std::vector<LineageEntry> lineage;  // oldest first, this run's entry last
  std::vector<MetricsLine> metrics;   // empty if there is no metrics.jsonl
  std::vector<LoggedSample> samples;
};

struct ReportAnswer {
  std::string form;  // "as text" or "as chat": a base model is shown both ways
  ComparedAnswer answer;
  Judgement judgement = Judgement::kUnjudged;  // answers as text are never judged
};
struct ReportPrompt {
  Prompt prompt;
  bool given = true;     // from the file of prompts; else one of the world's questions
  std::string kind;      // of a question of the world: "answer", "harmful", ...; else empty
  std::string expected;  // what a right answer holds or does; empty where that is not known
  std::vector<std::vector<ReportAnswer>> answers;  // per run; the one as chat is last
  std::optional<bool> base_knows;
  Diagnosis diagnosis;
};
struct ReportChange {
  std::string from, to;  // names of neighbouring runs
  ChangeCounts counts;
};

// The figures of a world evaluation by stage (the quickstart's summary.json).
struct ReportFigure {
  std::string name, group;  // "answer_accuracy", "knowledge"
  std::string meaning;      // a sentence; empty for names that are not known
  bool lower_is_better = false;
  struct Value {
    double value = 0;
    double count = 0, of = 0;
  };
  std::vector<Value> values;  // per column
};
struct ReportFigures {
  std::vector<std::string> columns;  // stages
  std::vector<ReportFigure> rows;    // single cloze wordings are left out
};
// Reads {"pretrain": {"answer_accuracy": {"value", "count", "of"}, ...}, "sft": ..., ...}. What a
// stage lacks is 0 of 0. Throws Error `summary '<path>': ...`.
ReportFigures read_figures(const std::string& path);

// What the layers around a model change of its answers.
struct ReportLayers {
  ReportFigures figures;  // columns: the model alone ("closed") and with each layer
  struct Change {
    std::string layer, question, alone, with_layer;
    bool repaired = false;  // wrong alone and right with the layer; else the other way round
  };
  std::vector<Change> changes;
};
// Reads the JSON of a world evaluation with layers (tools.md). Throws Error `layers '<path>': ...`.
ReportLayers read_layers(const std::string& path);

struct Report {
  std::vector<ReportRun> runs;
  std::vector<ReportPrompt> prompts;
  std::vector<ReportChange> changes;
  ReportFigures figures;
  ReportLayers layers = {};
};

struct ReportOptions {
  std::vector<std::string> runs;  // run or checkpoint directories, in the order of training
  std::vector<ExpectingPrompt> prompts;
  std::string world_eval;          // eval.jsonl of the world: judges the answers; may be empty
  int64_t questions_per_kind = 0;  // how many of its test questions to ask besides
  std::string figures;             // summary.json; may be empty
  std::string layers;              // of read_layers(); may be empty
  GenerationConfig generation;
  // The first run's checkpoint with these, as one more run.
  std::vector<Checkpoint::AdapterArgument> adapters;
  bool force = false;  // takes those of another base
};
// Reads the runs and asks every checkpoint the prompts. Throws Error.
Report gather_report(const ReportOptions& options);
// The runs alone, without loading a model.
std::vector<ReportRun> read_runs(const std::vector<std::string>& paths);
std::vector<ReportRun> read_runs(const ReportOptions& options);

// ONE page that needs nothing else: no network, no fonts, no scripts from elsewhere. Whatever a
// model or a data file says is shown as text and never interpreted.
std::string report_html(const Report& report);
std::string report_markdown(const Report& report);

// Every line of every run: run, stage, step, then all metrics in alphabetical order. A field is
// empty where the line lacks the metric or has null. RFC 4180, with LF as line end. Texts that a
// spreadsheet would take for formulas begin with an apostrophe.
std::string report_csv(const std::vector<ReportRun>& runs);
// A text as a field of CSV. A spreadsheet takes a cell for a formula by its first character, quoted
// or not: an apostrophe before it says that it is text.
std::string csv_text(const std::string& text);
// Writes DIRECTORY/<run>/events.out.tfevents.<seconds>.minillm for every run that has metrics, and
// returns the paths. Training metrics are tagged train/<name>, held-out ones eval/<name>.
std::vector<std::string> write_tensorboard(const std::vector<ReportRun>& runs,
                                           const std::string& directory);

}  // namespace minillm::report

#endif  // LIBMINILLM_REPORT_REPORT_H_
