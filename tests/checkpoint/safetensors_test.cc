#include "libminillm/checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "libminillm/checkpoint/half_float.h"
#include "libminillm/core/file.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/test_data.h"

namespace minillm {
namespace {

using minillm_testing::TempDir;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A file with this header and payload; the header's length is its own unless given.
std::string image(const std::string& header, const std::string& payload, uint64_t length = 0) {
  if (length == 0) length = header.size();
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8 * i));
  return bytes + header + payload;
}

SafetensorsHeader parse(const std::string& bytes) {
  return parse_safetensors_header(std::as_bytes(std::span(bytes)), "f");
}

std::string zeros(size_t count) { return std::string(count, '\0'); }

std::string one_tensor(const std::string& shape, const std::string& offsets,
                       const std::string& dtype = "I32") {
  return R"({"test":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
         offsets + "}}";
}

const std::string kValid = one_tensor("[2,2]", "[0,16]");

TEST(SafetensorsHeader, ReadsTheReferenceExample) {
  ASSERT_EQ(kValid.size(), 60u);
  const SafetensorsHeader header = parse(image(kValid, zeros(16)));
  ASSERT_EQ(header.tensors.size(), 1u);
  EXPECT_EQ(header.tensors[0].name, "test");
  EXPECT_EQ(header.tensors[0].dtype, "I32");
  EXPECT_THAT(header.tensors[0].shape, ElementsAre(2, 2));
  EXPECT_EQ(header.tensors[0].size, 4);
  EXPECT_EQ(header.tensors[0].begin, 68u);
  EXPECT_EQ(header.tensors[0].end, 84u);
}

TEST(SafetensorsHeader, AcceptsNoTensorsScalarsEmptyTensorsAndWhitespace) {
  EXPECT_THAT(parse(image("{}", "")).tensors, IsEmpty());
  EXPECT_THAT(parse(image(" \n{} ", "")).tensors, IsEmpty());
  EXPECT_EQ(parse(image(one_tensor("[]", "[0,4]"), zeros(4))).tensors[0].size, 1);
  EXPECT_EQ(parse(image(one_tensor("[0,3]", "[0,0]"), "")).tensors[0].size, 0);
  EXPECT_EQ(parse(image(R"({"__metadata__":{"format":"pt"}})", "")).metadata.at("format"), "pt");
}

TEST(SafetensorsHeader, RefusesWhatTheReferenceRefuses) {
  const std::string payload = zeros(16);
  EXPECT_ERROR(parse(""), "f: not a safetensors file: expected at least 8 bytes, got 0");
  EXPECT_ERROR(parse(image(kValid, payload, 0xffffff000000003c)),
               "header is too long: expected at most 16777216");
  EXPECT_ERROR(parse(image(kValid, payload, 100)),
               "file is cut off: expected a header of 100 bytes, got 76");
  EXPECT_ERROR(parse(image("\xff", "")), "header is not valid UTF-8 at byte 8");
  EXPECT_ERROR(parse(image("{", "")), "not valid JSON: unexpected content at byte 2");
  EXPECT_ERROR(parse(image("[1]", "")), "expected a JSON object, got [1]");
  EXPECT_ERROR(parse(image(kValid, payload + "x")),
               "expected 16 bytes of tensors, got 17 (the file is too long)");
  EXPECT_ERROR(parse(image(kValid, zeros(14))),
               "expected 16 bytes of tensors, got 14 (the file is cut off)");
  EXPECT_ERROR(parse(image(one_tensor("[2,18446744073709551614]", "[0,16]"), payload)),
               "more than any file can hold");
  EXPECT_ERROR(parse(image(one_tensor("[2,9223372036854775807]", "[0,16]"), payload)),
               "more than any file can hold");
  EXPECT_ERROR(
      parse(image(one_tensor("[2,2]", "[0,4]"), zeros(4))),
      "tensor 'test': 'data_offsets': expected 16 bytes for I32 of shape [2,2], got [0,4]");
  EXPECT_ERROR(parse(image(one_tensor("[2,2]", "[16,0]"), payload)), "expected 16 bytes for I32");
  EXPECT_ERROR(parse(image(one_tensor("[2,2]", "[4,20]"), zeros(20))),
               "hole or overlap: expected it to begin at 0, got 4");
  EXPECT_ERROR(parse(image(one_tensor("[3]", "[0,2]", "F4"), zeros(2))),
               "expected 1 bytes for F4 of shape [3]");
}

TEST(SafetensorsHeader, RefusesTensorsThatShareBytes) {
  nlohmann::json header;
  for (int i = 0; i < 10; ++i) {
    header["tensor_" + std::to_string(i)] = {
        {"dtype", "F32"}, {"shape", {2, 2}}, {"data_offsets", {0, 16}}};
  }
  EXPECT_ERROR(parse(image(header.dump(), zeros(16))),
               "tensor 'tensor_1': hole or overlap: expected it to begin at 16");
}

