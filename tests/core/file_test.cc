#include "libminillm/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

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
