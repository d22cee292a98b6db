// Error: the one exception the library throws, for what the world or the caller can get wrong.
//
// The library never prints and never exits. A tool catches Error once, prints `error: <what>` and
// returns `exit_code()`.

#ifndef LIBMINILLM_CORE_ERROR_H_
#define LIBMINILLM_CORE_ERROR_H_

#include <stdexcept>
#include <string>

namespace minillm {

// Exit codes of every tool. 0 is success.
enum class ExitCode : int {
  kError = 1,          // bad input, full disk, damaged file: one line says what
  kUsage = 2,          // wrong options or config values
  kLocked = 3,         // another process is writing to the run directory
  kDiverged = 4,       // training produced non-finite numbers too often
  kInterrupted = 130,  // Ctrl-C or SIGTERM; the run was saved and can be resumed
};

// Message grammar: `<subject>: <what is wrong>: expected X, got Y (<hint>)`. Lower case, no full
// stop, paths and names in single quotes, the remedy in brackets when there is one.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, ExitCode code = ExitCode::kError)
      : std::runtime_error(message), code_(code) {}
  ExitCode exit_code() const { return code_; }

 private:
  ExitCode code_;
};

// The operating system refused: out of space, no permission, a disk error. The file itself may be
// sound, so nobody may take it for damaged.
class SystemError : public Error {
 public:
  SystemError(const std::string& message, int error_number)
      : Error(message), error_number_(error_number) {}
  int error_number() const { return error_number_; }  // errno

 private:
  int error_number_;
};

}  // namespace minillm

#endif  // LIBMINILLM_CORE_ERROR_H_
