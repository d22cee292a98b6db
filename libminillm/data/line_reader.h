// LineReader: the lines of a text file, one at a time, in bounded memory.

#ifndef LIBMINILLM_DATA_LINE_READER_H_
#define LIBMINILLM_DATA_LINE_READER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "libminillm/core/file_descriptor.h"

namespace minillm {

inline constexpr size_t kMaxLineBytes = size_t{16} << 20;

class LineReader {
 public:
  // Throws Error if `path` is missing, a directory, or unreadable.
  explicit LineReader(const std::string& path);

  // Moves on to the next line; false at the end of the file. The line comes without LF or CR LF,
  // the first one without a byte order mark, and is valid until the next call. Throws Error on a
  // line longer than kMaxLineBytes and when reading fails.
  bool next(std::string_view& line);

  int64_t line_number() const { return line_number_; }  // of the last line, from 1
  uint64_t offset() const { return line_offset_; }      // its first byte in the file

 private:
  bool refill();
  void check_length(size_t bytes) const;

  FileDescriptor file_;
  std::string buffer_;
  size_t position_ = 0;         // of the first byte in buffer_ that is not handed out
  uint64_t buffer_offset_ = 0;  // of buffer_ in the file
  uint64_t line_offset_ = 0;
  int64_t line_number_ = 0;
  bool at_end_ = false;
};

}  // namespace minillm

#endif  // LIBMINILLM_DATA_LINE_READER_H_
