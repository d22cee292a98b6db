// Virtual tokens of an adapter that has some: what they begin as.

#ifndef LIBMINILLM_NN_VIRTUAL_TOKENS_H_
#define LIBMINILLM_NN_VIRTUAL_TOKENS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "libminillm/nn/adapter.h"
#include "libminillm/nn/model.h"

namespace minillm {

// As many ids as the adapter has virtual tokens: those of `text`, from its beginning again where it
// is too short; without one, ids drawn from [0, vocab_size), a pure function of the seed.
std::vector<Token> tokens_to_begin_as(const Adapter& adapter, std::span<const Token> text,
                                      Index vocab_size, uint64_t seed);

// Sets the virtual tokens to what `base` makes of real ones: their embeddings, or the keys and
// values that they have in every layer where they begin a text. Far better than random numbers for
// a small model (Lester et al. 2021, section 3.2; Li & Liang 2021, section 7.4). REQUIRES one token
// for each. Throws Error if one is outside the vocabulary.
void initialize_virtual_tokens(Adapter& adapter, const Model& base, std::span<const Token> tokens);

}  // namespace minillm

#endif  // LIBMINILLM_NN_VIRTUAL_TOKENS_H_
