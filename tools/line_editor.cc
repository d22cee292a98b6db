#include "tools/line_editor.h"

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <iostream>

#ifdef MINILLM_WITH_LIBEDIT
#include <histedit.h>
#endif

namespace minillm {

#ifdef MINILLM_WITH_LIBEDIT
struct LineEditor::State {
  explicit State(std::string text) : prompt(std::move(text)) {
    std::setlocale(LC_CTYPE, "");  // what is typed may be UTF-8; numbers stay as they are
    lines = history_init();
    HistEvent event;
    history(lines, &event, H_SETSIZE, 1000);
    history(lines, &event, H_SETUNIQUE, 1);
    editor = el_init("minillm", stdin, stdout, stderr);
    el_set(editor, EL_CLIENTDATA, this);
    el_set(
        editor, EL_PROMPT, +[](EditLine* el) -> char* {
          State* self = nullptr;
          el_get(el, EL_CLIENTDATA, &self);
          return self->prompt.data();
        });
    el_set(editor, EL_EDITOR, "emacs");
    el_set(editor, EL_HIST, history, lines);
    el_set(editor, EL_SIGNAL, 0);
    el_source(editor, nullptr);  // ~/.editrc
  }
  ~State() {
    el_end(editor);
    history_end(lines);
  }

  std::string prompt;
  History* lines;
  EditLine* editor;
};

LineEditor::Result LineEditor::read(std::string& line) {
  int length = 0;
  errno = 0;
  const char* typed = el_gets(state_->editor, &length);
  if (typed == nullptr || length < 0) {
    if (errno != EINTR) return Result::kEnd;
    el_reset(state_->editor);
    return Result::kInterrupted;
  }
  line.assign(typed, static_cast<size_t>(length));
  if (line.find_first_not_of(" \t\r\n") != std::string::npos) {
    HistEvent event;
    history(state_->lines, &event, H_ENTER, line.c_str());
  }
  if (line.ends_with('\n')) line.pop_back();
  return Result::kLine;
}
#else
struct LineEditor::State {
  std::string prompt;
};

LineEditor::Result LineEditor::read(std::string& line) {
  std::cout << state_->prompt << std::flush;
  errno = 0;
  if (std::getline(std::cin, line)) return Result::kLine;
  if (errno != EINTR) return Result::kEnd;
  std::cin.clear();
  std::clearerr(stdin);
  return Result::kInterrupted;
}
#endif

LineEditor::LineEditor(std::string prompt) : state_(new State{std::move(prompt)}) {}
LineEditor::~LineEditor() = default;

}  // namespace minillm
