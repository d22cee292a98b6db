// A small part of the Jinja language: what the chat templates of models are written in. Enough to
// see what a template writes; whatever goes beyond it is refused. Internal.

#ifndef LIBMINILLM_DATA_JINJA_H_
#define LIBMINILLM_DATA_JINJA_H_

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

namespace minillm {

// The template does what is not understood here, or refuses its input.
struct JinjaError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The template refuses its input (raise_exception).
struct JinjaRefusal : JinjaError {
  JinjaRefusal() : JinjaError("the template refuses it") {}
};

// What the template writes, with Hugging Face's settings (trim_blocks, lstrip_blocks). Understood
// are text, output, set, if and for (also over pairs, and with a condition); strings, numbers,
// lists, members, slices, comparisons, and, or, not, in, is, +, -, *, %, ~, the conditional
// expression, filters and methods (data/jinja_filters.h), namespace, and strftime_now, which tells
// the date that Llama 3.1's template has where nobody tells another, 26 July 2024. Throws
// JinjaError. Takes a bounded number of steps.
std::string render_jinja(std::string_view text, const nlohmann::ordered_json& variables);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_JINJA_H_
