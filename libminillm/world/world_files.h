// The world's files: data of all stages, and questions about it.

#ifndef LIBMINILLM_WORLD_WORLD_FILES_H_
#define LIBMINILLM_WORLD_WORLD_FILES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/world/dials.h"
#include "libminillm/world/text.h"

namespace minillm::world {

struct WorldOptions {
  uint64_t seed = 1;
  int64_t stories = 42000;  // documents of pretrain.jsonl, not counting canaries
  int64_t sft_rows = 24000;
  int64_t pairs = 1000;
  int64_t replay_facts = 1500;  // polite facts in replay.jsonl, beside the SFT rows repeated there
  int64_t second_documents = 6000;     // documents of second.jsonl
  int64_t open_book_rows = 24000;      // rows in open_book.jsonl
  int64_t open_book_documents = 8000;  // documents of open_book.txt
  int64_t tool_rows = 6000;            // rows in tools.jsonl
  WorldDials dials = {};               // what is changed of what is trained on
};

struct WorldFile {
  std::string name;
  std::string content;
};

// The parts a world is written in:
//   - tokenizer: tokenizer.txt, text to train the tokenizer on (6,000 documents, 1,500 SFT rows);
//   - pretrain: pretrain.jsonl, {"text": ...}, stories and canaries;
//   - sft: sft.jsonl, {"messages": [...]}, train people only;
//   - preference: preference.jsonl, {"prompt": [...], "chosen": [...], "rejected": [...]};
//   - replay: replay.jsonl, {"messages": [...]}, what the DPO stage repeats;
//   - rl: rl.jsonl, {"prompt": [...], "kind": "answer", "value": "cooper"}, the questions of
//     sft.jsonl, each once, with what a right answer is;
//   - second: second.jsonl, {"text": ...}, the second domain;
//   - open_book: open_book.jsonl, {"messages": [...]}, questions with notes to answer them from,
//     and open_book.txt, the same as text for pretraining, documents divided by empty lines;
//   - tools: tools.jsonl, {"messages": [...], "tools": [...]}, sums for a calculator, and questions
//     that need none;
//   - heldout: pretrain_eval.jsonl, sft_eval.jsonl, preference_eval.jsonl, second_eval.jsonl (the
//     stages' held-out losses; validation people), eval.jsonl (both splits, all questions),
//     prompts.jsonl (some test questions, to compare checkpoints on), open_book_eval.jsonl (both
//     splits, questions to be answered from notes), tools_eval.jsonl (rows as tools.jsonl has them)
//     and tools_questions.jsonl (both splits, questions with and without tools);
//   - excerpt: excerpt.txt, a few documents and rows of each kind, to read;
//   - register: people.jsonl, who there is, what is true of them and what is told.
Texts world_parts();

// The files of one part. A pure function: the same bytes for the same options, whatever other parts
// are made. Throws Error (kUsage) on an unknown part or a negative size.
std::vector<WorldFile> make_world_files(const WorldOptions& options, std::string_view part);

}  // namespace minillm::world

#endif  // LIBMINILLM_WORLD_WORLD_FILES_H_
