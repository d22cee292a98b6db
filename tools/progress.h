// Progress: the terminal's face of training. On a terminal a bar with ETA, loss and tokens/s;
// elsewhere a line per log interval. Everything goes to stderr.

#ifndef TOOLS_PROGRESS_H_
#define TOOLS_PROGRESS_H_

#include <chrono>

#include "libminillm/train/trainer.h"

namespace minillm {

class Progress {
 public:
  Progress();
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Callbacks that draw here; this object must outlive them.
  TrainerEvents events();

 private:
  void draw(const StepReport& report);
  void print(const std::string& line);
  void clear_bar();

  bool terminal_;
  bool bar_drawn_ = false;
  std::chrono::steady_clock::time_point last_draw_{};
};

}  // namespace minillm

#endif  // TOOLS_PROGRESS_H_
