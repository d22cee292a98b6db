#include "libminillm/core/json_spelling.h"

#include "libminillm/core/strict_json.h"

namespace minillm {

// In an object, what separates a member from the one before it stands in front of its key.
void JsonSpeller::separate() {
  if (open_.empty()) return;
  if (open_.back().has_members) text_ += ", ";
  open_.back().has_members = true;
}

bool JsonSpeller::value(std::string_view text) {
  if (!open_.empty() && !open_.back().is_object) separate();
  text_ += text;
  return true;
}

bool JsonSpeller::open(char bracket) {
  if (open_.size() == max_depth_) throw JsonFault{JsonFault::kDepth, ""};
  value({&bracket, 1});
  open_.push_back({bracket == '{'});
  return true;
}

bool JsonSpeller::close(char bracket) {
  text_ += bracket;
  open_.pop_back();
  return true;
}

bool JsonSpeller::key(string_t& key) {
  if (!open_.back().keys.insert(key).second) throw JsonFault{JsonFault::kDuplicateKey, key};
  separate();
  text_ += nlohmann::json(key).dump() + ": ";
  return true;
}

bool JsonSpeller::parse_error(std::size_t byte, const std::string&,
                              const nlohmann::json::exception& error) {
  constexpr int kOutOfRange = 406;  // a number that no double can hold
  throw JsonFault{error.id == kOutOfRange ? JsonFault::kRange : JsonFault::kSyntax, error.what(),
                  byte};
}

std::string spelled_json(std::string_view text, size_t max_depth) {
  const size_t nul = text.find('\0');  // which the parser would take for the end
  if (nul != std::string_view::npos) throw JsonFault{JsonFault::kSyntax, "a NUL byte", nul + 1};
  JsonSpeller speller(max_depth);
  nlohmann::json::sax_parse(text, &speller);
  return speller.take();
}

}  // namespace minillm
