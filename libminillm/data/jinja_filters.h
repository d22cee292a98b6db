// The filters of Jinja templates: value | filter(arguments). Internal.

#ifndef LIBMINILLM_DATA_JINJA_FILTERS_H_
#define LIBMINILLM_DATA_JINJA_FILTERS_H_

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace minillm {

struct JinjaArguments {
  std::vector<nlohmann::ordered_json> values;
  std::map<std::string, nlohmann::ordered_json> named;
};

// trim, length, string, list, items, tojson as Hugging Face has it (json.dumps,
// ensure_ascii=False), selectattr and rejectattr. Throws JinjaError on others, and on what they do
// not take.
nlohmann::ordered_json apply_jinja_filter(const std::string& name,
                                          const nlohmann::ordered_json& value,
                                          const JinjaArguments& arguments);

// `value is name`. Throws JinjaError on other tests than templates use.
bool jinja_test(const std::string& name, const nlohmann::ordered_json& value);

// value.name(arguments): items of an object; strip, lstrip, rstrip, split, replace (by what is no
// longer), startswith, endswith of a text. Throws JinjaError on others.
nlohmann::ordered_json call_jinja_method(const std::string& name,
                                         const nlohmann::ordered_json& value,
                                         const JinjaArguments& arguments);

inline constexpr const char* kJinjaSpace = " \t\n\v\f\r";
// The text without these characters at its beginning, its end.
std::string jinja_strip(const std::string& text, bool begin, bool end,
                        const char* characters = kJinjaSpace);
// [[key, value], ...] of an object.
nlohmann::ordered_json jinja_items(const nlohmann::ordered_json& value);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_JINJA_FILTERS_H_
