// What note_index.cc is where the library is built without SQLite.

#include "libminillm/core/check.h"
#include "libminillm/retrieve/note_index.h"

namespace minillm {
namespace {

[[noreturn]] void refuse(const std::string& path) {
  throw Error(fmt::format("notes '{}': this library was built without SQLite (build it where "
                          "libsqlite3-dev is installed)",
                          path),
              ExitCode::kUsage);
}

}  // namespace

NoteIndexReport build_note_index(const std::vector<std::string>& /*inputs*/,
                                 const std::string& path, const NoteIndexOptions& /*options*/) {
  refuse(path);
}

struct NoteIndex::Database {};
NoteIndex::NoteIndex(const std::string& path) { refuse(path); }
NoteIndex::~NoteIndex() = default;
NoteIndex::NoteIndex(NoteIndex&&) noexcept = default;
NoteIndex& NoteIndex::operator=(NoteIndex&&) noexcept = default;
std::vector<Note> NoteIndex::query(std::string_view /*question*/, int64_t /*limit*/) const {
  return {};
}

}  // namespace minillm
