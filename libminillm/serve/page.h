// The chat page: files that are part of the program.

#ifndef LIBMINILLM_SERVE_PAGE_H_
#define LIBMINILLM_SERVE_PAGE_H_

#include <string_view>

namespace minillm {

struct PageFile {
  std::string_view path;  // "/", "/page.css", "/page.js"
  const char* type;
  std::string_view content;
};

// The file at the path, which must be one of them.
const PageFile& page_file(std::string_view path);

// What a browser lets the page do (Content-Security-Policy): talk to its own server, run its own
// files, nothing else.
inline constexpr const char* kPagePolicy =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'; img-src 'self' data:";

}  // namespace minillm

#endif  // LIBMINILLM_SERVE_PAGE_H_
