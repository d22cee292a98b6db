#include "libminillm/data/normal_form.h"

#include <algorithm>

#include "libminillm/core/check.h"

#ifdef MINILLM_WITH_UTF8PROC
#include <utf8proc.h>

#include <cstdlib>
#endif

namespace minillm {

#ifdef MINILLM_WITH_UTF8PROC

bool can_normalize() { return true; }

std::string normalize_nfc(std::string_view text) {
  // No character below U+0300 is changed or joined with the one before it.
  const auto plain = [](char c) { return static_cast<uint8_t>(c) < 0xcc; };
  if (std::all_of(text.begin(), text.end(), plain)) return std::string(text);
  utf8proc_uint8_t* made = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &made,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  MINILLM_CHECK(size >= 0, "tokenizer: the text cannot be normalized: {}", utf8proc_errmsg(size));
  std::string normal(reinterpret_cast<const char*>(made), static_cast<size_t>(size));
  std::free(made);
  return normal;
}

#else

bool can_normalize() { return false; }
std::string normalize_nfc(std::string_view) {
  throw Error("tokenizer: the library was built without utf8proc");
}

#endif

}  // namespace minillm
