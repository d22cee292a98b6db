// Reads data sets in the formats people have, the format found per row: conversations for SFT,
// preference pairs for DPO. doc/data_formats.md shows a row of each.
//
// A plain prompt becomes a user turn (one template for all stages); plain prompts and their answers
// lose the white space at both ends.
//
// Roles: system or developer; user or human; assistant or gpt; tool, function or observation. Calls
// of tools are the assistant's, and learned; what tools return is not. Messages after the last
// assistant message are cut off; several user messages in a row stay several. A message with
// loss_weight (or weight, train, ...) 0 is context and not learned. A null field counts as absent.
// Keys that no record used are reported.

#ifndef LIBMINILLM_DATA_DATASET_READER_H_
#define LIBMINILLM_DATA_DATASET_READER_H_

#include <map>
#include <string>
#include <vector>

#include "libminillm/data/record.h"

namespace minillm {

enum class BadRecordPolicy {
  kError,  // the first bad record throws Error: file, line, what was expected, what was found
  kSkip,   // bad records are counted with their reasons
};
// "error" or "skip". Throws Error (kUsage) on anything else.
BadRecordPolicy parse_bad_record_policy(const std::string& text);

// What the columns and roles of a data set are called, where they are not called as usual.
struct RowMapping {
  // What a column is ("prompt", "completion", "messages", "chosen", "text", "role", ...) -> its
  // name.
  std::map<std::string, std::string> columns = {};
  std::map<std::string, std::string> roles =
      {};                       // a role's name -> "system", "user", "assistant" or "tool"
  bool keep_reasoning = false;  // learn what was thought before an answer, as <think>...</think>
};

// Throws Error (kUsage) on a column or role that there is not.
void check_row_mapping(const RowMapping& mapping);

// What was found in one file.
struct DatasetReport {
  std::string path;
  std::string format;                          // "openai messages", "alpaca", ..., "mixed: ..."
  std::string container;                       // "gzip", "CSV", ...; empty for what its name says
  int64_t rows = 0;                            // seen; a row may hold several records
  int64_t used = 0;                            // rows
  std::map<std::string, int64_t> dropped;      // reason -> count
  std::vector<std::string> examples;           // the first few dropped ones, `file:line: reason`
  std::map<std::string, int64_t> unused_keys;  // that no record used -> in how many
  std::vector<std::string> notes;              // what is worth knowing
  std::vector<std::string> warnings;           // what is probably not as it was meant
};

// The reason in DatasetReport::dropped for a pair that teaches nothing.
inline constexpr const char* kIdenticalAnswers = "chosen and rejected are identical";

template <typename Record>
struct Dataset {
  std::vector<Record> records;
  std::vector<DatasetReport> reports;  // one per file
  std::string hash;                    // SHA-256 over the files' bytes, in order
};

// Throws Error on unreadable files, on files of another kind (preference pairs where conversations
// are expected), on files without a usable record, and on bad records under kError. A pair whose
// answers are identical is dropped and counted under either policy.
Dataset<Conversation> read_conversations(const std::vector<std::string>& paths,
                                         BadRecordPolicy policy, const RowMapping& mapping = {});
Dataset<PreferencePair> read_preferences(const std::vector<std::string>& paths,
                                         BadRecordPolicy policy, const RowMapping& mapping = {});
// The same, and rows of one answer with a verdict on it ("label": true), which become a pair
// without the other answer.
Dataset<PreferencePair> read_judged_answers(const std::vector<std::string>& paths,
                                            BadRecordPolicy policy, const RowMapping& mapping = {});

// How many of the held-out records are in the training data, too.
template <typename Record>
int64_t count_shared(const std::vector<Record>& train, const std::vector<Record>& held_out);

// For inspection: which of the three kinds a file is (the first row that is any of them
// decides), and the same reading under kSkip, of pairs and of judged answers, but a file without a
// usable record is only reported.
enum class DatasetKind { kText, kConversations, kPreferences };
DatasetKind detect_dataset_kind(const std::string& path, const RowMapping& mapping = {});
Dataset<Conversation> inspect_conversations(const std::string& path,
                                            const RowMapping& mapping = {});
Dataset<PreferencePair> inspect_preferences(const std::string& path,
                                            const RowMapping& mapping = {});

}  // namespace minillm

#endif  // LIBMINILLM_DATA_DATASET_READER_H_
