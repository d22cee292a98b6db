// Loops on several threads: every part once, whatever else happens.

#include "libminillm/core/threads.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "tests/testing/compare.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

using minillm_testing::ThreadCount;

void sleep_ms(int count) { std::this_thread::sleep_for(std::chrono::milliseconds(count)); }

// How many threads are in a loop at once; those that are in it wait for `expected` of them, up to
// 20 s, as a machine may be busy with other work.
int threads_at_work(int expected) {
  std::atomic<int> now = 0, most = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for_parts(40, [&](Index) {
    const int own = ++now;
    for (int seen = most; own > seen && !most.compare_exchange_weak(seen, own);) continue;
    while (most < expected && std::chrono::steady_clock::now() < deadline) sleep_ms(1);
    sleep_ms(1);  // one more would have time to come
    --now;
  });
  return most;
}

TEST(Threads, EveryPartIsDoneOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    const ThreadCount scope(threads);
    for (const Index parts : {0, 1, 2, 7, 1000})
      for (int repeat = 0; repeat < 50; ++repeat) {
        std::vector<int> done(static_cast<size_t>(parts));
        for_parts(parts, [&](Index part) { ++done[static_cast<size_t>(part)]; });
        EXPECT_EQ(done, std::vector<int>(done.size(), 1));
      }
  }
}

TEST(Threads, RangesMakeUpTheWhole) {
  for (const int threads : {1, 3}) {
    const ThreadCount scope(threads);
    for (const Index count : {0, 1, 5, 12, 13, 1001}) {
      std::vector<int> done(static_cast<size_t>(count));
      for_ranges(count, true, [&](Index begin, Index end) {
        EXPECT_LT(begin, end);
        for (Index i = begin; i < end; ++i) ++done[static_cast<size_t>(i)];
      });
      EXPECT_EQ(done, std::vector<int>(done.size(), 1));
    }
  }
}

TEST(Threads, AsManyWorkAsWereAskedFor) {
  for (const int threads : {3, 4, 2}) {
    const ThreadCount scope(threads);
    for_parts(40, [](Index) { sleep_ms(1); });  // a helper less has seen that it is
    EXPECT_EQ(threads_at_work(threads), threads);
  }
}

// A thread whose core is taken away holds up what it has claimed, and no more.
TEST(Threads, AThreadThatIsHeldUpHoldsUpOnePart) {
  const ThreadCount scope(2);
  const std::thread::id own = std::this_thread::get_id();
  std::atomic<int> of_other = 0, of_own = 0;
  for_parts(100, [&](Index) {
    if (std::this_thread::get_id() == own) {
      ++of_own;
      sleep_ms(1);
    } else {
      ++of_other;
      sleep_ms(60);
    }
  });
  EXPECT_EQ(of_own + of_other, 100);
  EXPECT_LE(of_other, 20);
}

TEST(Threads, ALoopInsideAPartRunsOnItsThread) {
  const ThreadCount scope(2);
  std::atomic<int> sum = 0;
  for_parts(4, [&](Index) {
    EXPECT_EQ(threads_here(), 1);
    const auto own = std::this_thread::get_id();
    for_parts(10, [&](Index) {
      EXPECT_EQ(std::this_thread::get_id(), own);
      ++sum;
    });
  });
  EXPECT_EQ(sum, 40);
  EXPECT_EQ(threads_here(), 2);
}

TEST(Threads, SeveralCallersHaveTheirLoopsDone) {
  const ThreadCount scope(3);
  std::vector<long> sums(4);
  std::vector<std::thread> callers;
  for (long& sum : sums)
    callers.emplace_back([&sum] {
      for (int repeat = 0; repeat < 500; ++repeat) {
        std::vector<long> values(64);
        for_parts(64, [&](Index i) { values[static_cast<size_t>(i)] = i; });
        for (const long value : values) sum += value;
      }
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sums, std::vector<long>(4, 500L * 64 * 63 / 2));
}

TEST(Threads, AnExceptionArrivesWhenAllHaveEnded) {
  const ThreadCount scope(3);
  for (int repeat = 0; repeat < 20; ++repeat) {
    std::atomic<int> done = 0;
    EXPECT_ERROR(parallel_for(40,
                              [&](size_t i) {
                                ++done;
                                if (i % 10 == 3) throw Error("part " + std::to_string(i));
                              }),
                 "part ");
    EXPECT_EQ(done, 40);
  }
}

TEST(Threads, AChildOfForkHasItsOwn) {
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
  GTEST_SKIP() << "the sanitizer ends a child that begins threads";
#endif
#endif
  const ThreadCount scope(3);
  for_parts(100, [](Index) {});
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    _exit(threads_at_work(3) == 3 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(Threads, TheEnvironmentsNumberIsChecked) {
  for (const std::string bad : {"0", "-2", "many", "2x", "5000", "1e2", " "})
    EXPECT_ERROR(internal::parse_thread_count(bad),
                 "threads: expected 1 to 1024, got " + bad + " (OMP_NUM_THREADS)");
  EXPECT_EQ(internal::parse_thread_count(""), 0);
  EXPECT_EQ(internal::parse_thread_count("16"), 16);
  EXPECT_EQ(internal::parse_thread_count("4,2"), 4);
}

}  // namespace
}  // namespace minillm
