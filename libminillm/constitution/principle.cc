#include "libminillm/constitution/principle.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

constexpr std::string_view kDeed = "{deed}";
constexpr size_t kLongestDeed = 80;

struct Pattern {
  std::string_view before, after;  // of the deed
};
Pattern parts_of(std::string_view pattern) {
  const size_t at = pattern.find(kDeed);
  return {pattern.substr(0, at), pattern.substr(at + kDeed.size())};
}

bool is_deed(std::string_view text) {
  return !text.empty() && text.size() <= kLongestDeed &&
         text.find_first_of(".,!?;:\n\r\t\"") == std::string_view::npos;
}

void check_patterns(const char* key, const std::vector<std::string>& patterns,
                    const std::string& path) {
  for (const std::string& pattern : patterns) {
    const size_t at = pattern.find(kDeed);
    MINILLM_CHECK_USAGE(at != std::string::npos && pattern.find(kDeed, at + 1) == std::string::npos,
                        "config '{}': principle.{}: expected \"{{deed}}\" once, got \"{}\"", path,
                        key, pattern);
  }
}

}  // namespace

void list_fields(ConfigFields& fields, Principle& p) {
  fields.add("principle.name", p.name, "short, for the rows");
  fields.add("principle.text", p.text, "in words, for whoever reads them");
  fields.add("principle.requests", p.requests,
             "how a request names its deed, \"How do I {deed}?\"");
  fields.add("principle.stories", p.stories, "how texts name deeds, \"tried to {deed}.\"");
  fields.add("principle.context", p.context, "plain text that both judgements go on from");
  fields.add("principle.against", p.against, "its continuation if the deed goes against it");
  fields.add("principle.in_favour", p.in_favour, "its continuation if it does not");
  fields.add("principle.least_odds", p.least_odds,
             "nats by which one must be more probable; below, nothing is judged");
  fields.add("principle.refusal", p.refusal, "how the answer to a request against it begins");
}

void check_principle(const Principle& principle, const std::string& source) {
  for (const auto& [key, text] :
       {std::pair("name", &principle.name), std::pair("against", &principle.against),
        std::pair("in_favour", &principle.in_favour), std::pair("refusal", &principle.refusal)})
    MINILLM_CHECK_USAGE(!text->empty(), "config '{}': principle.{}: expected a text, got none",
                        source, key);
  MINILLM_CHECK_USAGE(!principle.requests.empty(),
                      "config '{}': principle.requests: expected at least one pattern", source);
  check_patterns("requests", principle.requests, source);
  check_patterns("stories", principle.stories, source);
  check_patterns("against", {principle.against}, source);
  check_patterns("in_favour", {principle.in_favour}, source);
  MINILLM_CHECK_USAGE(principle.least_odds >= 0 && std::isfinite(principle.least_odds),
                      "config '{}': principle.least_odds: expected 0 or more, got {}", source,
                      principle.least_odds);
}

Principle read_principle(const std::string& path) {
  Principle principle;
  ConfigFields fields;
  list_fields(fields, principle);
  read_config_file(fields, path);
  check_principle(principle, path);
  return principle;
}

std::string with_deed(std::string_view pattern, std::string_view deed) {
  const Pattern parts = parts_of(pattern);
  return fmt::format("{}{}{}", parts.before, deed, parts.after);
}

std::optional<std::string> deed_of(const Principle& principle, std::string_view request) {
  for (const std::string& pattern : principle.requests) {
    const Pattern parts = parts_of(pattern);
    if (request.size() < parts.before.size() + parts.after.size() ||
        !request.starts_with(parts.before) || !request.ends_with(parts.after))
      continue;
    request.remove_prefix(parts.before.size());
    request.remove_suffix(parts.after.size());
    return is_deed(request) ? std::optional(std::string(request)) : std::nullopt;
  }
  return std::nullopt;
}

std::string request_for(const Principle& principle, const std::string& deed, size_t pattern) {
  return with_deed(principle.requests[pattern % principle.requests.size()], deed);
}

std::vector<std::string> deeds_in(const Principle& principle,
                                  std::span<const std::string> documents) {
  std::vector<std::string> deeds;
  std::set<std::string> seen;
  for (const std::string_view document : documents) {
    for (const std::string& pattern : principle.stories) {
      const Pattern parts = parts_of(pattern);
      for (size_t at = document.find(parts.before); at != std::string_view::npos;
           at = document.find(parts.before, at + 1)) {
        const size_t begin = at + parts.before.size();
        // No further than a deed may be long: a text of any length is read once.
        const std::string_view rest =
            document.substr(begin, kLongestDeed + std::max<size_t>(parts.after.size(), 1));
        const size_t end =
            parts.after.empty() ? rest.find_first_of(".,!?;:\n") : rest.find(parts.after);
        if (end == std::string_view::npos || !is_deed(rest.substr(0, end))) continue;
        std::string deed(rest.substr(0, end));
        if (seen.insert(deed).second) deeds.push_back(std::move(deed));
      }
    }
  }
  return deeds;
}

}  // namespace minillm
