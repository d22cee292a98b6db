// LineEditor: lines typed at a terminal, with editing and a history where the build has libedit
// (MINILLM_WITH_LIBEDIT).

#ifndef TOOLS_LINE_EDITOR_H_
#define TOOLS_LINE_EDITOR_H_

#include <memory>
#include <string>

namespace minillm {

class LineEditor {
 public:
  enum class Result { kLine, kInterrupted, kEnd };

  explicit LineEditor(std::string prompt);
  ~LineEditor();

  // Waits for a line, which comes without its end. kInterrupted: a signal came meanwhile.
  Result read(std::string& line);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace minillm

#endif  // TOOLS_LINE_EDITOR_H_
