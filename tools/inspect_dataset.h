// The part of minillm-inspect that looks at a data set.

#ifndef TOOLS_INSPECT_DATASET_H_
#define TOOLS_INSPECT_DATASET_H_

#include <optional>
#include <string>

#include "libminillm/data/document_reader.h"
#include "libminillm/data/tokenizer.h"

namespace minillm {

// How a data set is looked at: as a stage with this tokenizer and config would read it.
struct InspectOptions {
  std::optional<Tokenizer> tokenizer;
  Index max_positions = 0;  // of the tokenizer's checkpoint; 0: it has none
  RowMapping mapping;
  DocumentSplit split = DocumentSplit::kBlankLine;
};

// Prints what a file of texts, conversations or preference pairs contains: the format found, the
// rows used and dropped with reasons and places, lengths, duplicates, texts that contain chat
// markers, for pairs how often the chosen answer is the longer one, and a few samples with the
// learned text marked. With a tokenizer, lengths are in tokens, and conversations are rendered and
// masked as in SFT; without, lengths are in bytes. With max_positions, rows that training would
// leave out are counted. Returns the exit code; throws Error.
int inspect_dataset(const std::string& path, const InspectOptions& options, bool json);

}  // namespace minillm

#endif  // TOOLS_INSPECT_DATASET_H_
