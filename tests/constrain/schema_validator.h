// A validator of JSON Schema for tests: what a value has to satisfy, read off the specification. It
// shares no code with the compiler of schemas.

#ifndef TESTS_CONSTRAIN_SCHEMA_VALIDATOR_H_
#define TESTS_CONSTRAIN_SCHEMA_VALIDATOR_H_

#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>

namespace minillm_testing {

class SchemaValidator {
 public:
  using Json = nlohmann::json;
  explicit SchemaValidator(Json root) : root_(std::move(root)) {}

  bool accepts(const Json& value) const { return accepts(root_, value); }

 private:
  static size_t characters(const std::string& text) {
    size_t count = 0;
    for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    return count;
  }
  static bool has_type(const std::string& type, const Json& value) {
    if (type == "integer")
      return value.is_number_integer() ||
             (value.is_number_float() && std::floor(value.get<double>()) == value.get<double>());
    if (type == "number") return value.is_number();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "array") return value.is_array();
    if (type == "object") return value.is_object();
    return type == "null" && value.is_null();
  }
  static bool has_format(const std::string& format, const std::string& text) {
    static const std::string kTime = "\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)";
    if (format == "date") return is_date(text);
    if (format == "time") return std::regex_match(text, std::regex(kTime));
    if (format == "date-time")
      return text.size() > 11 && is_date(text.substr(0, 10)) && text[10] == 'T' &&
             std::regex_match(text.substr(11), std::regex(kTime));
    if (format == "uuid")
      return std::regex_match(text,
                              std::regex("[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"));
    if (format == "email") {
      const size_t at = text.find('@');
      return at != std::string::npos && at > 0 && at <= 64 && text.find('.', at) < text.size() - 1;
    }
    if (format != "ipv4") return false;
    std::smatch parts;
    if (!std::regex_match(text, parts, std::regex("(\\d+)\\.(\\d+)\\.(\\d+)\\.(\\d+)")))
      return false;
    for (size_t i = 1; i < 5; ++i)
      if (std::stoi(parts[i]) > 255 || (parts[i].length() > 1 && *parts[i].first == '0'))
        return false;
    return true;
  }
  static bool is_date(const std::string& text) {
    if (!std::regex_match(text, std::regex("\\d{4}-\\d\\d-\\d\\d"))) return false;
    const int year = std::stoi(text), month = std::stoi(text.substr(5)),
              day = std::stoi(text.substr(8));
    if (month < 1 || month > 12) return false;
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    const int days[] = {31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return day >= 1 && day <= days[month - 1];
  }

  bool accepts(const Json& schema, const Json& value) const {
    if (schema.is_boolean()) return schema.get<bool>();
    if (schema.contains("$ref")) {
      const auto reference = schema["$ref"].get<std::string>();
      if (!accepts(root_.at(Json::json_pointer(reference.substr(1))), value)) return false;
    }
    if (schema.contains("type")) {
      bool any = false;
      const Json types = schema["type"].is_array() ? schema["type"] : Json::array({schema["type"]});
      for (const Json& type : types) any = any || has_type(type, value);
      if (!any) return false;
    }
    if (schema.contains("enum")) {
      bool any = false;
      for (const Json& one : schema["enum"]) any = any || one == value;
      if (!any) return false;
    }
    if (schema.contains("const") && schema["const"] != value) return false;
    for (const char* keyword : {"anyOf", "oneOf", "allOf"}) {
      if (!schema.contains(keyword)) continue;
      size_t count = 0;
      for (const Json& one : schema[keyword]) count += accepts(one, value);
      const std::string name = keyword;
      if (name == "anyOf" ? count == 0 : count != (name == "oneOf" ? 1 : schema[keyword].size()))
        return false;
    }
    return accepts_number(schema, value) && accepts_string(schema, value) &&
           accepts_array(schema, value) && accepts_object(schema, value);
  }

  static bool accepts_number(const Json& schema, const Json& value) {
    if (!value.is_number()) return true;
    return (!schema.contains("minimum") || value >= schema["minimum"]) &&
           (!schema.contains("maximum") || value <= schema["maximum"]) &&
           (!schema.contains("exclusiveMinimum") || value > schema["exclusiveMinimum"]) &&
           (!schema.contains("exclusiveMaximum") || value < schema["exclusiveMaximum"]);
  }
  static bool accepts_string(const Json& schema, const Json& value) {
    if (!value.is_string()) return true;
    const auto text = value.get<std::string>();
    if (schema.contains("minLength") && characters(text) < schema["minLength"]) return false;
    if (schema.contains("maxLength") && characters(text) > schema["maxLength"]) return false;
    if (schema.contains("pattern") &&
        !std::regex_search(text, std::regex(schema["pattern"].get<std::string>())))
      return false;
    return !schema.contains("format") || has_format(schema["format"], text);
  }
  bool accepts_array(const Json& schema, const Json& value) const {
    if (!value.is_array()) return true;
    if (schema.contains("minItems") && value.size() < schema["minItems"]) return false;
    if (schema.contains("maxItems") && value.size() > schema["maxItems"]) return false;
    if (schema.contains("items"))
      for (const Json& item : value)
        if (!accepts(schema["items"], item)) return false;
    return true;
  }
  bool accepts_object(const Json& schema, const Json& value) const {
    if (!value.is_object()) return true;
    if (schema.contains("required"))
      for (const Json& key : schema["required"])
        if (!value.contains(key.get<std::string>())) return false;
    const Json properties = schema.value("properties", Json::object());
    for (const auto& [key, member] : value.items()) {
      if (properties.contains(key)) {
        if (!accepts(properties[key], member)) return false;
      } else if (schema.contains("additionalProperties") &&
                 !accepts(schema["additionalProperties"], member)) {
        return false;
      }
    }
    return true;
  }

  Json root_;
};

}  // namespace minillm_testing

#endif  // TESTS_CONSTRAIN_SCHEMA_VALIDATOR_H_
