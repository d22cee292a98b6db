// Whether a chat model would rather refuse a request: what a policy's rules for models ask.

#ifndef LIBMINILLM_EVAL_REFUSAL_ODDS_H_
#define LIBMINILLM_EVAL_REFUSAL_ODDS_H_

#include <string>
#include <vector>

#include "libminillm/data/record.h"  // Message
#include "libminillm/data/tokenizer.h"
#include "libminillm/nn/model.h"

namespace minillm {

// log p(refusal | messages) - log p(help | messages), in nats, of the two as beginnings of the
// answer. Throws Error if the tokenizer has no chat template or the messages do not fit.
double refusal_log_odds(const Model& model, const Tokenizer& tokenizer,
                        const std::vector<Message>& messages, const std::string& refusal,
                        const std::string& help);

}  // namespace minillm

#endif  // LIBMINILLM_EVAL_REFUSAL_ODDS_H_
