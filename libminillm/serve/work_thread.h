// WorkThread: does one thing after another, in the order in which they come.

#ifndef LIBMINILLM_SERVE_WORK_THREAD_H_
#define LIBMINILLM_SERVE_WORK_THREAD_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace minillm {

class WorkThread {
 public:
  WorkThread() : thread_([this] { run(); }) {}
  // Ends after the work under way; what waits is not done.
  ~WorkThread();
  WorkThread(const WorkThread&) = delete;
  WorkThread& operator=(const WorkThread&) = delete;

  // From any thread. `work` must not throw.
  void post(std::function<void()> work);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::thread thread_;  // the last: it uses the others
};

}  // namespace minillm

#endif  // LIBMINILLM_SERVE_WORK_THREAD_H_
