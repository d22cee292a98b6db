// The world of the default options, generated once for all tests of a process.

#ifndef TESTS_WORLD_DEFAULT_WORLD_H_
#define TESTS_WORLD_DEFAULT_WORLD_H_

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/world/people.h"
#include "libminillm/world/world_files.h"

namespace minillm_testing {

inline const minillm::world::World& default_world() {
  static const minillm::world::World world(minillm::world::WorldOptions().seed);
  return world;
}

// The content of the file of that name.
inline const std::string& default_file(const std::string& name) {
  static const std::map<std::string, std::string> files = [] {
    std::map<std::string, std::string> all;
    for (std::string_view part : minillm::world::world_parts()) {
      for (auto& file : minillm::world::make_world_files({}, part)) all[file.name] = file.content;
    }
    return all;
  }();
  return files.at(name);
}

inline std::vector<std::string> lines_of(const std::string& content) {
  std::vector<std::string> lines;
  size_t begin = 0;
  for (size_t end; (end = content.find('\n', begin)) != std::string::npos; begin = end + 1) {
    lines.push_back(content.substr(begin, end - begin));
  }
  return lines;
}

inline std::vector<nlohmann::json> rows_of(const std::string& name) {
  std::vector<nlohmann::json> rows;
  for (const std::string& line : lines_of(default_file(name))) {
    rows.push_back(nlohmann::json::parse(line));
  }
  return rows;
}

inline std::vector<std::string> texts_of(const std::string& name) {
  std::vector<std::string> texts;
  for (const auto& row : rows_of(name)) texts.push_back(row.at("text"));
  return texts;
}

// A message of the chat and preference files that training reads.
struct TrainingMessage {
  std::string role;
  std::string content;
};
inline std::vector<TrainingMessage> training_messages() {
  std::vector<TrainingMessage> messages;
  for (const char* name :
       {"sft.jsonl", "replay.jsonl", "preference.jsonl", "open_book.jsonl", "tools.jsonl"}) {
    for (const auto& row : rows_of(name)) {
      for (const char* key : {"messages", "prompt", "chosen", "rejected"}) {
        if (!row.contains(key)) continue;
        for (const auto& message : row.at(key)) {
          if (message.contains("tool_calls")) continue;  // it says nothing
          messages.push_back({message.at("role"), message.at("content")});
        }
      }
    }
  }
  return messages;
}

}  // namespace minillm_testing

#endif  // TESTS_WORLD_DEFAULT_WORLD_H_
