// LineReader: the lines of a text file, one at a time, in bounded memory.

#ifndef LIBMINILLM_DATA_LINE_READER_H_
#define LIBMINILLM_DATA_LINE_READER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "libminillm/data/byte_stream.h"

namespace minillm {

class LineReader {
 public:
  // What lines may be at most; there are published corpora of one line.
  static constexpr size_t kMaxLineBytes = size_t{1} << 30;

  // Throws Error if `path` cannot be read (data/byte_stream.h). Lines longer than `limit` bytes are
  // an error, or, with `cut`, come with their first limit + 1 bytes.
  explicit LineReader(const std::string& path, size_t limit = kMaxLineBytes, bool cut = false);

  // Moves on to the next line; false at the end of the file. The line comes without LF or CR LF,
  // the first one without a byte order mark, and is valid until the next call. Throws Error on a
  // line that is too long and when reading fails.
  bool next(std::string_view& line);

  int64_t line_number() const { return line_number_; }  // of the last line, from 1
  uint64_t offset() const { return line_offset_; }      // its first byte in the (unpacked) file

 private:
  bool refill();
  void skip_line();

  ByteStream file_;
  const size_t limit_;
  const bool cut_;
  std::string buffer_, kept_;   // kept_: of a line that was cut
  size_t position_ = 0;         // of the first byte in buffer_ that is not handed out
  uint64_t buffer_offset_ = 0;  // of buffer_ in the file
  uint64_t line_offset_ = 0;
  int64_t line_number_ = 0;
  bool at_end_ = false;
};

}  // namespace minillm

#endif  // LIBMINILLM_DATA_LINE_READER_H_
