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
  void draw(const StepReport& report);  // a step of training; on a terminal only
  void clear();

 private:
  void show(double share, const std::string& text);

  using Clock = std::chrono::steady_clock;
  const bool terminal_ = isatty(STDERR_FILENO) == 1;
  bool drawn_ = false;
  std::string work_;
  double done_ = 0;
  Clock::time_point begun_, last_;
};

class Progress {
 public:
  Progress() = default;
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Callbacks that draw here; this object must outlive them.
  TrainerEvents events();

 private:
  void print(const std::string& line);

  WorkBar bar_;
};

}  // namespace minillm

#endif  // TOOLS_PROGRESS_H_
