// The number that somebody wrote down before it was stored in 32 bits.

#ifndef LIBMINILLM_INTEROP_SHORTEST_DECIMAL_H_
#define LIBMINILLM_INTEROP_SHORTEST_DECIMAL_H_

#include <array>
#include <charconv>

namespace minillm {

// The shortest decimal number that rounds to `value`, in double: 1e-5 for the float next to it.
inline double shortest_decimal(float value) {
  std::array<char, 32> text;
  const auto written = std::to_chars(text.data(), text.data() + text.size(), value);
  double number = static_cast<double>(value);
  std::from_chars(text.data(), written.ptr, number);
  return number;
}

}  // namespace minillm

#endif  // LIBMINILLM_INTEROP_SHORTEST_DECIMAL_H_
