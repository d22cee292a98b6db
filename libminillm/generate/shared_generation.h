// Texts of many prompts, divided among ranks.

#ifndef LIBMINILLM_GENERATE_SHARED_GENERATION_H_
#define LIBMINILLM_GENERATE_SHARED_GENERATION_H_

#include <span>
#include <vector>

#include "libminillm/dist/communicator.h"
#include "libminillm/generate/generator.h"

namespace minillm {

// Generator::generate_all of the same prompts on all ranks, each of which continues a part of them
// and gets all texts, to the bits of one rank. `ranks` may be null. Throws Error as it does, and as
// Communicator::wait does. Alternatives (config.top_log_probs) and scores of the prompts do not
// travel: expects that none are asked for.
std::vector<Generation> generate_among(Communicator* ranks, Generator& generator,
                                       std::span<const std::vector<Token>> prompts,
                                       const GenerationConfig& config, Index max_streams = 64);

}  // namespace minillm

#endif  // LIBMINILLM_GENERATE_SHARED_GENERATION_H_
