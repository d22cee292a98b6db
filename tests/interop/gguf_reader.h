// A reader of GGUF files, written from the format's description and sharing nothing with our
// writer. It refuses what ggml's own reader refuses.

#ifndef TESTS_INTEROP_GGUF_READER_H_
#define TESTS_INTEROP_GGUF_READER_H_

#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace minillm_testing {

struct GgufValue {
  uint32_t type = 0;  // of the value, or of the elements
  bool is_array = false;
  double number = 0;  // any number, or a bool
  std::string text;
  std::vector<double> numbers;
  std::vector<std::string> texts;
};

struct GgufTensorInfo {
  std::vector<uint64_t> ne;  // innermost first
  uint32_t type = 0;
  std::string bytes;
};

struct GgufFile {
  std::map<std::string, GgufValue> values;
  std::map<std::string, GgufTensorInfo> tensors;
};

class GgufParser {
 public:
  explicit GgufParser(const std::string& file) : file_(file) {}

  GgufFile parse() {
    check(take(4) == "GGUF", "magic");
    check(number<uint32_t>() == 3, "version");
    const auto tensor_count = number<uint64_t>(), pair_count = number<uint64_t>();
    check(tensor_count < 100000 && pair_count < 100000, "counts");
    GgufFile result;
    for (uint64_t i = 0; i < pair_count; ++i) {
      const std::string key = string();
      check(!key.empty(), "empty key");
      check(result.values.emplace(key, value()).second, "key twice: " + key);
    }
    std::vector<std::pair<std::string, uint64_t>> places;
    for (uint64_t i = 0; i < tensor_count; ++i) {
      const std::string name = string();
      check(!name.empty() && name.size() < 64, "name: " + name);
      GgufTensorInfo info;
      info.ne.resize(number<uint32_t>());
      check(info.ne.size() >= 1 && info.ne.size() <= 4, "dimensions of " + name);
      for (uint64_t& n : info.ne) {
        n = number<uint64_t>();
        check(n < (uint64_t{1} << 40), "size of " + name);
      }
      info.type = number<uint32_t>();
      places.emplace_back(name, number<uint64_t>());
      check(result.tensors.emplace(name, info).second, "tensor twice: " + name);
    }
    if (!places.empty()) pad();  // a vocabulary alone ends here
    const size_t start = position_;
    for (const auto& [name, offset] : places) {  // contiguous: no holes, no overlaps
      check(position_ - start == offset, "offset of " + name);
      GgufTensorInfo& info = result.tensors.at(name);
      info.bytes = take(size_of(name, info));
      pad();
    }
    check(position_ == file_.size(), "bytes after the last tensor");
    return result;
  }

 private:
  static void check(bool condition, const std::string& what) {
    if (!condition) throw std::runtime_error("gguf: " + what);
  }
  std::string take(uint64_t size) {
    check(size <= file_.size() - position_, "cut off");
    position_ += size;
    return file_.substr(position_ - size, size);
  }
  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string string() { return take(number<uint64_t>()); }
  void pad() {
    while (position_ % 32 != 0) check(take(1)[0] == '\0', "padding is not zero");
  }
  double scalar(uint32_t type) {
    switch (type) {
      case 4:
        return number<uint32_t>();
      case 5:
        return number<int32_t>();
      case 6:
        return number<float>();
      case 7: {
        const auto value = number<uint8_t>();
        check(value <= 1, "bool");
        return value;
      }
      default:
        check(false, "value type " + std::to_string(type));
        return 0;
    }
  }
  GgufValue value() {
    GgufValue v;
    v.type = number<uint32_t>();
    if (v.type == 8) {
      v.text = string();
    } else if (v.type == 9) {
      v.is_array = true;
      v.type = number<uint32_t>();
      const auto count = number<uint64_t>();
      check(count < (uint64_t{1} << 30), "array");
      for (uint64_t i = 0; i < count; ++i) {
        if (v.type == 8)
          v.texts.push_back(string());
        else
          v.numbers.push_back(scalar(v.type));
      }
    } else {
      v.number = scalar(v.type);
    }
    return v;
  }
  uint64_t size_of(const std::string& name, const GgufTensorInfo& info) {
    uint64_t count = 1;
    for (const uint64_t n : info.ne) count *= n;
    switch (info.type) {
      case 0:
        return 4 * count;
      case 1:
      case 30:
        return 2 * count;
      case 8:
        check(info.ne[0] % 32 == 0, "blocks of " + name);
        return count / 32 * 34;
      default:
        check(false, "type of " + name);
        return 0;
    }
  }

  const std::string& file_;
  size_t position_ = 0;
};

inline GgufFile parse_gguf(const std::string& file) { return GgufParser(file).parse(); }

// The numbers of a tensor in any of the four types, as readers compute them.
inline std::vector<float> gguf_numbers(const GgufTensorInfo& info) {
  const auto half = [](uint16_t bits) {  // by the definition of binary16
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double magnitude =
        exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    return static_cast<float>(bits >> 15 ? -magnitude : magnitude);
  };
  const auto load = [&](size_t at, auto value) {
    std::memcpy(&value, info.bytes.data() + at, sizeof(value));
    return value;
  };
  std::vector<float> out;
  if (info.type == 0)
    for (size_t i = 0; i < info.bytes.size(); i += 4) out.push_back(load(i, float{}));
  if (info.type == 1)
    for (size_t i = 0; i < info.bytes.size(); i += 2) out.push_back(half(load(i, uint16_t{})));
  if (info.type == 30)
    for (size_t i = 0; i < info.bytes.size(); i += 2) {
      const uint32_t bits = uint32_t{load(i, uint16_t{})} << 16;
      float value;
      std::memcpy(&value, &bits, 4);
      out.push_back(value);
    }
  if (info.type == 8)
    for (size_t i = 0; i < info.bytes.size(); i += 34)
      for (size_t k = 0; k < 32; ++k)
        out.push_back(static_cast<float>(load(i + 2 + k, int8_t{})) * half(load(i, uint16_t{})));
  return out;
}

}  // namespace minillm_testing

#endif  // TESTS_INTEROP_GGUF_READER_H_
