// A file of scored items, a line each: so that an evaluation that was interrupted goes on where it
// stopped, and its verdicts can be compared with another program's.

#ifndef LIBMINILLM_EVAL_CHOICE_LOG_H_
#define LIBMINILLM_EVAL_CHOICE_LOG_H_

#include <optional>
#include <string>
#include <vector>

#include "libminillm/core/file_descriptor.h"
#include "libminillm/eval/choice_eval.h"

namespace minillm {

// The file is JSON lines. A line with a "task" says what the lines after it belong to: the file of
// the items and its SHA-256, and the SHA-256 of the model. Every other line is an item: its number
// and id, "logp" and "tokens" of every choice, then which choice is "right" and which is best by
// each way to count, or, of continuations, "most_probable" and "greedy"; or "not_asked", why it was
// not. Numbers are written so that they are read back to the same bits.
class ChoiceLog {
 public:
  // Reads what is in the file already; an empty path is no file. `model` names all that scores
  // depend on. With `reads_only` nothing is written: for all ranks but the first. Throws Error
  // `items '<path>'...` on a line that is none of these, except for a last one that was cut off,
  // and if the file cannot be written.
  ChoiceLog(const std::string& path, std::string model, bool reads_only = false);
  ~ChoiceLog();

  // The scores of the task's items that the file has, nothing for the others. Items that are added
  // from now on are this task's, which must outlive that. Throws Error if what the file has of the
  // task was made of another file or by another model.
  std::vector<std::optional<ItemScore>> begin(const ChoiceTask& task);
  void add(size_t item, const ItemScore& score);

 private:
  struct Section;  // a task's line and its items

  std::string path_, model_;
  std::vector<Section> sections_;
  std::optional<FileDescriptor> file_;
  const ChoiceTask* task_ = nullptr;
  bool announced_ = false;  // the task's line is written
};

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_CHOICE_LOG_H_
