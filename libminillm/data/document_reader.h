// Reads corpora, plain text files and {"text": ...} records, as documents: for pretraining, replay,
// held-out loss, inspection and training a tokenizer alike.

#ifndef LIBMINILLM_DATA_DOCUMENT_READER_H_
#define LIBMINILLM_DATA_DOCUMENT_READER_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/data/dataset_reader.h"  // BadRecordPolicy, DatasetReport

namespace minillm {

// What ends a document in a plain text file. In any case `<|endoftext|>` also ends one, on a line
// of its own, within one, and within a record's text; a byte order mark and CR before LF are
// removed.
enum class DocumentSplit { kBlankLine, kLine, kFile };
// "blank_line", "line", "file". Throws Error (kUsage) on anything else.
DocumentSplit parse_document_split(const std::string& text);
const char* document_split_name(DocumentSplit split);

// Calls `visit` with every document of the files (records: the "text" field, or a bare string; else
// plain text; doc/data_formats.md says which file is which). Documents have at least one character
// that is not white space, and neither begin nor end with an empty line. Files are streamed; a
// document has to fit into memory. Invalid UTF-8 is a bad record. Returns one report per file.
// Throws Error as dataset_reader.h does.
std::vector<DatasetReport> for_each_document(const std::vector<std::string>& paths,
                                             DocumentSplit split, BadRecordPolicy policy,
                                             const std::function<void(std::string_view)>& visit,
                                             const RowMapping& mapping = {});

}  // namespace minillm

#endif  // LIBMINILLM_DATA_DOCUMENT_READER_H_
