// Normalization form C: facts of the Standard, and that lines which are left alone are in it.

#include "libminillm/data/normal_form.h"

#include <gtest/gtest.h>

#include "libminillm/core/rng.h"
#include "tests/data/test_tokenizer.h"

namespace minillm {
namespace {

class NormalForm : public testing::Test {
 protected:
  void SetUp() override {
    if (!can_normalize()) GTEST_SKIP() << "built without utf8proc";
  }
};

TEST_F(NormalForm, ComposesWhatHasOneCharacter) {
  EXPECT_EQ(normalize_nfc(""), "");
  EXPECT_EQ(normalize_nfc("plain \xc3\xa9\n"), "plain \xc3\xa9\n");
  EXPECT_EQ(normalize_nfc("e\xcc\x81"), "\xc3\xa9");
  EXPECT_EQ(normalize_nfc("\ne\xcc\x81\n\nx"), "\n\xc3\xa9\n\nx");
  EXPECT_EQ(normalize_nfc("s\xcc\x87\xcc\xa3"), "\xe1\xb9\xa9");         // marks change places
  EXPECT_EQ(normalize_nfc("\xe2\x84\xa6"), "\xce\xa9");                  // the ohm sign
  EXPECT_EQ(normalize_nfc("\xe0\xa5\x98"), "\xe0\xa4\x95\xe0\xa4\xbc");  // is excluded: decomposes
  EXPECT_EQ(normalize_nfc("\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8"), "\xea\xb0\x81");  // Hangul
  EXPECT_EQ(normalize_nfc("\xea\xb0\x80\xe1\x86\xa8"), "\xea\xb0\x81");
  EXPECT_EQ(normalize_nfc("\xef\xac\x81"), "\xef\xac\x81");  // a ligature stays
  EXPECT_EQ(normalize_nfc("\xe4\xb8\xad\xe2\x80\x99"), "\xe4\xb8\xad\xe2\x80\x99");
}

TEST_F(NormalForm, StaysAsItIs) {
  Rng rng(5);
  for (int i = 0; i < 2000; ++i) {
    const std::string once = normalize_nfc(minillm_testing::random_text(rng));
    EXPECT_EQ(normalize_nfc(once), once);
  }
}

}  // namespace
}  // namespace minillm
