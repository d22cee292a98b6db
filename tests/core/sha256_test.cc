#include "libminillm/core/sha256.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/testing/temp_dir.h"

namespace minillm {
namespace {

// NIST's example values for FIPS 180-4.
TEST(Sha256, MatchesThePublishedExamples) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, DoesNotDependOnHowTheBytesArePieced) {
  // Lengths around a block of 64 bytes, and around 56, where padding needs another block.
  for (size_t length : {1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 200}) {
    std::string bytes;
    for (size_t i = 0; i < length; ++i) bytes += static_cast<char>(i * 7);
    for (size_t piece : {1, 3, 63, 64, 65, 129}) {
      Sha256 hash;
      for (size_t i = 0; i < length; i += piece)
        hash.update(std::string_view(bytes).substr(i, piece));
      EXPECT_EQ(hash.hex(), sha256(bytes)) << length << " bytes in pieces of " << piece;
    }
  }
}

TEST(Sha256, ThePortableWayGivesWhatTheProcessorsInstructionsGive) {
  uint32_t portable[8] = {1, 20, 300, 4000, 50000, 600000, 7000000, 80000000}, best[8];
  std::copy_n(portable, 8, best);
  unsigned char blocks[64 * 5];
  for (size_t i = 0; i < sizeof(blocks); ++i) blocks[i] = static_cast<unsigned char>(i * i + 3);
  sha256_blocks_portable(portable, blocks, 5);
  sha256_blocks(best, blocks, 5);
  EXPECT_TRUE(std::equal(portable, portable + 8, best));
}

TEST(Sha256, HashesFilesLikeTheirContent) {
  const minillm_testing::TempDir dir;
  EXPECT_EQ(sha256_file(dir.write("abc", "abc")), sha256("abc"));
  EXPECT_EQ(sha256_file(dir.write("empty", "")), sha256(""));
}

}  // namespace
}  // namespace minillm
