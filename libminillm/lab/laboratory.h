// Laboratory: runs the cells of experiments, each once, and says what came of them.
//
//   DIR/data/<key>/       the world's files
//   DIR/cells/<key>/run/  a step's run directory (checkpoint/run_directory.h)
//   DIR/cells/<key>/pairs.jsonl      what a constitution made, to be trained on
//   DIR/cells/<key>/outcomes_<split>.json, ...    what its checkpoint answers (question_groups.h)
//   DIR/cells/<key>/own_text.jsonl   what it was trained on, if a model has written that, and
//                   sampled_*.jsonl  what it has written itself (own_text.h)
//   DIR/<experiment>/     table.md, table.csv, figure.svg, verdict.json
//
// A key is a hash of all that a cell depends on: the build, the seed, the recipe, the data, and the
// key of the step before it. So a step that two cells share is trained once, what is there is not
// done again, and what was interrupted goes on where it stopped.

#ifndef LIBMINILLM_LAB_LABORATORY_H_
#define LIBMINILLM_LAB_LABORATORY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/lab/lab_data.h"
#include "libminillm/lab/question_groups.h"
#include "libminillm/lab/result.h"
#include "libminillm/train/trainer.h"
#include "libminillm/world/people.h"

namespace minillm::lab {

struct LabOptions {
  std::string directory = "runs/lab";
  std::vector<uint64_t> seeds = {1, 2, 3};   // of the world and of training
  world::Split split = world::Split::kTest;  // settings are tuned on validation people
  // Of the program that trains: another one trains everything anew.
  std::string build;
  world::WorldOptions world = {};  // sizes; seeds and dials are the experiment's
};

struct LabEvents {
  std::function<void(const std::string& message)> on_message = {};
  TrainerEvents training = {};  // of every step: progress, and requests to stop
};

// What one checkpoint came to, the end of a cell.
struct AskedCheckpoint {
  std::string cell;  // "replay: base", the first experiment that has it
  uint64_t seed = 0;
  std::map<std::string, SeedFigure> metrics = {};
};

class Laboratory {
 public:
  Laboratory(LabOptions options, LabEvents events);

  // Trains and asks what is missing, writes the experiment's files, and returns what it came to.
  // Throws Error, kInterrupted where a stop was requested: what is done is kept.
  ExperimentResult run(const Experiment& experiment);
  // The run directories of a cell's steps, trained where they are missing.
  std::vector<std::string> checkpoints(const Cell& cell, uint64_t seed);
  std::string questions(uint64_t seed);  // the file of the world's questions
  const LabOptions& options() const { return options_; }
  // The results of the experiments that have been run here, as their files say. Of others nothing.
  std::vector<ExperimentResult> results(const std::vector<Experiment>& experiments);
  // The ends of these experiments' cells that have been asked here, each once, seed by seed; trains
  // nothing.
  std::vector<AskedCheckpoint> asked_checkpoints(const std::vector<Experiment>& experiments);

 private:
  struct Asked {
    Answers answers;
    std::vector<std::string> chain;  // of whom was asked
  };
  struct Trained {
    std::string key, checkpoint;
    std::vector<std::string> chain = {};                     // keys of all its steps
    std::vector<Checkpoint::AdapterArgument> adapters = {};  // on the checkpoint
  };
  Trained train(const Cell& cell, uint64_t seed);
  Trained train_step(const Step& step, const world::WorldDials& dials, uint64_t seed,
                     const Trained& before, const Trained* reward = nullptr);
  // The model of several cells' adapters.
  Trained compose(const Experiment& experiment, const Cell& cell, uint64_t seed);
  std::optional<Answers> answers(const Trained& trained, const QuestionGroup& group, uint64_t seed);
  std::optional<Asked> ask(const Trained& trained, uint64_t seed, const Experiment& experiment);
  // What each cell came to with one seed; nothing where results() finds something missing.
  std::vector<Asked> try_seed(const Experiment& experiment, uint64_t seed);
  std::optional<SeedFigure> figure_of(const Asked& asked, const std::string& metric) const;
  ExperimentResult evaluate(const Experiment& experiment,
                            const std::vector<std::vector<Asked>>& asked) const;
  std::string cell_directory(const std::string& key) const;
  void write(const ExperimentResult& result) const;
  void say(const std::string& message) const;

  LabOptions options_;
  LabEvents events_;
  LabData data_;
  bool only_what_is_there_ = false;  // results(): trains nothing
};

}  // namespace minillm::lab

#endif  // LIBMINILLM_LAB_LABORATORY_H_
