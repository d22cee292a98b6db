// The words of JSON as automata: strings, numbers, integers in a range, formats. Internal.

#ifndef LIBMINILLM_CONSTRAIN_JSON_TEXT_H_
#define LIBMINILLM_CONSTRAIN_JSON_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/constrain/byte_automaton.h"
#include "libminillm/constrain/regex.h"

namespace minillm {

inline constexpr int64_t kLargestInteger = 99'999'999'999'999'999;  // of 17 digits

// One character within the quotes of a string: itself or any escape that means a character. Two
// escaped surrogates are one; half of such a pair is none.
const ByteAutomaton& json_character();
// A string with its quotes; all characters or, of keys, each spelled in one way only.
const ByteAutomaton& json_string();
ByteAutomaton json_key_other_than(const std::vector<std::string>& keys);

// At most 17 digits, one sign, one point, one exponent of two digits; no integer is "-0".
const ByteAutomaton& json_number();
// REQUIRES: -kLargestInteger <= least <= most <= kLargestInteger.
ByteAutomaton json_integer(int64_t least, int64_t most, const std::string& subject,
                           RegexWork& work);

// What the characters of a string of this `format` are; nullptr if it is not known.
const char* expression_of_format(std::string_view format);
// `date`, ...: for errors.
std::string known_formats();

}  // namespace minillm

#endif  // LIBMINILLM_CONSTRAIN_JSON_TEXT_H_
