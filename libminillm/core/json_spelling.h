// JSON written again as it is spelled: members in their order, numbers with their own digits. Only
// white space and escapes become those of Python's json.dumps(ensure_ascii=False), with which chat
// templates write. Internal: public headers know no JSON library.

#ifndef LIBMINILLM_CORE_JSON_SPELLING_H_
#define LIBMINILLM_CORE_JSON_SPELLING_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace minillm {

// Writes what the events of a parser say. Throws JsonFault on a key that occurs twice in an object,
// and on more than `max_depth` levels.
class JsonSpeller final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit JsonSpeller(size_t max_depth) : max_depth_(max_depth) {}
  // Whether a whole value was written.
  bool complete() const { return open_.empty() && !text_.empty(); }
  std::string take() { return std::move(text_); }

  bool null() override { return value("null"); }
  bool boolean(bool yes) override { return value(yes ? "true" : "false"); }
  bool number_integer(number_integer_t number) override { return value(std::to_string(number)); }
  bool number_unsigned(number_unsigned_t number) override { return value(std::to_string(number)); }
  bool number_float(number_float_t, const string_t& digits) override { return value(digits); }
  bool string(string_t& text) override { return value(nlohmann::json(text).dump()); }
  bool binary(binary_t&) override { return false; }  // not of a text
  bool start_object(std::size_t) override { return open('{'); }
  bool start_array(std::size_t) override { return open('['); }
  bool key(string_t& key) override;
  bool end_object() override { return close('}'); }
  bool end_array() override { return close(']'); }
  bool parse_error(std::size_t byte, const std::string&,
                   const nlohmann::json::exception& error) override;

 private:
  struct Container {
    bool is_object = false, has_members = false;
    std::unordered_set<std::string> keys = {};
  };
  void separate();
  bool value(std::string_view text);
  bool open(char bracket);
  bool close(char bracket);

  size_t max_depth_;
  std::string text_;
  std::vector<Container> open_;
};

// The text of one JSON value. Throws JsonFault.
std::string spelled_json(std::string_view text, size_t max_depth);

}  // namespace minillm

#endif  // LIBMINILLM_CORE_JSON_SPELLING_H_
