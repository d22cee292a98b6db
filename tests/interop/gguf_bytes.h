// GGUF files put together by hand, sound or broken in one place: shares nothing with the library's
// writer.

#ifndef TESTS_INTEROP_GGUF_BYTES_H_
#define TESTS_INTEROP_GGUF_BYTES_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace minillm_testing {

template <typename T>
std::string gguf_raw(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}
inline std::string gguf_string(const std::string& text) {
  return gguf_raw<uint64_t>(text.size()) + text;
}
inline std::string gguf_u32(uint32_t value) { return gguf_raw<uint32_t>(4) + gguf_raw(value); }
inline std::string gguf_f32(float value) { return gguf_raw<uint32_t>(6) + gguf_raw(value); }
inline std::string gguf_text(const std::string& value) {
  return gguf_raw<uint32_t>(8) + gguf_string(value);
}
// An array; `elements` are `count` of them as stored.
inline std::string gguf_array(uint32_t type, uint64_t count, const std::string& elements) {
  return gguf_raw<uint32_t>(9) + gguf_raw(type) + gguf_raw(count) + elements;
}

struct GgufBytes {
  struct Tensor {
    std::string name;
    std::vector<uint64_t> ne;  // innermost first
    uint32_t type = 0;
    uint64_t offset = 0;
    std::string data;
  };
  std::string magic = "GGUF";
  uint32_t version = 3;
  std::vector<std::pair<std::string, std::string>> pairs;  // key; type and value
  std::vector<Tensor> tensors;
  uint64_t alignment = 32;
  // What the header claims; by default what there is.
  int64_t tensor_count = -1, pair_count = -1;

  std::string header() const {
    std::string bytes = magic + gguf_raw(version);
    bytes += gguf_raw(tensor_count < 0 ? uint64_t{tensors.size()} : uint64_t(tensor_count));
    bytes += gguf_raw(pair_count < 0 ? uint64_t{pairs.size()} : uint64_t(pair_count));
    for (const auto& [key, value] : pairs) bytes += gguf_string(key) + value;
    for (const Tensor& t : tensors) {
      bytes += gguf_string(t.name) + gguf_raw(static_cast<uint32_t>(t.ne.size()));
      for (const uint64_t n : t.ne) bytes += gguf_raw(n);
      bytes += gguf_raw(t.type) + gguf_raw(t.offset);
    }
    return bytes;
  }
  void pad(std::string& bytes) const {
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment, '\0');
  }
  std::string bytes() const {
    std::string bytes = header();
    if (!tensors.empty()) pad(bytes);
    for (const Tensor& t : tensors) {
      bytes += t.data;
      pad(bytes);
    }
    return bytes;
  }
};

// Two tensors, six floats and one block of Q8_0, and a pair of every kind.
inline GgufBytes sample_gguf() {
  GgufBytes file;
  file.pairs = {
      {"general.architecture", gguf_text("llama")},
      {"u8", gguf_raw<uint32_t>(0) + gguf_raw<uint8_t>(200)},
      {"i8", gguf_raw<uint32_t>(1) + gguf_raw<int8_t>(-3)},
      {"u16", gguf_raw<uint32_t>(2) + gguf_raw<uint16_t>(60000)},
      {"i16", gguf_raw<uint32_t>(3) + gguf_raw<int16_t>(-300)},
      {"u32", gguf_u32(4000000000)},
      {"i32", gguf_raw<uint32_t>(5) + gguf_raw<int32_t>(-70000)},
      {"f32", gguf_f32(0.25f)},
      {"bool", gguf_raw<uint32_t>(7) + gguf_raw<uint8_t>(1)},
      {"u64", gguf_raw<uint32_t>(10) + gguf_raw<uint64_t>(uint64_t{1} << 40)},
      {"i64", gguf_raw<uint32_t>(11) + gguf_raw<int64_t>(-(int64_t{1} << 40))},
      {"f64", gguf_raw<uint32_t>(12) + gguf_raw<double>(0.1)},
      {"texts", gguf_array(8, 3, gguf_string("a") + gguf_string("") + gguf_string("\u00e9"))},
      {"i32s", gguf_array(5, 2, gguf_raw<int32_t>(-1) + gguf_raw<int32_t>(7))},
      {"none", gguf_array(6, 0, "")}};
  std::string floats, block = gguf_raw<uint16_t>(0x3800);  // 0.5 in binary16
  for (const float x : {1.0f, -2.0f, 3.5f, 0.0f, 5.0f, 6.0f}) floats += gguf_raw(x);
  for (int i = 0; i < 32; ++i) block += static_cast<char>(i % 2 == 0 ? i : -i);
  file.tensors = {{"a.weight", {3, 2}, 0, 0, floats}, {"b.weight", {32}, 8, 32, block}};
  return file;
}

// A model without a tokenizer: V 5, C 4, F 6, one block, two query heads on one key head; weights
// count up from 1.
inline GgufBytes tiny_gguf_model() {
  GgufBytes file;
  file.pairs = {{"general.architecture", gguf_text("llama")},
                {"llama.context_length", gguf_u32(16)},
                {"llama.embedding_length", gguf_u32(4)},
                {"llama.block_count", gguf_u32(1)},
                {"llama.feed_forward_length", gguf_u32(6)},
                {"llama.attention.head_count", gguf_u32(2)},
                {"llama.attention.head_count_kv", gguf_u32(1)},
                {"llama.attention.layer_norm_rms_epsilon", gguf_f32(1e-6f)},
                {"llama.rope.freq_base", gguf_f32(500000)},
                {"tokenizer.ggml.model", gguf_text("none")}};
  float next = 1;
  uint64_t offset = 0;
  const auto add = [&](const std::string& name, std::vector<uint64_t> ne) {
    std::string data;
    uint64_t size = 1;
    for (const uint64_t n : ne) size *= n;
    for (uint64_t i = 0; i < size; ++i) data += gguf_raw(next++);
    file.tensors.push_back({name + ".weight", std::move(ne), 0, offset, data});
    offset += (data.size() + 31) / 32 * 32;
  };
  add("output_norm", {4});  // any order will do
  add("token_embd", {4, 5});
  add("blk.0.attn_norm", {4});
  add("blk.0.attn_q", {4, 4});
  add("blk.0.attn_k", {4, 2});
  add("blk.0.attn_v", {4, 2});
  add("blk.0.attn_output", {4, 4});
  add("blk.0.ffn_norm", {4});
  add("blk.0.ffn_gate", {4, 6});
  add("blk.0.ffn_up", {4, 6});
  add("blk.0.ffn_down", {6, 4});
  return file;
}

}  // namespace minillm_testing

#endif  // TESTS_INTEROP_GGUF_BYTES_H_
