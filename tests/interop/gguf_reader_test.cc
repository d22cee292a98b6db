// GGUF files, read: every rule of the reader has a file that breaks it.

#include "libminillm/interop/gguf_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "libminillm/core/file.h"
#include "tests/interop/gguf_bytes.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/test_data.h"

namespace minillm {
namespace {

using minillm_testing::gguf_array;
using minillm_testing::gguf_f32;
using minillm_testing::gguf_raw;
using minillm_testing::gguf_string;
using minillm_testing::gguf_text;
using minillm_testing::gguf_u32;
using minillm_testing::GgufBytes;
using minillm_testing::sample_gguf;
using minillm_testing::TempDir;

GgufContents parse(const std::string& bytes) { return parse_gguf(bytes, "file 'x'"); }
GgufContents parse(const GgufBytes& file) { return parse_gguf(file.bytes(), "file 'x'"); }

std::vector<Real> numbers_of(const GgufFile& file, const std::string& name) {
  const GgufTensor& tensor = *file.find_tensor(name);
  std::vector<Real> values(static_cast<size_t>(tensor.size));
  file.read(tensor, values);
  return values;
}

TEST(GgufReader, ReadsValuesOfEveryType) {
  const TempDir dir;
  const GgufFile file(dir.write("f", sample_gguf().bytes()));
  EXPECT_EQ(file.text("general.architecture"), "llama");
  EXPECT_EQ(file.integer("u8"), 200);
  EXPECT_EQ(file.integer("i8"), -3);
  EXPECT_EQ(file.integer("u16"), 60000);
  EXPECT_EQ(file.integer("i16"), -300);
  EXPECT_EQ(file.integer("u32"), 4000000000);
  EXPECT_EQ(file.integer("i32"), -70000);
  EXPECT_EQ(file.integer("u64"), int64_t{1} << 40);
  EXPECT_EQ(file.integer("i64"), -(int64_t{1} << 40));
  EXPECT_EQ(file.number("f32"), 0.25);
  EXPECT_EQ(file.number("f64"), 0.1);
  EXPECT_EQ(file.number("i16"), -300);
  EXPECT_EQ(file.boolean("bool"), true);
  EXPECT_EQ(file.texts("texts"), (std::vector<std::string>{"a", "", "\u00e9"}));
  EXPECT_EQ(file.numbers("i32s"), (std::vector<double>{-1, 7}));
  EXPECT_TRUE(file.numbers("none").empty());
  EXPECT_EQ(file.integer("absent"), std::nullopt);
  EXPECT_TRUE(file.texts("absent").empty());
  EXPECT_TRUE(file.has("u8"));
  EXPECT_FALSE(file.has("absent"));
  EXPECT_ERROR(file.integer("f32"), "f': 'f32': expected a whole number, got a fraction");
  EXPECT_ERROR(file.integer("i32s"), "'i32s': expected a whole number, got an array");
  EXPECT_ERROR(file.number("texts"), "'texts': expected a number, got an array");
  EXPECT_ERROR(file.text("u8"), "'u8': expected a text, got a number");
  EXPECT_ERROR(file.boolean("u8"), "'u8': expected a truth value, got a number");
  EXPECT_ERROR(file.texts("i32s"), "'i32s': expected an array of texts, got an array");
  EXPECT_ERROR(file.numbers("u8"), "'u8': expected an array of numbers, got a number");
}

TEST(GgufReader, RefusesTextsThatAreNotUtf8AndNumbersThatAreTooLarge) {
  GgufBytes bytes = sample_gguf();
  bytes.pairs.push_back({"bad", gguf_text("\xff")});
  bytes.pairs.push_back({"bads", gguf_array(8, 1, gguf_string("\xff"))});
  bytes.pairs.push_back({"large", gguf_raw<uint32_t>(10) + gguf_raw<uint64_t>(~uint64_t{0})});
  const TempDir dir;
  const GgufFile file(dir.write("f", bytes.bytes()));
  EXPECT_ERROR(file.text("bad"), "'bad': expected UTF-8");
  EXPECT_ERROR(file.texts("bads"), "'bads': element 0: expected UTF-8");
  EXPECT_ERROR(file.integer("large"),
               "'large': expected at most 63 bits, got 18446744073709551615");
}

TEST(GgufReader, ReadsTensors) {
  const TempDir dir;
  for (const uint32_t version : {2u, 3u}) {
    GgufBytes bytes = sample_gguf();
    bytes.version = version;
    const GgufFile file(dir.write("f", bytes.bytes()));
    ASSERT_EQ(file.tensors().size(), 2u);
    EXPECT_EQ(file.tensors()[0].shape, (std::vector<Index>{2, 3}));
    EXPECT_EQ(file.find_tensor("c.weight"), nullptr);
    EXPECT_EQ(numbers_of(file, "a.weight"), (std::vector<Real>{1, -2, 3.5, 0, 5, 6}));
    const std::vector<Real> block = numbers_of(file, "b.weight");
    for (size_t i = 0; i < 32; ++i)
      EXPECT_EQ(block[i], Real(0.5) * static_cast<Real>(i % 2 == 0 ? i : -static_cast<double>(i)));
  }
}

TEST(GgufReader, ReadsHalvesAndRefusesOtherTypesByName) {
  GgufBytes bytes;
  bytes.tensors = {{"f16", {2}, 1, 0, gguf_raw<uint16_t>(0xc000) + gguf_raw<uint16_t>(1)},
                   {"bf16", {2}, 30, 32, gguf_raw<uint16_t>(0x3fc0) + gguf_raw<uint16_t>(0xc000)},
                   {"q4_k", {256}, 12, 64, std::string(144, '\0')},
                   {"inf", {1}, 1, 64 + 160, gguf_raw<uint16_t>(0x7c00)}};
  const TempDir dir;
  const GgufFile file(dir.write("f", bytes.bytes()));
  EXPECT_EQ(numbers_of(file, "f16"), (std::vector<Real>{-2, std::ldexp(Real(1), -24)}));
  EXPECT_EQ(numbers_of(file, "bf16"), (std::vector<Real>{1.5, -2}));
  EXPECT_ERROR(numbers_of(file, "q4_k"),
               "tensor 'q4_k' is Q4_K: expected F32, F16, BF16 or Q8_0 (take the model's file");
  EXPECT_ERROR(numbers_of(file, "inf"), "tensor 'inf'");
}

TEST(GgufReader, TakesAnotherAlignment) {
  GgufBytes bytes = sample_gguf();
  bytes.alignment = 8;
  bytes.pairs.push_back({"general.alignment", gguf_u32(8)});
  bytes.tensors[1].offset = 24;
  EXPECT_EQ(parse(bytes).tensors.size(), 2u);
  bytes.tensors[1].offset = 32;
  EXPECT_ERROR(parse(bytes), "tensor 'b.weight': hole or overlap: expected it to begin at 24, got");
  bytes.pairs.back().second = gguf_u32(24);
  EXPECT_ERROR(parse(bytes), "'general.alignment': expected a power of two, at most 1048576, got");
  bytes.pairs.back().second = gguf_u32(0);
  EXPECT_ERROR(parse(bytes), "'general.alignment': expected a power of two");
  bytes.pairs.back().second = gguf_u32(1u << 31);
  EXPECT_ERROR(parse(bytes), "'general.alignment': expected a power of two");
  bytes.pairs.back().second = gguf_f32(32);
  EXPECT_ERROR(parse(bytes), "'general.alignment': expected a number of 32 bits");
}

TEST(GgufReader, RefusesWhatIsNoGgufFile) {
  EXPECT_ERROR(parse(""), "file 'x': not a GGUF file: expected 'GGUF' at its beginning, got ''");
  EXPECT_ERROR(parse("GGML"), "not a GGUF file");
  EXPECT_ERROR(parse("version https://git-lfs.github.com/spec/v1\n"), "Git LFS");
  GgufBytes file = sample_gguf();
  for (const uint32_t version : {0u, 1u, 4u}) {
    file.version = version;
    EXPECT_ERROR(parse(file), fmt::format("GGUF version {}: expected 2 or 3", version));
  }
  file.version = 3u << 24;
  EXPECT_ERROR(parse(file), "big-endian");
}

TEST(GgufReader, RefusesCountsThatTheFileDoesNotPayFor) {
  GgufBytes file = sample_gguf();
  file.pair_count = int64_t{1} << 60;
  EXPECT_ERROR(parse(file), "");
  file = sample_gguf();
  file.tensor_count = int64_t{1} << 60;
  EXPECT_ERROR(parse(file), "");
  file = sample_gguf();
  file.pairs = {{"k", gguf_array(5, uint64_t{1} << 61, "")}};
  EXPECT_ERROR(parse(file), "'k': cut off: expected 2305843009213693952 elements of 4 bytes");
  file.pairs = {{"k", gguf_array(8, uint64_t{1} << 61, "")}};
  EXPECT_ERROR(parse(file), "'k': cut off: expected 2305843009213693952 texts");
  file.pairs = {{"k", gguf_raw<uint32_t>(8) + gguf_raw(~uint64_t{0})}};
  EXPECT_ERROR(parse(file), "cut off: expected 18446744073709551615 bytes of k at byte");
}

TEST(GgufReader, RefusesBadPairs) {
  const auto with = [](const std::string& key, const std::string& value) {
    GgufBytes file = sample_gguf();
    file.pairs.push_back({key, value});
    return file;
  };
  EXPECT_ERROR(parse(with("", gguf_u32(1))), "a key of a bad length: expected 1 to 65535 bytes");
  EXPECT_ERROR(parse(with(std::string(65536, 'k'), gguf_u32(1))), "a key of a bad length");
  EXPECT_ERROR(parse(with("u8", gguf_u32(1))), "the key 'u8' comes twice");
  EXPECT_ERROR(parse(with("a\x1b", gguf_u32(1))), "'a\\x1b': expected UTF-8 without control");
  EXPECT_ERROR(parse(with("\xff", gguf_u32(1))), "expected UTF-8 without control characters");
  EXPECT_ERROR(parse(with("k", gguf_raw<uint32_t>(13))), "'k': unknown type of value: expected 0");
  EXPECT_ERROR(parse(with("k", gguf_array(13, 0, ""))), "'k': unknown type of value");
  EXPECT_ERROR(parse(with("k", gguf_array(9, 0, ""))), "'k': an array of arrays");
  EXPECT_ERROR(parse(with("k", gguf_raw<uint32_t>(7) + "\x02")), "'k': a truth value that is");
}

TEST(GgufReader, RefusesBadTensors) {
  const auto with = [](auto change) {
    GgufBytes file = sample_gguf();
    change(file.tensors[0]);
    return file;
  };
  using Tensor = GgufBytes::Tensor;
  EXPECT_ERROR(parse(with([](Tensor& t) { t.name = ""; })), "a tensor's name of a bad length");
  EXPECT_ERROR(parse(with([](Tensor& t) { t.name = std::string(64, 'a'); })),
               "a tensor's name of a bad length: expected 1 to 63 bytes, got 64");
  EXPECT_ERROR(parse(with([](Tensor& t) { t.name = "a\nb"; })), "'a\\nb': expected UTF-8");
  EXPECT_ERROR(parse(with([](Tensor& t) { t.name = "b.weight"; })),
               "the tensor 'b.weight' comes twice");
  EXPECT_ERROR(parse(with([](Tensor& t) { t.ne.clear(); })), "expected 1 to 4 dimensions, got 0");
  EXPECT_ERROR(parse(with([](Tensor& t) {
                 t.ne = {1, 1, 1, 2, 3};
               })),
               "expected 1 to 4 dimensions, got 5");
  EXPECT_ERROR(parse(with([](Tensor& t) { t.ne = {0}; })), "dimension 0 is 0");
  EXPECT_ERROR(parse(with([](Tensor& t) {
                 t.ne = {uint64_t{1} << 32, uint64_t{1} << 31};
               })),
               "dimension 1 is 2147483648");
  EXPECT_ERROR(parse(with([](Tensor& t) { t.ne = {~uint64_t{0}}; })), "dimension 0 is 1844674407");
  EXPECT_ERROR(parse(with([](Tensor& t) { t.ne = {uint64_t{1} << 62}; })),
               "numbers of F32 are more than any file can hold");
  for (const uint32_t type : {4u, 5u, 31u, 38u, 1000u})  // removed from the format, or never in it
    EXPECT_ERROR(parse(with([&](Tensor& t) { t.type = type; })),
                 fmt::format("tensor 'a.weight': unknown type {} of numbers", type));
  EXPECT_ERROR(parse(with([](Tensor& t) { t.type = 8; })),
               "is Q8_0: expected rows of whole blocks of 32 numbers, got 3");
  EXPECT_ERROR(parse(with([](Tensor& t) { t.ne = {32}, t.type = 12; })),
               "is Q4_K: expected rows of whole blocks of 256 numbers, got 32");
  EXPECT_ERROR(parse(with([](Tensor& t) { t.offset = 32; })),
               "tensor 'a.weight': hole or overlap: expected it to begin at 0, got 32");
  EXPECT_ERROR(parse(with([](Tensor& t) {
                 t.ne = {3, 100};
               })),
               "cut off: expected 1200 bytes of tensor 'a.weight'");
  EXPECT_ERROR(parse(with([](Tensor& t) {
                 t.ne = {3, 3};
               })),
               "tensor 'b.weight': hole or overlap: expected it to begin at 64, got 32");
  GgufBytes file = sample_gguf();
  std::swap(file.tensors[0], file.tensors[1]);
  EXPECT_ERROR(parse(file), "tensor 'b.weight': hole or overlap");
}

// A file ends with its last tensor, with or without the zeros that fill its last 32 bytes.
TEST(GgufReader, RefusesEveryFileThatIsCutOffOrTooLong) {
  const std::string bytes = sample_gguf().bytes();
  const size_t last = bytes.size() - (64 - 34);
  for (size_t size = 0; size < last; ++size) EXPECT_ERROR(parse(bytes.substr(0, size)), "file 'x'");
  for (size_t size = last; size <= bytes.size(); ++size)
    EXPECT_EQ(parse(bytes.substr(0, size)).tensors.size(), 2u);
  EXPECT_ERROR(parse(bytes + '\0'), "too long: expected");
  GgufBytes vocabulary = sample_gguf();
  vocabulary.tensors.clear();
  EXPECT_TRUE(parse(vocabulary.bytes()).tensors.empty());
  EXPECT_ERROR(parse(vocabulary.bytes() + std::string(32, '\0')), "too long");
}

TEST(GgufReader, ReadsVocabularyFilesOfLlamaCpp) {
  for (const char* name : {"ggml-vocab-llama-spm.gguf", "ggml-vocab-gpt-2.gguf"}) {
    MINILLM_REQUIRE_TEST_DATA(std::string("weights/") + name);
    const GgufFile file(minillm_testing::test_data_path(std::string("weights/") + name));
    EXPECT_TRUE(file.tensors().empty());
    EXPECT_GE(file.texts("tokenizer.ggml.tokens").size(), 32000u);
  }
}

}  // namespace
}  // namespace minillm
