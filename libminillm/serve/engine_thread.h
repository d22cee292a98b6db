// EngineThread: the one thread in which models run. Several engines take turns, a step each.

#ifndef LIBMINILLM_SERVE_ENGINE_THREAD_H_
#define LIBMINILLM_SERVE_ENGINE_THREAD_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "libminillm/generate/engine.h"

namespace minillm {

class EngineThread {
 public:
  // Begins to run. The engines must outlive it.
  // `on_failure` is called, in that thread, if a step throws (no memory, say): nothing runs then.
  EngineThread(std::vector<Engine*> engines, std::function<void(const std::string&)> on_failure);
  // Ends after the step under way; requests that are left get no call any more.
  ~EngineThread();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  // There is something to do: to be called after Engine::submit() and cancel(), from any thread.
  void wake();

 private:
  void run();
  bool step_all();

  std::vector<Engine*> engines_;
  std::function<void(const std::string&)> on_failure_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool awake_ = false, stopping_ = false;
  std::thread thread_;  // the last: it uses the others
};

}  // namespace minillm

#endif  // LIBMINILLM_SERVE_ENGINE_THREAD_H_
