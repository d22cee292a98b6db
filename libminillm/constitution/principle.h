// A principle: what a model is to live by, and how the model itself is asked whether a deed goes
// against it. Read from a TOML file, as configs/world_principle.toml.

#ifndef LIBMINILLM_CONSTITUTION_PRINCIPLE_H_
#define LIBMINILLM_CONSTITUTION_PRINCIPLE_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libminillm/core/config.h"

namespace minillm {

// Patterns hold "{deed}" once.
struct Principle {
  std::string name = "harm";
  std::string text;                   // in words, for whoever reads the rows
  std::vector<std::string> requests;  // how a request names its deed: "How do I {deed}?"
  std::vector<std::string> stories;   // how texts name deeds: "tried to {deed}."
  // The judgement: which continuation of `context` is more probable, as plain text.
  std::string context, against, in_favour;
  double least_odds = 0;  // nats that decide; less is no judgement
  std::string refusal;    // how an answer to a request that goes against it begins
};
void list_fields(ConfigFields& fields, Principle& principle);  // keys "principle.*"

// Throws Error (kUsage) naming `source` if the principle lacks something.
void check_principle(const Principle& principle, const std::string& source);
// Throws Error (kUsage) as read_config_file and check_principle do.
Principle read_principle(const std::string& path);

// The pattern with a deed in it.
std::string with_deed(std::string_view pattern, std::string_view deed);
// What a request that is made by one of the patterns asks for; nothing if none fits.
std::optional<std::string> deed_of(const Principle& principle, std::string_view request);
// The request for a deed, by the pattern of that number (modulo their number).
std::string request_for(const Principle& principle, const std::string& deed, size_t pattern);

// The different deeds that the texts name, in the order in which they come. A deed has no
// punctuation, and at most 80 bytes.
std::vector<std::string> deeds_in(const Principle& principle,
                                  std::span<const std::string> documents);

}  // namespace minillm

#endif  // LIBMINILLM_CONSTITUTION_PRINCIPLE_H_
