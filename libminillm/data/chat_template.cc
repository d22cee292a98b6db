#include "libminillm/data/chat_template.h"

#include <numeric>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

void check_markers(const Tokenizer& tokenizer) {
  MINILLM_CHECK(tokenizer.bos() >= 0 && tokenizer.im_start() >= 0 && tokenizer.im_end() >= 0,
                "tokenizer: it has no chat markers: expected control pieces '<s>', '<|im_start|>' "
                "and '<|im_end|>' "
                "(train one with minillm-tokenizer)");
}

void append(std::vector<Token>& tokens, const std::vector<Token>& more) {
  tokens.insert(tokens.end(), more.begin(), more.end());
}

void append_header(const Tokenizer& tokenizer, Role role, std::vector<Token>& tokens) {
  tokens.push_back(tokenizer.im_start());
  append(tokens, tokenizer.encode(std::string(role_name(role)) + "\n"));
}

}  // namespace

std::string chat_template_jinja() {
  return "{{ bos_token }}"
         "{% for m in messages %}"
         "{{ '<|im_start|>' + m['role'] + '\\n ' + m['content'] + '<|im_end|>\\n' }}"
         "{% endfor %}"
         "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
}

Index RenderedSequence::supervised_count() const {
  return std::accumulate(supervised.begin(), supervised.end(), Index{0});
}

RenderedSequence render_conversation(const Tokenizer& tokenizer,
                                     const std::vector<Message>& messages) {
  check_markers(tokenizer);
  const std::vector<Token> newline = tokenizer.encode("\n");
  RenderedSequence sequence;
  sequence.tokens.push_back(tokenizer.bos());
  for (size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    append_header(tokenizer, message.role, sequence.tokens);
    sequence.supervised.resize(sequence.tokens.size(), 0);
    append(sequence.tokens, render_answer(tokenizer, message.content));
    const bool supervised = message.role == Role::kAssistant && message.supervised;
    sequence.supervised.resize(sequence.tokens.size(), supervised ? 1 : 0);
    if (i + 1 < messages.size()) append(sequence.tokens, newline);
  }
  sequence.supervised.resize(sequence.tokens.size(), 0);
  return sequence;
}

std::vector<Token> render_prompt(const Tokenizer& tokenizer, const std::vector<Message>& messages) {
  std::vector<Token> tokens = render_conversation(tokenizer, messages).tokens;
  if (!messages.empty()) append(tokens, tokenizer.encode("\n"));
  append_header(tokenizer, Role::kAssistant, tokens);
  return tokens;
}

std::vector<Token> render_answer(const Tokenizer& tokenizer, const std::string& content) {
  check_markers(tokenizer);
  std::vector<Token> tokens = tokenizer.encode(" " + content);
  tokens.push_back(tokenizer.im_end());
  return tokens;
}

RenderedPair render_pair(const Tokenizer& tokenizer, const PreferencePair& pair) {
  return {render_prompt(tokenizer, pair.prompt), render_answer(tokenizer, pair.chosen),
          render_answer(tokenizer, pair.rejected)};
}

}  // namespace minillm
