#include "libminillm/serve/page.h"

#include <algorithm>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

constexpr std::string_view kHtml =
#include "page.html.inc"
    ;
constexpr std::string_view kCss =
#include "page.css.inc"
    ;
constexpr std::string_view kScript =
#include "page.js.inc"
    ;

constexpr PageFile kFiles[] = {{"/", "text/html; charset=utf-8", kHtml},
                               {"/page.css", "text/css; charset=utf-8", kCss},
                               {"/page.js", "text/javascript; charset=utf-8", kScript}};

}  // namespace

const PageFile& page_file(std::string_view path) {
  const auto* const found = std::ranges::find(kFiles, path, &PageFile::path);
  MINILLM_CHECK(found != std::end(kFiles), "page: it has no file '{}'", path);
  return *found;
}

}  // namespace minillm
