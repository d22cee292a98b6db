// ElementSplitter: finds where the elements of a JSON array, or JSON values in sequence, begin and
// end, without checking them. Internal: not included by public headers.

#ifndef LIBMINILLM_DATA_ELEMENT_SPLITTER_H_
#define LIBMINILLM_DATA_ELEMENT_SPLITTER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace minillm {

class ElementSplitter {
 public:
  // What an element holds at most: of longer ones comes one byte more than that.
  using Visitor = std::function<void(int64_t line, std::string_view element)>;
  enum class Of { kSequence, kArray };
  // `line`: of the first byte. An array is given from after its `[` on.
  ElementSplitter(Of what, size_t limit, int64_t line, Visitor visit)
      : array_(what == Of::kArray), limit_(limit), visit_(std::move(visit)), line_(line) {}

  // Takes a piece of the text. Returns how much of it there was before the array's end, its `]`
  // included: all of it for a sequence.
  size_t push(std::string_view piece);
  // At the end of the text: the last element, if it has not ended.
  void finish();

  bool array_ended() const { return ended_; }
  int64_t line() const { return line_; }  // of the last byte taken

 private:
  void take(std::string_view bytes);
  void end_element();

  const bool array_;
  const size_t limit_;
  const Visitor visit_;
  std::string element_;
  int64_t line_, element_line_ = 0;
  int64_t depth_ = 0;  // of brackets within the element
  bool inside_ = false, in_string_ = false, escaped_ = false, ended_ = false;
};

// The length of the value that `text` begins with, white space before it included; 0 if it does not
// end in it.
size_t first_value_length(std::string_view text);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_ELEMENT_SPLITTER_H_
