#include "libminillm/data/sentencepiece_check.h"

#include <gtest/gtest.h>

#include "libminillm/core/error.h"
#include "libminillm/core/file.h"
#include "libminillm/core/rng.h"
#include "libminillm/data/tokenizer.h"
#include "tests/data/test_tokenizer.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/test_data.h"

namespace minillm {
namespace {

using minillm_testing::test_data_path;
using minillm_testing::test_tokenizer;

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(0x80 | (value & 0x7f));
  return bytes + static_cast<char>(value);
}
std::string field(int number, const std::string& content) {
  return varint(static_cast<uint64_t>(number) << 3 | 2) + varint(content.size()) + content;
}
std::string number_field(int number, uint64_t value) {
  return varint(static_cast<uint64_t>(number) << 3) + varint(value);
}

std::string piece(const std::string& text, PieceType type = PieceType::kNormal,
                  const std::string& score = std::string(4, '\0')) {
  return field(1, field(1, text) + "\x15" + score + number_field(3, static_cast<uint64_t>(type)));
}
// The smallest model that passes: BPE without byte fallback.
std::string small_model(const std::string& more = "") {
  return piece("<unk>", PieceType::kUnknown) + piece("<s>", PieceType::kControl) + piece("a") +
         more + field(2, number_field(3, 2)) + field(3, field(1, "identity"));
}

void expect_refused(const std::string& bytes, const std::string& message) {
  EXPECT_ERROR(check_sentencepiece_model(bytes, "x.model"), message);
}

TEST(SentencepieceCheck, ReadsPiecesAndOptions) {
  const SentencePieceModelInfo model = check_sentencepiece_model(small_model(), "x.model");
  ASSERT_EQ(model.pieces.size(), 3u);
  EXPECT_EQ(model.pieces[1].text, "<s>");
  EXPECT_EQ(model.pieces[1].type, PieceType::kControl);
  EXPECT_TRUE(model.is_bpe);
  EXPECT_TRUE(model.add_dummy_prefix);
  EXPECT_EQ(Tokenizer::from_bytes(small_model(), "x.model").vocab_size(), 3);
}

TEST(SentencepieceCheck, RefusesPiecesThatSentencepieceTrusts) {
  expect_refused(small_model(piece("a")), "tokenizer 'x.model': piece 3 'a' appears twice");
  expect_refused(small_model(piece("<s>")), "piece 3 '<s>' appears twice");
  expect_refused(small_model(piece("")),
                 "piece 3 has a bad length: expected 1 to 1024 bytes, got 0");
  expect_refused(small_model(piece(std::string(100000, 'x'))),
                 "piece 3 has a bad length: expected 1 to 1024 bytes, got 100000");
  expect_refused(small_model(piece(std::string("a\0b", 3))), "piece 3 contains a NUL");
  expect_refused(small_model(piece("\xff")), "piece 3 is not UTF-8");
  expect_refused(small_model(piece("b", PieceType::kNormal, {0, 0, '\x80', '\x7f'})),
                 "piece 3 has a score that is not finite");
  expect_refused(small_model(piece("b", PieceType::kNormal, {0, 0, '\xc0', '\x7f'})),
                 "piece 3 has a score that is not finite");
  expect_refused(small_model(piece("b", PieceType::kUnknown)), "expected one unknown piece, got 2");
  expect_refused(small_model(field(1, field(1, "b") + number_field(3, 7))),
                 "unknown piece type: expected 1 to 6, got 7");
}

TEST(SentencepieceCheck, RefusesAControlPieceThatTextCouldProduce) {
  expect_refused(small_model(piece("\xe2\x82\xac", PieceType::kControl)),
                 "is the single character");
}

TEST(SentencepieceCheck, RefusesBytePiecesThatAreNotTheFullSet) {
  expect_refused(small_model(piece("<0x41>", PieceType::kByte)), "expected 0 byte pieces, got 1");
  expect_refused(small_model(piece("<0x4g>", PieceType::kByte)),
                 "bad name: expected <0x00> to <0xFF>, got '<0x4g>'");
}

TEST(SentencepieceCheck, RefusesUnknownNormalisationTablesSelfTestsAndModelTypes) {
  expect_refused(small_model() + field(3, field(2, std::string(64, 'x'))),
                 "unknown normalisation table of 64 bytes");
  expect_refused(small_model() + field(4, field(1, "x")), "it carries self-test data");
  expect_refused(small_model() + field(5, field(2, "x")), "it carries a denormalizer");
  expect_refused(small_model() + field(2, number_field(3, 4)),
                 "unsupported model type: expected 1 (unigram) or 2 (BPE), got 4");
}

TEST(SentencepieceCheck, RefusesBrokenWireFormat) {
  expect_refused("", "the file is empty");
  expect_refused(std::string(10, '\xff'),
                 "is not a sentencepiece model: byte 10 ends a number of more than 64 bits");
  expect_refused("\x0a\xff", "is the end of the file, inside a number");
  expect_refused(
      "\x0a\x7f"
      "abc",
      "starts a field that is longer than the file");
  expect_refused("\x0b", "has an unknown wire type");
  expect_refused(std::string("\x02\x00", 2), "has a field number out of range");
  expect_refused("\x08\x01", "ends a field of the wrong type");
  expect_refused(std::string("\x52\x00", 2), "it has no pieces");
}

TEST(SentencepieceCheck, RefusesEveryHostileModel) {
  MINILLM_REQUIRE_TEST_DATA("hostile/spm");
  const std::vector<std::pair<const char*, const char*>> expected = {
      {"empty.model", "the file is empty"},
      {"len_past_end.model", "starts a field that is longer than the file"},
      {"text_not_protobuf.model", "is not a sentencepiece model"},
      {"truncated_1000.model", "is not a sentencepiece model"},
      {"unterminated_varint.model", "ends a number of more than 64 bits"},
      {"tokbin_negative_len.bin", "is not a sentencepiece model"},
      {"tokbin_truncated.bin", "is not a sentencepiece model"}};
  EXPECT_EQ(list_directory(test_data_path("hostile/spm")).size(), expected.size());
  for (const auto& [name, message] : expected) {
    SCOPED_TRACE(name);
    EXPECT_ERROR(Tokenizer::load(test_data_path(std::string("hostile/spm/") + name)), message);
  }
}

TEST(SentencepieceCheck, AcceptsEveryPublicModel) {
  MINILLM_REQUIRE_TEST_DATA("weights/llama_tokenizer.model");
  const std::vector<std::pair<const char*, Index>> models = {{"llama_tokenizer.model", 32000},
                                                             {"spm_bpe512_tinystories.model", 512},
                                                             {"spm_test_model.model", 1000},
                                                             {"torchtune_m.model", 2000}};
  for (const auto& [name, size] : models) {
    EXPECT_EQ(Tokenizer::load(test_data_path(std::string("weights/") + name)).vocab_size(), size);
  }
}

// What passes the check must never harm sentencepiece: every prefix of a real model, and many
// single-byte changes, either load, encode and decode, or are refused with an Error.
TEST(SentencepieceCheck, SurvivesTruncatedAndDamagedModels) {
  const std::string& model = test_tokenizer().bytes();
  const auto try_model = [](const std::string& bytes) {
    try {
      const Tokenizer tokenizer = Tokenizer::from_bytes(bytes, "x");
      tokenizer.decode(tokenizer.encode("the cooper <|im_end|> \xe2\x82\xac 12\n"));
    } catch (const Error&) {
    }
  };
  for (size_t length = 0; length < model.size(); length += 7) try_model(model.substr(0, length));
  Rng rng(6);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = model;
    damaged[rng.below(damaged.size())] = static_cast<char>(rng.below(256));
    try_model(damaged);
  }
}

}  // namespace
}  // namespace minillm
