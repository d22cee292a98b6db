// The fuzz targets of what reads data files, model directories and questions, beside those of
// targets.cc.

#ifndef TESTS_FUZZ_DATA_TARGETS_H_
#define TESTS_FUZZ_DATA_TARGETS_H_

#include <string>
#include <string_view>
#include <vector>

namespace minillm_testing {

// A whole data file of any kind (text, JSON in any form, a table, compressed); the first byte says
// what it is called. Read as documents and as rows; JSON is divided alike in one piece and byte by
// byte.
void data_file(std::string_view bytes);
std::vector<std::string> data_file_seeds();

// A public benchmark to be chosen from and to be continued; and a file of scored items. The first
// byte says what it is called.
void choice_items(std::string_view bytes);
std::vector<std::string> choice_items_seeds();

// A chat template: rendered, and compared with ours.
void jinja(std::string_view bytes);
std::vector<std::string> jinja_seeds();

// An answer that may call tools; the first byte says in which template's format. Read in one piece
// and byte by byte.
void tool_calls(std::string_view bytes);
std::vector<std::string> tool_calls_seeds();

// tokenizer_config.json and its kin; the first byte says which of them.
void special_tokens(std::string_view bytes);
std::vector<std::string> special_tokens_seeds();

// A tokenizer.json, whole or as changes of a sound one, as the first byte says; used on texts.
void tokenizer_json(std::string_view bytes);
std::vector<std::string> tokenizer_json_seeds();

// A question asked of an index of notes; and a document to be cut into sentences.
void note_query(std::string_view bytes);
std::vector<std::string> note_query_seeds();

// Any text, whose statements about the world are checked.
void fact_check(std::string_view bytes);
std::vector<std::string> fact_check_seeds();

}  // namespace minillm_testing

#endif  // TESTS_FUZZ_DATA_TARGETS_H_
