#include "libminillm/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "libminillm/core/error.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/file_size_limit.h"
#include "tests/testing/temp_dir.h"

namespace minillm {
namespace {

using minillm_testing::FileSizeLimit;
using minillm_testing::TempDir;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(ReadFile, ReturnsEveryByte) {
  const TempDir dir;
  const std::string content("a\0\r\n\xff", 5);
  EXPECT_EQ(read_file(dir.write("f", content)), content);
  EXPECT_EQ(read_file(dir.write("empty", "")), "");
  EXPECT_THAT(read_file("/proc/self/status"),
              HasSubstr("Pid:"));  // a file that claims to have 0 bytes
}

TEST(ReadFile, SaysWhyItCannot) {
  const TempDir dir;
  EXPECT_ERROR(read_file(dir.file("no")), "/no': cannot open: No such file or directory");
  EXPECT_ERROR(read_file(dir.path()), "cannot read: it is a directory");
}

TEST(WriteFileAtomic, ReplacesTheFileAndLeavesNothingElse) {
  const TempDir dir;
  const std::string path = dir.write("f", "old and longer");
  write_file_atomic(path, "new");
  EXPECT_EQ(read_file(path), "new");
  const std::string_view pieces[] = {"head", "", "er"};
  write_file_atomic(path, pieces);
  EXPECT_EQ(read_file(path), "header");
  EXPECT_THAT(list_directory(dir.path()), ElementsAre("f"));
}

TEST(WriteFileAtomic, KeepsTheOldFileWhenTheDiskIsFull) {
  const TempDir dir;
  const std::string path = dir.write("f", "old");
  {
    const FileSizeLimit limit(4096);
    EXPECT_ERROR(write_file_atomic(path, std::string(5000, 'x')), "cannot write: File too large");
  }
  EXPECT_EQ(read_file(path), "old");
  EXPECT_THAT(list_directory(dir.path()), ElementsAre("f"));
}

TEST(WriteFileAtomic, IsWholeWhenTwoThreadsWriteTheSameFile) {
  const TempDir dir;
  const std::string path = dir.file("f");
  const auto write = [&](char letter) {
    for (int i = 0; i < 20; ++i) write_file_atomic(path, std::string(1000, letter));
  };
  std::thread other(write, 'a');
  write('b');
  other.join();
  EXPECT_THAT(read_file(path), testing::AnyOf(std::string(1000, 'a'), std::string(1000, 'b')));
  EXPECT_THAT(list_directory(dir.path()), ElementsAre("f"));
}

TEST(WriteFileAtomic, NamesThePathAndTheReason) {
  const TempDir dir;
  EXPECT_ERROR(write_file_atomic(dir.file("no/f"), "x"), "cannot open: No such file or directory");
  EXPECT_ERROR(write_file_atomic(dir.path(), "x"), "cannot write: it is a directory");
}

// Nothing waits for a pipe's writer, and no device is read without end.
TEST(ReadFile, ReadsFilesOnlyUnlessAskedForMore) {
  TempDir dir;
  const std::string pipe = dir.file("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0666), 0);
  EXPECT_ERROR(read_file(pipe), "pipe': cannot read: expected a file, got a pipe");
  EXPECT_ERROR(sha256_file(pipe), "expected a file, got a pipe");
  EXPECT_ERROR(MappedFile{pipe}, "expected a file, got a pipe");
  EXPECT_ERROR(read_file("/dev/zero"), "expected a file, got a device");
  EXPECT_ERROR(read_stream("/dev/zero", 1000), "'/dev/zero': too long: expected at most 1000");
  std::thread writer([&] { std::ofstream(pipe) << "from a pipe"; });
  EXPECT_EQ(read_stream(pipe, 1000), "from a pipe");
  writer.join();
  const std::string link = dir.file("link");
  std::filesystem::create_symlink(dir.write("file", "content"), link);
  EXPECT_EQ(read_file(link), "content") << "caches of models are made of links";
}

TEST(ReadFile, ComparesTheSizeBeforeItReads) {
  TempDir dir;
  const std::string path = dir.write("sparse", "");
  std::filesystem::resize_file(path, uint64_t{1} << 40);
  EXPECT_ERROR(read_file(path, 1000),
               "sparse': too long: expected at most 1000 bytes, got 1099511627776");
}

TEST(WriteFileAtomic, FollowsNoLinkThatIsPrepared) {
  TempDir dir;
  const std::string victim = dir.write("victim", "precious");
  std::filesystem::create_symlink(victim, dir.file("x"));
  write_file_atomic(dir.file("x"), "new");
  EXPECT_EQ(read_file(victim), "precious");
  EXPECT_EQ(read_file(dir.file("x")), "new");
  EXPECT_FALSE(std::filesystem::is_symlink(dir.file("x")));
  // Two writers of one name do not get the same temporary name, nor one that can be guessed.
  std::set<std::string> names;
  for (int i = 0; i < 3; ++i) {
    const FileTransaction file(dir.file("y"));
    for (const std::string& name : list_directory(dir.path()))
      if (!temporary_of(name).empty()) names.insert(name);
  }
  EXPECT_EQ(names.size(), 3u);
}

TEST(TemporaryOf, KnowsOnlyNamesThatAreGivenHere) {
  EXPECT_EQ(temporary_of("LATEST.tmp-12-0123456789abcdef"), "LATEST");
  for (const char* name : {"backup.tmp-2024-01-05", "x.tmp-12-0", "x.tmp-12-0123456789abcdeg",
                           "x.tmp--0123456789abcdef", "x.tmp-12-0123456789abcdef0", "x", ""})
    EXPECT_EQ(temporary_of(name), "") << name;
}

TEST(WriteOutput, WritesToWhatIsThere) {
  TempDir dir;
  const std::string file = dir.write("file", "old"), link = dir.file("link");
  ASSERT_EQ(chmod(file.c_str(), 0640), 0);
  std::filesystem::create_symlink(file, link);
  write_output(link, "new");
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(read_file(file), "new");
  struct stat status;
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
  // A link to a file that is not there yet.
  std::filesystem::create_symlink(dir.file("later"), dir.file("dangling"));
  write_output(dir.file("dangling"), "made");
  EXPECT_EQ(read_file(dir.file("later")), "made");
  // A pipe and a device are written to, and stay.
  const std::string pipe = dir.file("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0666), 0);
  std::string received;
  std::thread reader([&] { received = read_stream(pipe, 1000); });
  write_output(pipe, "through");
  reader.join();
  EXPECT_EQ(received, "through");
  write_output("/dev/null", "nothing");
  EXPECT_FALSE(is_regular_file("/dev/null"));
  EXPECT_ERROR(write_output("/dev/full", "x"), "'/dev/full': cannot write: No space left");
  EXPECT_ERROR(write_output(dir.path(), "x"), "it is a directory");
}

TEST(Directories, AreCreatedListedAndRemoved) {
  const TempDir dir;
  const std::string nested = dir.file("a/b/c/");
  create_directories(nested);
  create_directories(nested);
  EXPECT_TRUE(is_directory(nested));
  write_file_atomic(join_path(nested, "z"), "12345");
  write_file_atomic(join_path(nested, "y"), "");
  EXPECT_THAT(list_directory(nested), ElementsAre("y", "z"));
  EXPECT_EQ(file_size(join_path(nested, "z")), 5u);
  EXPECT_TRUE(file_exists(join_path(nested, "y")));
  EXPECT_FALSE(file_exists(join_path(nested, "x")));
  remove_all(dir.file("a"));
  EXPECT_FALSE(file_exists(dir.file("a")));
  remove_all(dir.file("a"));
}

TEST(Directories, SayWhyTheyCannot) {
  const TempDir dir;
  dir.write("file", "x");
  EXPECT_ERROR(create_directories(dir.file("file/sub")), "file': cannot create: File exists");
  EXPECT_ERROR(create_directories(dir.file("file")), "file': cannot create");
  EXPECT_ERROR(list_directory(dir.file("no")), "cannot read: No such file or directory");
  EXPECT_ERROR(file_size(dir.file("no")), "cannot inspect: No such file or directory");
}

TEST(JoinPath, PutsOneSlashBetween) {
  EXPECT_EQ(join_path("a", "b"), "a/b");
  EXPECT_EQ(join_path("a/", "b"), "a/b");
  EXPECT_EQ(join_path("", "b"), "b");
}

TEST(DirectoryTransaction, AppearsAllAtOnce) {
  const TempDir dir;
  DirectoryTransaction transaction(dir.file("parent/done/"));
  transaction.write("a", "1");
  transaction.write("b", "2");
  EXPECT_FALSE(file_exists(dir.file("parent/done")));
  transaction.commit();
  EXPECT_THAT(list_directory(dir.file("parent")), ElementsAre("done"));
  EXPECT_THAT(list_directory(dir.file("parent/done")), ElementsAre("a", "b"));
}

TEST(DirectoryTransaction, RemovesItselfUnlessCommitted) {
  const TempDir dir;
  {
    DirectoryTransaction transaction(dir.file("done"));
    transaction.write("a", "1");
    EXPECT_THAT(list_directory(dir.path()), ElementsAre(HasSubstr("done.tmp-")));
    const FileSizeLimit limit(4096);
    EXPECT_ERROR(transaction.write("b", std::string(5000, 'x')),
                 "b': cannot write: File too large");
  }
  EXPECT_THAT(list_directory(dir.path()), ElementsAre());
}

TEST(DirectoryTransaction, NeverReplacesWhatIsThere) {
  const TempDir dir;
  create_directories(dir.file("done"));
  DirectoryTransaction transaction(dir.file("done"));
  EXPECT_ERROR(transaction.commit(), "done': already exists (remove it, or choose another name)");
}

TEST(MappedFile, HoldsTheWholeFileAlsoAfterItIsReplaced) {
  const TempDir dir;
  const std::string path = dir.write("f", "content");
  MappedFile first(path);
  const MappedFile map = std::move(first);
  write_file_atomic(path, "other");
  EXPECT_EQ(map.text(), "content");
  EXPECT_EQ(map.bytes().size(), 7u);
  EXPECT_TRUE(first.bytes().empty());
  EXPECT_TRUE(MappedFile(dir.write("empty", "")).bytes().empty());
  EXPECT_ERROR(MappedFile(dir.path()), "it is a directory");
  EXPECT_ERROR(MappedFile(dir.file("no")), "cannot open: No such file or directory");
}

TEST(MappedFile, ThatIsCutOffIsAnErrorAndNoSignal) {
  guard_mapped_files();
  TempDir dir;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const std::string path = dir.write("x", std::string(3 * page, 'a'));
  MappedFile file(path);
  const MappedFile other(dir.write("y", "b"));
  EXPECT_NO_THROW(file.expect_whole());
  std::filesystem::resize_file(path, page + 10);
  const std::string_view text = file.text();
  EXPECT_EQ(text[page], 'a');
  EXPECT_EQ(text[3 * page - 1], '\0') << "zeros instead of SIGBUS";
  EXPECT_EQ(text[2 * page], '\0');
  EXPECT_ERROR(file.expect_whole(), "x': became shorter while it was read: expected");
  // What was read stays wrong, even if the file is as long as before again.
  std::filesystem::resize_file(path, 3 * page);
  EXPECT_ERROR(file.expect_whole(), "became shorter");
  EXPECT_NO_THROW(other.expect_whole());
  file = MappedFile(path);
  EXPECT_NO_THROW(file.expect_whole());
}

TEST(MappedFileDeathTest, OtherBusErrorsEndTheProcessAsBefore) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "the sanitizer has a handler of its own, which reports";
#endif
#endif
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        guard_mapped_files();
        raise(SIGBUS);
        _exit(0);
      },
      testing::KilledBySignal(SIGBUS), "");
}

TEST(RunLock, IsHeldByOneAndNamesIt) {
  const TempDir dir;
  {
    const RunLock lock(dir.path());
    try {
      const RunLock second(dir.path());
      ADD_FAILURE() << "a second lock was given";
    } catch (const Error& e) {
      EXPECT_EQ(e.exit_code(), ExitCode::kLocked);
      EXPECT_THAT(e.what(),
                  HasSubstr("another process " + std::to_string(getpid()) + " is writing"));
    }
  }
  const RunLock again(dir.path());
}

TEST(RunLock, IsFreedWhenItsOwnerIsKilled) {
  const TempDir dir;
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const RunLock lock(dir.path());
    [[maybe_unused]] const ssize_t told = write(ready[1], "x", 1);
    pause();
    _exit(0);
  }
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_ERROR(RunLock(dir.path()), "another process " + std::to_string(child));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  const RunLock lock(dir.path());
}

}  // namespace
}  // namespace minillm
