#include "libminillm/generate/request.h"

#include "libminillm/core/check.h"

namespace minillm {

void check_prompt(std::span<const Token> prompt, const std::string& subject,
                  const ModelConfig& model, Index rows, Index virtual_tokens) {
  MINILLM_CHECK(!prompt.empty(), "{}: it has no tokens", subject);
  if (virtual_tokens + std::ssize(prompt) > rows)
    throw RequestRefused(
        RequestRefused::Reason::kTooLong,
        fmt::format("{}: too long: expected at most {} tokens ({}{}), got {}", subject,
                    rows - virtual_tokens,
                    rows < model.max_position_embeddings ? "the engine's slot_rows"
                                                         : "the model's max_position_embeddings",
                    virtual_tokens == 0 ? "" : ", less its adapter's virtual tokens",
                    prompt.size()));
  for (const Token token : prompt)
    MINILLM_CHECK(token >= 0 && token < model.vocab_size, "{}: token id {}: expected 0 to {}",
                  subject, token, model.vocab_size - 1);
}

}  // namespace minillm
