#include "libminillm/eval/refusal_odds.h"

#include "libminillm/data/chat_template.h"
#include "libminillm/eval/sequence_scores.h"

namespace minillm {

double refusal_log_odds(const Model& model, const Tokenizer& tokenizer,
                        const std::vector<Message>& messages, const std::string& refusal,
                        const std::string& help) {
  PromptWithAnswers item = {render_prompt(tokenizer, messages), {}};
  for (const std::string& beginning : {refusal, help}) {
    item.answers.push_back(render_answer(tokenizer, beginning));
    item.answers.back().pop_back();  // the end token: the answer may go on
  }
  const std::vector<double> log_probs = answer_log_probs(model, item);
  return log_probs[0] - log_probs[1];
}

}  // namespace minillm
