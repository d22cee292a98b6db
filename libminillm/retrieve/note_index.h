// NoteIndex: texts, sentence by sentence, in which what a question asks for is found.
//
// An index is one file, an SQLite database with a full-text table (FTS5):
//   notes(text, source UNINDEXED, document UNINDEXED), tokenize = unicode61
// with application_id "mlnt" and the format's version as user_version. It is written in one go,
// then only read. Where the library was built without SQLite, both functions throw Error.

#ifndef LIBMINILLM_RETRIEVE_NOTE_INDEX_H_
#define LIBMINILLM_RETRIEVE_NOTE_INDEX_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/data/document_reader.h"
#include "libminillm/data/notes.h"

namespace minillm {

struct NoteIndexOptions {
  // What ends a document in plain text. A file is one by default, since a heading belongs to all
  // that comes after it; empty lines divide sentences anyway.
  DocumentSplit split = DocumentSplit::kFile;
  BadRecordPolicy on_bad_record = BadRecordPolicy::kError;
};
struct NoteIndexReport {
  std::vector<DatasetReport> files;
  int64_t documents = 0;
  int64_t notes = 0;     // sentences in the index
  int64_t repeated = 0;  // left out, since the index has them already
  int64_t bytes = 0;     // of the index
};
// Divides the documents of the files (data/document_reader.h) into sentences
// (retrieve/sentences.h) and writes the index of them to `path`, which appears or is replaced when
// it is complete. The same bytes for the same files and SQLite. Holds the index in memory.
// Throws Error: as for_each_document does; where `path` cannot be written; if there is no sentence.
NoteIndexReport build_note_index(const std::vector<std::string>& inputs, const std::string& path,
                                 const NoteIndexOptions& options = {});

class NoteIndex {
 public:
  // Opens for reading only. Throws Error if there is no such file, or it is not an index, or one of
  // another version, or damaged.
  explicit NoteIndex(const std::string& path);
  ~NoteIndex();
  NoteIndex(NoteIndex&&) noexcept;
  NoteIndex& operator=(NoteIndex&&) noexcept;

  // At most `limit` notes that hold every name in the question and any of its other words
  // (retrieve/question.h), the best first by bm25; of equal ones, those that came first. None where
  // the question has no word to search for. Any bytes are a question. May be called from several
  // threads, which take turns. REQUIRES limit >= 0. Throws Error if the file is damaged.
  std::vector<Note> query(std::string_view question, int64_t limit = kMostNotes) const;

 private:
  struct Database;
  std::unique_ptr<Database> database_;
};

}  // namespace minillm

#endif  // LIBMINILLM_RETRIEVE_NOTE_INDEX_H_
