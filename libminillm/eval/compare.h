// The same prompts through several checkpoints, side by side: what each stage of training changed.

#ifndef LIBMINILLM_EVAL_COMPARE_H_
#define LIBMINILLM_EVAL_COMPARE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/generate/generator.h"
#include "libminillm/generate/prompts.h"

namespace minillm {

struct ComparedAnswer {
  std::string text;          // as shown
  int64_t tokens = 0;        // without the end token
  bool ended = false;        // by itself, with an end token
  double mean_log_prob = 0;  // of its tokens under the model; 0 if there are none
};

struct Comparison {
  struct Row {
    Prompt prompt;
    std::vector<ComparedAnswer> answers;  // one for each column
  };
  // A checkpoint that no stage has taught to chat has two columns: its continuation of the prompt
  // as text, and its answer under the chat template. All others have only the answer.
  std::vector<std::string> columns;  // "pretrain (text)", "pretrain (chat)", "sft", "dpo"
  std::vector<Row> rows;
};

// A checkpoint's column is named after its stage, or its path where the stage is unknown or not
// unique, or where it has adapters. Only one is loaded at a time. Throws Error on a checkpoint that
// has no tokenizer or was taught another template.
Comparison compare_checkpoints(const std::vector<CheckpointSource>& checkpoints,
                               const std::vector<Prompt>& prompts, const GenerationConfig& config);
Comparison compare_checkpoints(const std::vector<std::string>& checkpoints,
                               const std::vector<Prompt>& prompts, const GenerationConfig& config);

// A table for people, `width` characters wide: under every prompt a line or more per column.
std::string format_comparison(const Comparison& comparison, int width = 100);

// The prompt on one line: the user's message, after "[system prompt]" and earlier turns.
std::string prompt_line(const Prompt& prompt);

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_COMPARE_H_
