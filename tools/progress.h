// Progress: the terminal's face of training. On a terminal a bar with ETA, loss and tokens/s;
// elsewhere a line per log interval. Everything goes to stderr.

#ifndef TOOLS_PROGRESS_H_
#define TOOLS_PROGRESS_H_

#include <unistd.h>

#include <chrono>
#include <string>

#include "libminillm/train/trainer.h"

namespace minillm {

// The bar of one piece of work after another, with the time that is left. Work that is done before
// there is anything to say is not shown; where no terminal is, a line every ten seconds.
class WorkBar {
 public:
  ~WorkBar() { clear(); }
  void draw(const std::string& work, double done, double total);
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  const bool terminal_ = isatty(STDERR_FILENO) == 1;
  bool drawn_ = false;
  std::string work_;
  Clock::time_point begun_, last_;
};

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
  WorkBar work_;
  std::chrono::steady_clock::time_point last_draw_{};
};

}  // namespace minillm

#endif  // TOOLS_PROGRESS_H_
