#include "libminillm/serve/engine_thread.h"

#include <exception>
#include <utility>

namespace minillm {

EngineThread::EngineThread(std::vector<Engine*> engines,
                           std::function<void(const std::string&)> on_failure)
    : engines_(std::move(engines)),
      on_failure_(std::move(on_failure)),
      thread_([this] { run(); }) {}

EngineThread::~EngineThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void EngineThread::wake() {
  {
    const std::lock_guard lock(mutex_);
    awake_ = true;
  }
  changed_.notify_all();
}

void EngineThread::run() {
  try {
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return awake_ || stopping_; });
        if (stopping_) return;
        awake_ = false;
      }
      while (step_all()) {
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
      }
    }
  } catch (const std::exception& error) {
    on_failure_(error.what());
  }
}

bool EngineThread::step_all() {
  bool worked = false;
  for (Engine* engine : engines_) worked = engine->step() || worked;
  return worked;
}

}  // namespace minillm
