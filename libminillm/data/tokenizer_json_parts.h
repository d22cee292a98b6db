// The parts of a tokenizer.json around its model: what is done to a text before, and to its tokens
// after. Internal: not included by public headers.

#ifndef LIBMINILLM_DATA_TOKENIZER_JSON_PARTS_H_
#define LIBMINILLM_DATA_TOKENIZER_JSON_PARTS_H_

#include "libminillm/core/strict_json.h"
#include "libminillm/data/tokenizer_json.h"

namespace minillm {

// Each fills in its members of `tokenizer` from its member of `file`. Throws Error naming what is
// not supported.
void read_text_parts(const JsonObject& file, TokenizerJson& tokenizer);
// Which tokens the post-processor puts around a text; their ids must be those of `tokenizer`.
void read_post_processor(const JsonObject& file, TokenizerJson& tokenizer);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_TOKENIZER_JSON_PARTS_H_
