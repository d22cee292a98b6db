#include "libminillm/data/line_reader.h"

#include "libminillm/core/check.h"

namespace minillm {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 16;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

LineReader::LineReader(const std::string& path, size_t limit, bool cut)
    : file_(path), limit_(limit), cut_(cut) {}

// Drops what was handed out and reads another block; false at the end of the file.
bool LineReader::refill() {
  buffer_.erase(0, position_);
  buffer_offset_ += position_;
  position_ = 0;
  const size_t kept = buffer_.size();
  buffer_.resize(kept + kBlockBytes);
  const size_t count = file_.read(buffer_.data() + kept, kBlockBytes);
  buffer_.resize(kept + count);
  return count > 0;
}

// Reads on to the end of a line that is not to be held.
void LineReader::skip_line() {
  size_t line_feed = std::string::npos;
  do {
    buffer_offset_ += buffer_.size();
    buffer_.resize(kBlockBytes);
    buffer_.resize(file_.read(buffer_.data(), kBlockBytes));
    at_end_ = buffer_.empty();
    line_feed = buffer_.find('\n');
  } while (!at_end_ && line_feed == std::string::npos);
  position_ = at_end_ ? 0 : line_feed + 1;
}

bool LineReader::next(std::string_view& line) {
  size_t searched = 0;
  size_t end = std::string::npos;
  while (!at_end_) {
    end = buffer_.find('\n', position_ + searched);
    if (end != std::string::npos) break;
    searched = buffer_.size() - position_;
    if (searched > limit_) break;
    at_end_ = !refill();
  }
  if (at_end_) {
    end = buffer_.find('\n', position_);
    if (position_ == buffer_.size()) return false;
  }
  const bool has_line_feed = end != std::string::npos;
  line = std::string_view(buffer_).substr(position_,
                                          has_line_feed ? end - position_ : std::string::npos);
  line_offset_ = buffer_offset_ + position_;
  ++line_number_;
  if (line.size() > limit_) {
    MINILLM_CHECK(cut_, "{}:{}: line is too long: expected at most {} bytes", file_.path(),
                  line_number_, limit_);
    kept_ = line.substr(0, limit_ + 1);
    line = kept_;
    if (has_line_feed) {
      position_ = end + 1;
    } else {
      skip_line();
    }
    return true;
  }
  position_ = has_line_feed ? end + 1 : buffer_.size();
  if (line_number_ == 1 && line.starts_with(kByteOrderMark)) {
    line.remove_prefix(kByteOrderMark.size());
    line_offset_ += kByteOrderMark.size();
  }
  if (has_line_feed && line.ends_with('\r')) line.remove_suffix(1);
  return true;
}

}  // namespace minillm
