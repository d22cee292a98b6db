#include "libminillm/core/file_kind.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/expect_error.h"

namespace {

using namespace minillm;
using namespace std::string_view_literals;
using testing::HasSubstr;

std::string kind(std::string_view head) { return describe_foreign_file(head).value_or(""); }

TEST(FileKind, IsToldByTheFirstBytes) {
  EXPECT_THAT(kind("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1\n"),
              HasSubstr("git lfs pull"));
  EXPECT_THAT(kind("\x1f\x8b\x08"sv), HasSubstr("gunzip"));
  EXPECT_THAT(kind("\x28\xb5\x2f\xfd"sv), HasSubstr("unzstd"));
  EXPECT_THAT(kind("PAR1\x15\x04"sv), HasSubstr("read_parquet"));
  EXPECT_THAT(kind("PK\x03\x04\x14"sv), HasSubstr("zip archive"));
  EXPECT_THAT(kind("%PDF-1.5"sv), HasSubstr("pdftotext"));
  EXPECT_THAT(kind("\n <!DOCTYPE HTML><html>"sv), HasSubstr("HTML page"));
  std::string tar(300, '\0');
  tar.replace(0, 5, "a.txt").replace(257, 5, "ustar");
  EXPECT_THAT(kind(tar), HasSubstr("tar -xf"));
}

TEST(FileKind, ToldUtf16WithAndWithoutAByteOrderMark) {
  EXPECT_THAT(kind("\xff\xfeT\0h\0e\0"sv), HasSubstr("iconv -f UTF-16 "));
  EXPECT_THAT(kind("\xff\xfe\0\0T\0\0\0"sv), HasSubstr("UTF-32"));
  EXPECT_THAT(kind("T\0h\0e\0 \0f\0o\0x\0"sv), HasSubstr("UTF-16LE"));
  EXPECT_THAT(kind("\0T\0h\0e\0 \0f\0o\0x"sv), HasSubstr("UTF-16BE"));
}

TEST(FileKind, TextIsNotForeign) {
  for (const auto text :
       {"The fox ran."sv, "{\"text\": \"a\"}"sv, "a,b\n1,2\n"sv, ""sv, "\xef\xbb\xbfThe fox"sv,
        "PARTS of it"sv, "<p>The fox</p>"sv, "\xd0\x9c\xd0\xb8\xd1\x80"sv, "a\0b: one NUL byte"sv})
    EXPECT_EQ(describe_foreign_file(text), std::nullopt) << text;
}

TEST(FileKind, TheErrorNamesFileAndRemedy) {
  EXPECT_ERROR(expect_not_foreign("a.txt", "PAR1"sv, "text"),
               "'a.txt': expected text, got a Parquet");
}

}  // namespace
