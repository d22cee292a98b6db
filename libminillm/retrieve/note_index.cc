#include "libminillm/retrieve/note_index.h"

#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <unordered_set>
#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/retrieve/question.h"
#include "libminillm/retrieve/sentences.h"

namespace minillm {
namespace {

constexpr uint32_t kApplicationId = 0x6D6C6E74;  // "mlnt"
constexpr uint32_t kFormatVersion = 1;
// Of an SQLite file (sqlite.org/fileformat.html): its first bytes, and where the two numbers are.
constexpr std::string_view kMagic("SQLite format 3\0", 16);
constexpr size_t kUserVersionAt = 60, kApplicationIdAt = 68, kHeaderBytes = 100;

struct Closer {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  void operator()(unsigned char* bytes) const { sqlite3_free(bytes); }
};
using Connection = std::unique_ptr<sqlite3, Closer>;

[[noreturn]] void throw_sqlite_error(sqlite3* database, const std::string& path) {
  const int code = database == nullptr ? SQLITE_NOMEM : sqlite3_errcode(database);
  if (code == SQLITE_NOMEM) throw std::bad_alloc();
  const bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_ERROR;
  throw Error(fmt::format("notes '{}': {}{} (build it again with build_note_index)", path,
                          damaged ? "damaged: " : "", sqlite3_errmsg(database)));
}

// One SQL statement with its parameters.
class Statement {
 public:
  Statement(sqlite3* database, const std::string& path, std::string_view sql)
      : database_(database), path_(path) {
    sqlite3_stmt* statement = nullptr;
    check(sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement,
                             nullptr));
    statement_.reset(statement);
  }
  // The text must live until the next step.
  void bind(int parameter, std::string_view text) {
    check(sqlite3_bind_text64(get(), parameter, text.data(), text.size(), SQLITE_STATIC,
                              SQLITE_UTF8));
  }
  void bind(int parameter, int64_t number) { check(sqlite3_bind_int64(get(), parameter, number)); }
  // Whether there is another row.
  bool step() {
    const int code = sqlite3_step(get());
    if (code != SQLITE_ROW && code != SQLITE_DONE) throw_sqlite_error(database_, path_);
    return code == SQLITE_ROW;
  }
  void reset() { check(sqlite3_reset(get())); }
  std::string text(int column) const {
    const void* bytes = sqlite3_column_blob(get(), column);
    const auto size = static_cast<size_t>(sqlite3_column_bytes(get(), column));
    return bytes == nullptr ? "" : std::string(static_cast<const char*>(bytes), size);
  }
  int64_t integer(int column) const { return sqlite3_column_int64(get(), column); }
  double number(int column) const { return sqlite3_column_double(get(), column); }

 private:
  sqlite3_stmt* get() const { return statement_.get(); }
  void check(int code) {
    if (code != SQLITE_OK) throw_sqlite_error(database_, path_);
  }

  sqlite3* database_;
  const std::string& path_;
  std::unique_ptr<sqlite3_stmt, Closer> statement_;
};

void run(sqlite3* database, const std::string& path, std::string_view sql) {
  Statement(database, path, sql).step();
}

Connection open_connection(const std::string& name, const std::string& path, int flags) {
  sqlite3* database = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &database, flags | SQLITE_OPEN_FULLMUTEX, nullptr);
  Connection connection(database);
  if (code != SQLITE_OK) throw_sqlite_error(database, path);
  return connection;
}

// The file as SQLite's URI: with `immutable` it takes no locks and looks for no journal, since a
// file that is only ever replaced does not change.
std::string immutable_uri(const std::string& path) {
  std::string uri = path.starts_with('/') ? "file://" : "file:./";
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#')
      uri += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    else
      uri += c;
  }
  return uri + "?immutable=1";
}

uint32_t big_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (const char c : bytes.substr(0, 4)) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

void check_header(const std::string& path) {
  MINILLM_CHECK(file_exists(path), "notes '{}': no such file (build_note_index writes one)", path);
  FileDescriptor file = FileDescriptor::to_read(path);
  std::string header(kHeaderBytes, '\0');
  size_t size = 0;
  for (size_t read; (read = file.read(header.data() + size, kHeaderBytes - size)) > 0;)
    size += read;
  MINILLM_CHECK(size == kHeaderBytes && header.starts_with(kMagic) &&
                    big_endian(std::string_view(header).substr(kApplicationIdAt)) == kApplicationId,
                "notes '{}': not an index of notes (build_note_index writes one)", path);
  const uint32_t version = big_endian(std::string_view(header).substr(kUserVersionAt));
  MINILLM_CHECK(version == kFormatVersion,
                "notes '{}': another version: expected {}, got {} (build it again with "
                "build_note_index)",
                path, kFormatVersion, version);
}

