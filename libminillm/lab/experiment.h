// Experiment: a claim about training, what is done to try it, and what would refute it. One small
// TOML file each (experiments/), so that a reader can write another.

#ifndef LIBMINILLM_LAB_EXPERIMENT_H_
#define LIBMINILLM_LAB_EXPERIMENT_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libminillm/lab/statistics.h"
#include "libminillm/world/dials.h"

namespace minillm::lab {

// What the step "own" is trained on: documents that the model before it writes (own_text.h).
struct OwnText {
  int64_t documents = 10000;
  double temperature = 1;
  bool only_true = false;     // those in which nothing is untrue (world/fact_check.h)
  bool with_stories = false;  // as many stories, and all that generations before have written, too
  int64_t generation = 1;     // which step "own" of its cell it is
};

// Training with one of the world's recipes, from the step before it: lab_steps() names them.
struct Step {
  std::string name;
  std::vector<std::string> settings = {};  // key=value, over the recipe
  bool replay = true;                      // false: nothing of the stage before it is repeated
  int64_t rows = 0;                        // the first ones of its data; 0: all
  std::optional<OwnText> own = {};         // of the step "own", and only there
};

// One way to train: a chain of steps, on data with some dials turned.
struct Cell {
  std::string name;
  world::WorldDials dials = {};
  std::vector<Step> steps = {};
  // A reward model, trained from the step before "rl", which "rl" then has as its reward.
  std::optional<Step> reward = {};
  // Instead of all that: cells before this one. A question is a hit here where they all come to the
  // same, right or wrong: what runs that differ in chance alone have in common.
  std::vector<std::string> agreement = {};
  // Or: cells before this one that end in adapters of one model, which here has all of them, each
  // times `weight`.
  std::vector<std::string> adapters = {};
  double weight = 1;
};

// Which figure decides, and how: rate(cell) under the metric - rate(against) under the other one,
// which is the same where it is empty.
struct Measure {
  std::string metric, cell, against;
  double margin = 0;
  Expectation expects = Expectation::kMore;
  std::string against_metric = {};
};

struct Experiment {
  std::string name;  // "replay"
  std::string claim;
  std::string says;        // who says so, or how it is usually put
  std::string refuted_by;  // in words
  std::string found = {};  // what others found
  std::vector<std::string> literature = {};
  Measure measure;  // decided on
  // Metrics that are told beside it; "log/NAME": of the training log (result.h).
  std::vector<std::string> tell = {};
  std::vector<Cell> cells = {};
};

// "base": pretraining from scratch on the stories. "fresh": its model, untrained. "second":
// pretraining goes on on the second domain, stories being replayed. "sft", "dpo". "notes": as
// "sft", with questions that are answered from notes. "rl": reinforcement learning on questions,
// with the truth as reward where the cell has no reward model. "constitution": preference tuning on
// pairs that the model makes by a principle. "own", also several times: a fresh model, with the
// settings of the first step, on what the model before it has written.
std::span<const char* const> lab_steps();

// Throws Error (kUsage) `experiment 'FILE':LINE: ...`: no TOML, an unknown key or step, a cell that
// the measure names and that there is not, ...
Experiment parse_experiment(const std::string& toml, const std::string& file);

// The same with no other cells than those that its measure compares, and those that these are made
// of: what a verdict needs.
Experiment with_deciding_cells(Experiment experiment);

// Those that the library brings, by name.
const std::vector<Experiment>& all_experiments();
// Throws Error (kUsage), which names the nearest, if there is no such one.
const Experiment& find_experiment(const std::string& name);

}  // namespace minillm::lab

#endif  // LIBMINILLM_LAB_EXPERIMENT_H_