TEST(SafetensorsHeader, RefusesEveryMemberOfAnotherType) {
  EXPECT_ERROR(parse(image(R"({"a":1})", "")), "tensor 'a': expected a JSON object, got 1");
  EXPECT_ERROR(parse(image(R"({"a":{}})", "")), "tensor 'a': key 'dtype' is missing");
  EXPECT_ERROR(parse(image(one_tensor("[2.0]", "[0,8]"), zeros(8))),
               "'shape': expected whole numbers, got [2.0]");
  EXPECT_ERROR(parse(image(one_tensor("[-1]", "[0,8]"), zeros(8))),
               "'shape': expected whole numbers, got [-1]");
  EXPECT_ERROR(parse(image(one_tensor("2", "[0,8]"), zeros(8))),
               "'shape': expected an array, got 2");
  EXPECT_ERROR(parse(image(one_tensor("[2]", "[0,8,8]"), zeros(8))),
               "'data_offsets': expected [begin, end]");
  EXPECT_ERROR(parse(image(one_tensor("[2]", "[-8,0]"), zeros(8))),
               "'data_offsets': expected [begin, end]");
  EXPECT_ERROR(parse(image(one_tensor("[2]", "[0,8]", "F31"), zeros(8))),
               "tensor 'test': unknown dtype 'F31'");
  EXPECT_ERROR(parse(image(R"({"__metadata__":{"format":1}})", "")),
               "'format': expected a string, got 1");
}

TEST(SafetensorsHeader, RefusesWhatReadersDisagreeOn) {
  const std::string entry = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  EXPECT_ERROR(parse(image(R"({"a":)" + entry + R"(,"a":)" + entry + "}", zeros(4))),
               "key \"a\" occurs twice");
  EXPECT_ERROR(parse(image(R"({"a\u0000b":)" + entry + "}", zeros(4))),
               "holds a control character");
  EXPECT_ERROR(parse(image(R"({"__metadata__":{"a":"\n"}})", "")), "holds a control character");
  EXPECT_ERROR(parse(image(R"({")" + std::string(513, 'n') + "\":" + entry + "}", zeros(4))),
               "name is too long: expected at most 512 bytes, got 513");
  EXPECT_ERROR(parse(image(one_tensor("[1,1,1,1,1,1,1,1,1]", "[0,4]"), zeros(4))),
               "at most 8 dimensions, got 9");
  EXPECT_ERROR(parse(image(R"({"a":{"x":{"y":{"z":{}}}}})", "")), "nested deeper than 4 levels");
}

