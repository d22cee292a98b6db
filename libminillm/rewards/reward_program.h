// RewardProgram: a reward that a program of the user's computes, whatever it is written in.
//
// It reads one JSON line for each answer from its standard input and writes one line for each to
// its standard output, a number or {"reward": NUMBER}, before it reads the next one (which is why
// it has to flush):
//
//   {"prompt": [{"role", "content"}, ...], "answer": TEXT, "ended": BOOL, "tokens": N,
//    "expect": [TEXT, ...], "kind": TEXT}

#ifndef LIBMINILLM_REWARDS_REWARD_PROGRAM_H_
#define LIBMINILLM_REWARDS_REWARD_PROGRAM_H_

#include <span>
#include <string>
#include <vector>

#include "libminillm/rewards/rewards.h"

namespace minillm {

class RewardProgram {
 public:
  // Starts `command` in a shell; what it writes to standard error is seen. Throws Error if that
  // fails.
  RewardProgram(std::string command, double seconds_per_answer);
  ~RewardProgram();  // closes its input, and ends it if it does not end within a second
  RewardProgram(const RewardProgram&) = delete;
  RewardProgram& operator=(const RewardProgram&) = delete;

  // Throws Error if it ends, takes too long, or writes anything else.
  std::vector<double> operator()(std::span<const RewardedAnswer> answers);

 private:
  void send(std::string_view line);
  std::string receive();
  double reward_in(const std::string& line) const;
  [[noreturn]] void fail(const std::string& what) const;

  const std::string command_;
  const double seconds_;
  int socket_ = -1;
  int process_ = -1;
  std::string received_;  // beyond the last line
};

}  // namespace minillm

#endif  // LIBMINILLM_REWARDS_REWARD_PROGRAM_H_