void create_table(sqlite3* database, const std::string& path) {
  run(database, path, fmt::format("PRAGMA application_id = {}", kApplicationId));
  run(database, path, fmt::format("PRAGMA user_version = {}", kFormatVersion));
  run(database, path,
      "CREATE VIRTUAL TABLE notes USING fts5(text, source UNINDEXED, document UNINDEXED, "
      "tokenize = 'unicode61')");
}

// Adds the documents' sentences, each once.
void add_notes(sqlite3* database, const std::vector<std::string>& inputs, const std::string& path,
               const NoteIndexOptions& options, NoteIndexReport& report) {
  Statement insert(database, path, "INSERT INTO notes(text, source, document) VALUES (?1, ?2, ?3)");
  std::unordered_set<std::string> known;
  for (const std::string& input : inputs) {
    const std::string name = std::filesystem::path(input).filename().string();
    int64_t number = 0;
    const auto add = [&](std::string_view document) {
      insert.bind(3, ++number);
      for (std::string& sentence : cut_sentences(document)) {
        insert.bind(1, sentence);
        insert.bind(2, name);
        if (known.contains(sentence)) {
          ++report.repeated;
          continue;
        }
        insert.step();
        insert.reset();
        ++report.notes;
        known.insert(std::move(sentence));
      }
    };
    report.files.push_back(
        for_each_document({input}, options.split, options.on_bad_record, add).at(0));
    report.documents += number;
  }
}

}  // namespace

NoteIndexReport build_note_index(const std::vector<std::string>& inputs, const std::string& path,
                                 const NoteIndexOptions& options) {
  // In memory, so that what is written passes through the library's own files.
  const Connection connection =
      open_connection(":memory:", path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY);
  sqlite3* database = connection.get();
  create_table(database, path);
  NoteIndexReport report;
  run(database, path, "BEGIN");
  add_notes(database, inputs, path, options, report);
  MINILLM_CHECK(report.notes > 0, "notes '{}': no sentence in what was read", path);
  run(database, path, "INSERT INTO notes(notes) VALUES ('optimize')");
  run(database, path, "COMMIT");
  run(database, path, "VACUUM");

  sqlite3_int64 size = 0;
  const std::unique_ptr<unsigned char, Closer> bytes(sqlite3_serialize(database, "main", &size, 0));
  if (bytes == nullptr) throw std::bad_alloc();
  report.bytes = size;
  write_output(path, {reinterpret_cast<const char*>(bytes.get()), static_cast<size_t>(size)});
  return report;
}

struct NoteIndex::Database {
  std::string path;
  Connection connection;
};

NoteIndex::NoteIndex(const std::string& path) {
  check_header(path);
  Connection connection =
      open_connection(immutable_uri(path), path, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
  // A file may come from anybody: what its schema says cannot call functions or write to itself.
  sqlite3_db_config(connection.get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(connection.get(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  database_ = std::make_unique<Database>(Database{path, std::move(connection)});
  query("whether it can be read");
}
NoteIndex::~NoteIndex() = default;
NoteIndex::NoteIndex(NoteIndex&&) noexcept = default;
NoteIndex& NoteIndex::operator=(NoteIndex&&) noexcept = default;

std::vector<Note> NoteIndex::query(std::string_view question, int64_t limit) const {
  MINILLM_CHECK(limit >= 0, "notes: limit: expected at least 0, got {}", limit);
  const std::string expression = match_expression(question_words(question));
  std::vector<Note> notes;
  if (expression.empty() || limit == 0) return notes;
  Statement select(database_->connection.get(), database_->path,
                   "SELECT text, source, document, bm25(notes) AS score FROM notes WHERE notes "
                   "MATCH ?1 ORDER BY score, rowid LIMIT ?2");
  select.bind(1, expression);
  select.bind(2, limit);
  while (select.step())
    notes.push_back({select.text(0), fmt::format("{}#{}", select.text(1), select.integer(2)),
                     -select.number(3)});
  return notes;
}

}  // namespace minillm
