// Unicode's normalization form C, by utf8proc. Internal: not included by public headers.

#ifndef LIBMINILLM_DATA_NORMAL_FORM_H_
#define LIBMINILLM_DATA_NORMAL_FORM_H_

#include <string>
#include <string_view>

namespace minillm {

// Whether the library was built with utf8proc.
bool can_normalize();
// Valid UTF-8 in normalization form C (Unicode Standard Annex 15). Throws Error without utf8proc.
std::string normalize_nfc(std::string_view text);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_NORMAL_FORM_H_
