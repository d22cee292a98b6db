// TensorBoard's event files: a sequence of records, each a length, the length's checksum, an Event
// message of protocol buffers, and its checksum. All numbers are little-endian.
//
//   record:  u64 length | u32 mask(crc(length)) | bytes | u32 mask(crc(bytes))
//   Event:   1 double wall_time | 2 int64 step | 3 string file_version | 5 Summary
//   Summary: 1 Value*           Value: 1 string tag | 2 float simple_value

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "libminillm/core/file.h"
#include "libminillm/report/report.h"

namespace minillm::report {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they are");

// CRC-32C (Castagnoli; RFC 3720, B.4), reflected.
uint32_t crc32c(std::string_view bytes) {
  static const auto table = [] {
    std::array<uint32_t, 256> entries{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
      entries[i] = crc;
    }
    return entries;
  }();
  uint32_t crc = 0xffffffffu;
  for (const char c : bytes) crc = (crc >> 8) ^ table[(crc ^ static_cast<uint8_t>(c)) & 0xff];
  return ~crc;
}

// Checksums of data that itself holds checksums are poor, so they are stored turned and shifted.
uint32_t masked(uint32_t crc) { return std::rotr(crc, 15) + 0xa282ead8u; }

template <typename Number>
std::string bytes_of(Number number) {
  std::string bytes(sizeof(number), '\0');
  std::memcpy(bytes.data(), &number, sizeof(number));
  return bytes;
}

std::string varint(uint64_t number) {
  std::string bytes;
  for (; number >= 0x80; number >>= 7) bytes += static_cast<char>(number | 0x80);
  return bytes + static_cast<char>(number);
}

// Fields of a message: a number's key is field * 8 + its wire type.
std::string double_field(int field, double value) {
  return varint(static_cast<uint64_t>(field * 8 + 1)) + bytes_of(value);
}
std::string float_field(int field, float value) {
  return varint(static_cast<uint64_t>(field * 8 + 5)) + bytes_of(value);
}
std::string integer_field(int field, int64_t value) {
  return varint(static_cast<uint64_t>(field * 8)) + varint(static_cast<uint64_t>(value));
}
std::string bytes_field(int field, std::string_view value) {
  return varint(static_cast<uint64_t>(field * 8 + 2)) + varint(value.size()) + std::string(value);
}

std::string record(std::string_view bytes) {
  const std::string length = bytes_of(static_cast<uint64_t>(bytes.size()));
  return length + bytes_of(masked(crc32c(length))) + std::string(bytes) +
         bytes_of(masked(crc32c(bytes)));
}

std::string tag_of(const std::string& name) {
  return name.starts_with("eval_") ? "eval/" + name.substr(5) : "train/" + name;
}

// Unix time in seconds, of lines that have it in milliseconds. 0 where it can be none: it becomes
// the name of a file.
double wall_time(const MetricsLine& line) {
  constexpr double kYear10000 = 253402300800000;
  for (const auto& [name, value] : line.values)
    if (name == "time" && 0 <= value && value < kYear10000) return value / 1000;
  return 0;
}

std::string event_file(const ReportRun& run) {
  std::string out =
      record(double_field(1, wall_time(run.metrics.front())) + bytes_field(3, "brain.Event:2"));
  for (const MetricsLine& line : run.metrics) {
    std::string summary;
    for (const auto& [name, value] : line.values) {
      constexpr double kMost = std::numeric_limits<float>::max();
      if (name == "time" || !(std::abs(value) <= kMost)) continue;  // not what no float holds
      summary +=
          bytes_field(1, bytes_field(1, tag_of(name)) + float_field(2, static_cast<float>(value)));
    }
    out += record(double_field(1, wall_time(line)) + integer_field(2, line.step) +
                  bytes_field(5, summary));
  }
  return out;
}

// A run's name as the name of one directory, different from those `taken`.
std::string directory_name(const std::string& name, std::set<std::string>& taken) {
  std::string clean;
  for (const char c : name) clean += c == '/' || c == '\\' ? '_' : c;
  if (clean.find_first_not_of('.') == std::string::npos) clean = "run" + clean;
  std::string unique = clean;
  for (int i = 2; !taken.insert(unique).second; ++i) unique = fmt::format("{}-{}", clean, i);
  return unique;
}

}  // namespace

std::vector<std::string> write_tensorboard(const std::vector<ReportRun>& runs,
                                           const std::string& directory) {
  std::vector<std::string> paths;
  std::set<std::string> taken;
  for (const ReportRun& run : runs) {
    if (run.metrics.empty()) continue;
    const std::string folder = join_path(directory, directory_name(run.name, taken));
    create_directories(folder);
    // Named by the run's own time, so that writing again replaces the file.
    paths.push_back(join_path(folder, fmt::format("events.out.tfevents.{:010.0f}.minillm",
                                                  std::floor(wall_time(run.metrics.front())))));
    write_file_atomic(paths.back(), event_file(run));
  }
  return paths;
}

}  // namespace minillm::report
