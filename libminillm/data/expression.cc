// Runs expressions by PCRE2, compiled to machine code where it can be (data/expression.h).

#include "libminillm/data/expression.h"

#include "libminillm/core/check.h"

#ifdef MINILLM_WITH_PCRE2
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#endif

namespace minillm {

#ifdef MINILLM_WITH_PCRE2
namespace {

constexpr uint32_t kMostSteps = 1000000;  // of one match; ordinary expressions take some

std::string message_of(int error) {
  std::array<unsigned char, 256> text{};
  pcre2_get_error_message(error, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

}  // namespace

struct Expression::Code {
  explicit Code(const std::string& expression) : text(expression) {
    const std::string translated = pcre_of_oniguruma(expression);
    int error = 0;
    PCRE2_SIZE where = 0;
    // In Ruby's syntax, ^ and $ match at every line.
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                         PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error,
                         &where, nullptr);
    MINILLM_CHECK(code != nullptr, "the expression '{}' is not supported: {}", text,
                  message_of(error));
    uint32_t may_be_empty = 0;
    pcre2_pattern_info(code, PCRE2_INFO_MATCHEMPTY, &may_be_empty);
    if (may_be_empty != 0) {
      pcre2_code_free(code);
      throw Error(fmt::format(
          "the expression '{}' is not supported: expected one that cannot match nothing", text));
    }
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where it fails, the code is interpreted
    limits = pcre2_match_context_create(nullptr);
    if (limits == nullptr) throw std::bad_alloc();
    pcre2_set_match_limit(limits, kMostSteps);
  }
  ~Code() {
    pcre2_match_context_free(limits);
    pcre2_code_free(code);
  }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;

  std::string text;
  pcre2_code* code;
  pcre2_match_context* limits = nullptr;
};

struct Expression::Matches::Data {
  Data() : block(pcre2_match_data_create(1, nullptr)) {
    if (block == nullptr) throw std::bad_alloc();
  }
  ~Data() { pcre2_match_data_free(block); }
  Data(const Data&) = delete;
  Data& operator=(const Data&) = delete;

  pcre2_match_data* block;
};

Expression::Expression(const std::string& expression) : code_(std::make_shared<Code>(expression)) {}

Expression::Matches::Matches(const Expression& expression, std::string_view text)
    : expression_(expression), text_(text), data_(new Data) {}

bool Expression::Matches::next() {
  const int result =
      pcre2_match(expression_.code_->code, reinterpret_cast<PCRE2_SPTR>(text_.data()), text_.size(),
                  end_, PCRE2_NO_UTF_CHECK, data_->block, expression_.code_->limits);
  if (result == PCRE2_ERROR_NOMATCH) return false;
  MINILLM_CHECK(result >= 0, "tokenizer: the expression '{}' cannot be matched with this text: {}",
                expression_.code_->text, message_of(result));
  const PCRE2_SIZE* const found = pcre2_get_ovector_pointer(data_->block);
  begin_ = found[0];
  end_ = found[1];
  return true;
}

#else

struct Expression::Code {};
struct Expression::Matches::Data {};
Expression::Expression(const std::string& expression) {
  throw Error(
      fmt::format("cutting words by the expression '{}' is not supported: the library was "
                  "built without PCRE2 (libpcre2-dev)",
                  expression));
}
Expression::Matches::Matches(const Expression& expression, std::string_view text)
    : expression_(expression), text_(text) {}
bool Expression::Matches::next() { return false; }

#endif

void Expression::Matches::Free::operator()(Data* data) const { delete data; }

}  // namespace minillm
