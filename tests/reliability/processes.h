// Starting the program under test, and what became of it.

#ifndef TESTS_RELIABILITY_PROCESSES_H_
#define TESTS_RELIABILITY_PROCESSES_H_

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "libminillm/core/file.h"
#include "tests/testing/temp_dir.h"

namespace minillm_testing {

struct Outcome {
  int exit_code = 0;  // 128 + the signal that ended it
  std::string out, err;
};

// A program running beside the test; its output goes to files.
class Process {
 public:
  explicit Process(std::vector<std::string> command) {
    for (const char* name : {"out", "err"})
      logs_.write(name, "");  // the process may be killed before it creates it
    pid_ = fork();
    if (pid_ == 0) {
      redirect(STDOUT_FILENO, logs_.file("out"));
      redirect(STDERR_FILENO, logs_.file("err"));
      std::vector<char*> arguments;
      for (std::string& word : command) arguments.push_back(word.data());
      arguments.push_back(nullptr);
      execv(arguments[0], arguments.data());
      _exit(127);
    }
  }
  ~Process() {
    if (pid_ <= 0) return;
    kill();
    wait();
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void kill(int signal = SIGKILL) const { ::kill(pid_, signal); }
  pid_t pid() const { return pid_; }
  Outcome wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return {WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
            minillm::read_file(logs_.file("out")), minillm::read_file(logs_.file("err"))};
  }

 private:
  static void redirect(int descriptor, const std::string& path) {
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    dup2(file, descriptor);
    close(file);
  }

  TempDir logs_;
  pid_t pid_ = 0;
};

inline Outcome run_process(std::vector<std::string> command) {
  return Process(std::move(command)).wait();
}

// Where this test program is: the other programs under test are beside it.
inline std::string program_beside_this(const std::string& name) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / name).string();
}

// Long tests are many more of the same cases; MINILLM_LONG_TESTS=1 asks for them.
inline bool long_tests() { return std::getenv("MINILLM_LONG_TESTS") != nullptr; }

// How many cases: `many` in the long tier, else `few`; under the address sanitizer, where processes
// are slow to start, a third of those: the plain build tries them all.
inline int cases(int few, int many) {
#if defined(__SANITIZE_ADDRESS__)
  constexpr bool kSlow = true;
#elif defined(__has_feature)
  constexpr bool kSlow = __has_feature(address_sanitizer);
#else
  constexpr bool kSlow = false;
#endif
  return long_tests() ? many : kSlow ? few / 3 : few;
}

}  // namespace minillm_testing

#endif  // TESTS_RELIABILITY_PROCESSES_H_
