#include "libminillm/data/chat_template.h"

#include <numeric>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/data/chat_layout.h"

namespace minillm {
namespace {

const ChatTemplate& template_of(const Tokenizer& tokenizer) {
  MINILLM_CHECK(tokenizer.chat_template() != nullptr, "tokenizer: {}",
                tokenizer.chat_template_problem());
  return *tokenizer.chat_template();
}

// A run of text between two control pieces is encoded as a text of its own (sentencepiece may put a
// space in front of it), as in Meta's code, Hugging Face's fast tokenizer and llama.cpp; what
// continues the run has no such space.
class Writer {
 public:
  explicit Writer(const Tokenizer& tokenizer, bool in_text = false)
      : tokenizer_(tokenizer), in_text_(in_text) {}

  void control(const std::string& piece) {
    if (piece.empty()) return;
    tokens.push_back(control_piece(tokenizer_, piece));
    in_text_ = false;
  }
  void text(const std::string& words) {
    if (words.empty()) return;
    const std::vector<Token> ids =
        in_text_ ? tokenizer_.encode_continuing(words) : tokenizer_.encode(words);
    tokens.insert(tokens.end(), ids.begin(), ids.end());
    in_text_ = true;
  }
  void parts(const std::vector<TurnFormat::Part>& parts) {
    for (const TurnFormat::Part& part : parts) part.control ? control(part.text) : text(part.text);
  }
  // Marks of tools that the tokenizer has no piece for are letters of the text.
  void body(const TurnBody& body, const TurnFormat& turn) {
    inside(body, turn.after);
    control(turn.end);
  }
  void inside(const TurnBody& body, const std::string& after = {}) {
    std::string run;
    for (const TurnPart& part : body.parts()) {
      if (!part.control || tokenizer_.control(part.text) < 0) {
        run += part.text;
        continue;
      }
      text(std::exchange(run, ""));
      control(part.text);
    }
    text(run);
    text(after);
  }

  std::vector<Token> tokens;

 private:
  const Tokenizer& tokenizer_;
  bool in_text_;
};

// Whether text, not a control piece, comes in front of an answer.
bool answers_continue_text(const ChatTemplate& format) {
  const TurnFormat& question = format.turn(Role::kUser);
  for (const auto* parts : {&format.turn(Role::kAssistant).header, &question.next})
    if (!parts->empty()) return !parts->back().control;
  return question.end.empty();
}

// The conversation; if `open`, followed by what comes in front of an answer to it.
RenderedSequence render(const Tokenizer& tokenizer, const std::vector<Message>& messages,
                        bool open) {
  const ChatTemplate& format = template_of(tokenizer);
  Writer writer(tokenizer);
  RenderedSequence sequence;
  writer.control(format.start);
  const std::vector<WrittenTurn> turns = lay_out(format, messages);
  for (const WrittenTurn& turn : turns) {
    writer.parts(turn.format->header);
    writer.text(turn.opening);
    sequence.supervised.resize(writer.tokens.size(), 0);
    writer.body(turn.body, *turn.format);
    sequence.supervised.resize(writer.tokens.size(), turn.learned ? 1 : 0);
    if (open || &turn != &turns.back()) writer.parts(turn.format->next);
  }
  if (open) {
    writer.parts(format.turn(Role::kAssistant).header);
    writer.text(answer_opening(format, messages));
  }
  sequence.tokens = std::move(writer.tokens);
  sequence.supervised.resize(sequence.tokens.size(), 0);
  return sequence;
}

}  // namespace

Token control_piece(const Tokenizer& tokenizer, const std::string& piece) {
  const Token named = tokenizer.control(piece);
  if (named >= 0) return named;
  return piece == "<s>" ? tokenizer.bos() : piece == "</s>" ? tokenizer.eos() : Token{-1};
}

std::string chat_template_text(const ChatTemplate& format, const std::vector<Message>& messages,
                               bool open) {
  std::string text = format.start;
  const auto append = [&](const std::vector<TurnPart>& parts) {
    for (const TurnPart& part : parts) text += part.text;
  };
  const std::vector<WrittenTurn> turns = lay_out(format, messages);
  for (const WrittenTurn& turn : turns) {
    append(turn.format->header);
    text += turn.opening;
    append(turn.body.parts());
    text += turn.format->after + turn.format->end;
    if (open || &turn != &turns.back()) append(turn.format->next);
  }
  if (open) {
    append(format.turn(Role::kAssistant).header);
    text += answer_opening(format, messages);
  }
  return text;
}

Index RenderedSequence::supervised_count() const {
  return std::accumulate(supervised.begin(), supervised.end(), Index{0});
}

RenderedSequence render_conversation(const Tokenizer& tokenizer,
                                     const std::vector<Message>& messages) {
  return render(tokenizer, messages, false);
}

std::vector<Token> render_prompt(const Tokenizer& tokenizer, const std::vector<Message>& messages) {
  return render(tokenizer, messages, true).tokens;
}

std::vector<Token> render_answer(const Tokenizer& tokenizer, const std::string& content) {
  return render_answer(tokenizer, Message{Role::kAssistant, content});
}

std::vector<Token> render_answer(const Tokenizer& tokenizer, const Message& answer) {
  const ChatTemplate& format = template_of(tokenizer);
  Writer writer(tokenizer, answers_continue_text(format));
  writer.body(answer_body(format, answer), format.turn(Role::kAssistant));
  return writer.tokens;
}

RenderedPair render_pair(const Tokenizer& tokenizer, const PreferencePair& pair) {
  const auto answer = [&](const std::string& content) {
    return content.empty() ? std::vector<Token>() : render_answer(tokenizer, content);
  };
  return {render_prompt(tokenizer, pair.prompt), answer(pair.chosen), answer(pair.rejected),
          pair.margin};
}

}  // namespace minillm