// Each field of a valid file replaced by each number that overflows something.
TEST(SafetensorsHeader, SurvivesExtremeNumbersEverywhere) {
  int refused = 0;
  for (const char* number :
       {"0", "1", "-1", "2147483647", "2147483648", "4294967295", "9223372036854775807",
        "9223372036854775808", "18446744073709551615", "1e400", "null"}) {
    const std::string n = number;
    for (const std::string& header :
         {one_tensor("[" + n + ",2]", "[0,16]"), one_tensor("[2," + n + "]", "[0,16]"),
          one_tensor("[" + n + "," + n + "]", "[0,16]"), one_tensor("[2,2]", "[" + n + ",16]"),
          one_tensor("[2,2]", "[0," + n + "]"), one_tensor("[2,2]", "[" + n + "," + n + "]")}) {
      if (header == kValid) continue;
      try {
        parse(image(header, zeros(16)));
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_EQ(refused, 11 * 6 - 1);  // all but the valid one, which has a 0 where it belongs
}

TEST(SafetensorsHeader, SurvivesEveryTruncationAndEveryFlippedHeaderByte) {
  const std::string valid = image(kValid, zeros(16));
  for (size_t length = 0; length < valid.size(); ++length)
    EXPECT_THROW(parse(valid.substr(0, length)), Error);
  for (size_t i = 0; i < valid.size() - 16; ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = valid;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      try {
        parse(flipped);  // valid or Error, nothing else: a flip inside a name gives another name
      } catch (const Error&) {
      }
    }
  }
}

TEST(SafetensorsFile, AcceptsAndRefusesTheHostileFilesAsTheyShouldBe) {
  MINILLM_REQUIRE_TEST_DATA("hostile/safetensors/EXPECTED.json");
  const std::string directory = minillm_testing::test_data_path("hostile/safetensors");
  const auto expected = nlohmann::json::parse(read_file(join_path(directory, "EXPECTED.json")));
  EXPECT_EQ(expected.size(), list_directory(directory).size() - 1);
  for (const auto& [name, verdict] : expected.items()) {
    const std::string path = join_path(directory, name + ".safetensors");
    if (verdict.get<std::string>().starts_with("accept")) {
      EXPECT_NO_THROW(SafetensorsFile{path}) << name;
    } else {
      EXPECT_THROW(SafetensorsFile{path}, Error) << name;
    }
  }
  const SafetensorsFile file(join_path(directory, "ok_min.safetensors"));
  std::vector<Real> values(4);
  file.read(*file.find("a"), values);
  EXPECT_THAT(values, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(file.find("b"), nullptr);
}

TEST(SafetensorsFile, ReadsThoseOfOtherPrograms) {
  MINILLM_REQUIRE_TEST_DATA("weights/qwen2fs_rmsnorm_test.safetensors");
  for (const std::string& name : list_directory(minillm_testing::test_data_path("weights"))) {
    if (!name.ends_with(".safetensors")) continue;
    const SafetensorsFile file(minillm_testing::test_data_path("weights/" + name));
    EXPECT_FALSE(file.tensors().empty()) << name;
    for (const SafetensorsTensor& tensor : file.tensors()) {
      std::vector<Real> values(static_cast<size_t>(tensor.size));
      if (tensor.dtype.starts_with("F") || tensor.dtype == "BF16") {
        file.read(tensor, values);
        for (Real x : values) EXPECT_TRUE(std::isfinite(x)) << name << " " << tensor.name;
      } else {
        EXPECT_ERROR(file.read(tensor, values),
                     "expected dtype F32, F16 or BF16, got " + tensor.dtype);
      }
    }
  }
}

TEST(SafetensorsFile, RefusesNumbersThatAreNoWeightsWhenTheyAreRead) {
  const TempDir dir;
  const SafetensorsFile file(dir.write("f.safetensors", image(kValid, zeros(16))));
  std::vector<Real> values(4);
  EXPECT_ERROR(file.read(file.tensors()[0], values),
               "f.safetensors': tensor 'test': expected dtype F32, F16 or BF16, got I32");
}

TEST(SafetensorsImage, IsReadBackToTheBit) {
  const std::vector<Real> a = {1,     -0.0f, std::numeric_limits<float>::denorm_min(),
                               3e38f, NAN,   -INFINITY};
  const std::vector<Real> b = {};
  const TempDir dir;
  const std::string path = dir.file("f.safetensors");
  {
    const SafetensorsImage file(
        {{"a", {2, 3}, a}, {"b", {0, 7}, b}, {"c", {}, std::span(a).first(1)}},
        {{"format", "pt"}, {"step", "12"}});
    write_file_atomic(path, file.pieces());
  }
  const SafetensorsFile file(path);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.metadata().at("step"), "12");
  ASSERT_EQ(file.tensors().size(), 3u);
  EXPECT_EQ(file.tensors()[0].begin % 8, 0u) << "the header is padded";
  std::vector<Real> read(6);
  file.read(file.tensors()[0], read);
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(std::bit_cast<uint32_t>(float(read[i])), std::bit_cast<uint32_t>(float(a[i])));
  }
}

TEST(HalfFloat, WidensEveryKindOfNumber) {
  EXPECT_EQ(bfloat16_to_float(0x3f80), 1.0f);
  EXPECT_EQ(bfloat16_to_float(0xc049), -3.140625f);
  EXPECT_TRUE(std::isnan(bfloat16_to_float(0x7fc0)));
  EXPECT_EQ(float16_to_float(0x3c00), 1.0f);
  EXPECT_EQ(float16_to_float(0xc248), -3.140625f);
  EXPECT_EQ(float16_to_float(0x7bff), 65504.0f);
  EXPECT_EQ(float16_to_float(0x0001), std::ldexp(1.0f, -24));
  EXPECT_EQ(float16_to_float(0x83ff), -std::ldexp(1023.0f, -24));
  EXPECT_TRUE(std::signbit(float16_to_float(0x8000)));
  EXPECT_EQ(float16_to_float(0xfc00), -INFINITY);
  EXPECT_TRUE(std::isnan(float16_to_float(0x7e00)));
}

#ifdef __FLT16_MANT_DIG__
TEST(HalfFloat, AgreesWithTheCompilerOnAllValues) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto expected = static_cast<float>(std::bit_cast<_Float16>(static_cast<uint16_t>(bits)));
    const float got = float16_to_float(static_cast<uint16_t>(bits));
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(got));
    } else {
      ASSERT_EQ(std::bit_cast<uint32_t>(got), std::bit_cast<uint32_t>(expected)) << bits;
    }
  }
}
#endif

}  // namespace
}  // namespace minillm
