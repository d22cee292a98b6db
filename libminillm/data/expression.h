// Regular expressions of tokenizers, with Unicode classes and lookahead, by PCRE2. Internal: not
// included by public headers.
//
// The files are written for Oniguruma (in its syntax of Ruby), which differs: what means the same
// is passed on, what has another meaning in PCRE2 is rewritten, and what else there is is refused.

#ifndef LIBMINILLM_DATA_EXPRESSION_H_
#define LIBMINILLM_DATA_EXPRESSION_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace minillm {

// The expression as PCRE2 means it. Throws Error naming what has no known counterpart.
std::string pcre_of_oniguruma(std::string_view expression);
// An expression that matches exactly this text.
std::string quoted_expression(std::string_view text);

class Expression {
 public:
  // Throws Error if it cannot be compiled, may match nothing, or the library has no PCRE2.
  explicit Expression(const std::string& expression);

  // The matches in valid UTF-8, from left to right, none overlapping another. Both arguments must
  // outlive it.
  class Matches {
   public:
    Matches(const Expression& expression, std::string_view text);
    bool next();  // throws Error if the expression takes too long for this text
    size_t begin() const { return begin_; }
    size_t end() const { return end_; }

   private:
    struct Data;
    struct Free {
      void operator()(Data* data) const;
    };
    const Expression& expression_;
    std::string_view text_;
    size_t begin_ = 0, end_ = 0;
    std::unique_ptr<Data, Free> data_;
  };

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
};

}  // namespace minillm

#endif  // LIBMINILLM_DATA_EXPRESSION_H_
