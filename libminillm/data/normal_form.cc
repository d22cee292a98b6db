#include "libminillm/data/normal_form.h"

#include "libminillm/core/check.h"

#ifdef MINILLM_WITH_UTF8PROC
#include <utf8proc.h>

#include <array>
#include <cstdlib>
#include <vector>
#endif

namespace minillm {

#ifdef MINILLM_WITH_UTF8PROC
namespace {

constexpr int32_t kFirstChanged = 0x300;  // nothing below it is changed, or joins what is before it
constexpr int32_t kEnd = 0x110000;

// Characters that are in form C wherever they stand: they are no mark that changes places, are not
// the second in any composition, and do not decompose for good. (The Standard's NFC_Quick_Check.)
std::vector<bool> find_stable() {
  std::vector<bool> stable(kEnd, true);
  for (int32_t c = kFirstChanged; c < kEnd; ++c) {
    const utf8proc_property_t& property = *utf8proc_get_property(c);
    if (property.combining_class != 0) stable[static_cast<size_t>(c)] = false;
    if (property.decomp_seqindex == UINT16_MAX && (c < 0xac00 || c > 0xd7a3)) continue;
    std::array<utf8proc_int32_t, 8> parts{};  // of which canonical decompositions have up to 4
    int last = 0;
    const utf8proc_ssize_t count =
        utf8proc_decompose_char(c, parts.data(), parts.size(), UTF8PROC_DECOMPOSE, &last);
    for (utf8proc_ssize_t i = 1; i < count; ++i)
      stable[static_cast<size_t>(parts[static_cast<size_t>(i)])] = false;
    const utf8proc_ssize_t composed = utf8proc_normalize_utf32(
        parts.data(), count, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    if (composed != 1 || parts[0] != c) stable[static_cast<size_t>(c)] = false;
  }
  return stable;
}

bool is_stable(std::string_view text) {
  static const std::vector<bool> kStable = find_stable();
  for (size_t i = 0; i < text.size();) {
    if (static_cast<uint8_t>(text[i]) < 0xcc) {  // below U+0300, or within such a character
      ++i;
      continue;
    }
    int32_t c = 0;
    i += static_cast<size_t>(
        utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + i,
                         static_cast<utf8proc_ssize_t>(text.size() - i), &c));
    if (!kStable[static_cast<size_t>(c)]) return false;
  }
  return true;
}

void append_normalized(std::string_view text, std::string& to) {
  utf8proc_uint8_t* made = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &made,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  MINILLM_CHECK(size >= 0, "tokenizer: the text cannot be normalized: {}", utf8proc_errmsg(size));
  to.append(reinterpret_cast<const char*>(made), static_cast<size_t>(size));
  std::free(made);
}

}  // namespace

bool can_normalize() { return true; }

// Line by line, for nothing joins or passes a line end; most lines stay as they are.
std::string normalize_nfc(std::string_view text) {
  std::string normal;
  normal.reserve(text.size());
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n', 1));
    if (is_stable(line))
      normal += line;
    else
      append_normalized(line, normal);
    text.remove_prefix(line.size());
  }
  return normal;
}

#else

bool can_normalize() { return false; }
std::string normalize_nfc(std::string_view) {
  throw Error("tokenizer: the library was built without utf8proc");
}

#endif

}  // namespace minillm
