#include "libminillm/data/tokenizer_json_parts.h"

#include <utility>

#include "libminillm/core/check.h"
#include "libminillm/data/normal_form.h"

namespace minillm {
namespace {

using nlohmann::json;

constexpr std::string_view kSpaceSymbol = "\xe2\x96\x81";  // U+2581

constexpr size_t kMaxCuts = 32;

// One element, as {"type": ...}, of a normalizer, pre-tokenizer, post-processor or decoder.
class Element : public JsonObject {
 public:
  Element(const json& value, const std::string& file, const char* part)
      : JsonObject(value, fmt::format("{}: its {}", file, part)), type_(string("type")) {}
  const std::string& type() const { return type_; }
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(fmt::format("{} '{}' is not supported{}{}", subject(), type_,
                            what.empty() ? "" : ": ", what));
  }
  // Whether the pattern is this text.
  bool is_pattern(std::string_view text) const {
    const json& pattern = member("pattern").object();
    return pattern.contains("String") && pattern["String"] == text;
  }

 private:
  std::string type_;
};

// The elements of `part`: none if it is null, those of a Sequence, or itself.
std::vector<Element> elements(const JsonObject& file, const char* part, const char* members) {
  std::vector<Element> found;
  const json* const value = file.find(part);
  if (value == nullptr) return found;
  const Element whole(*value, file.subject(), part);
  if (whole.type() != "Sequence") return {whole};
  for (const json& member : whole.array(members)) {
    found.emplace_back(member, file.subject(), part);
    if (found.back().type() == "Sequence") found.back().refuse("expected none within another");
  }
  return found;
}

void read_normalizer(const JsonObject& file, TokenizerJson& tokenizer, bool& replaces_spaces) {
  for (const Element& element : elements(file, "normalizer", "normalizers")) {
    if (element.type() == "NFC") {
      if (!can_normalize()) element.refuse("the library was built without utf8proc");
      tokenizer.nfc = true;
    } else if (element.type() == "Prepend" && element.string("prepend") == kSpaceSymbol) {
      tokenizer.space_prefix = SpacePrefix::kEveryPart;
    } else if (element.type() == "Replace" && element.is_pattern(" ") &&
               element.string("content") == kSpaceSymbol) {
      replaces_spaces = true;
    } else {
      element.refuse("expected NFC, or Prepend and Replace of spaces by U+2581");
    }
  }
}

WordCut read_split(const Element& element) {
  const json& pattern = element.member("pattern").object();
  const bool is_regex = pattern.contains("Regex");
  const json* const text = is_regex ? &pattern["Regex"] : element.member("pattern").find("String");
  if (text == nullptr || !text->is_string()) element.refuse("expected a Regex or a String");
  const std::string behavior = element.string("behavior");
  if (behavior != "Isolated" && behavior != "Removed")
    element.refuse(fmt::format("expected behavior Isolated or Removed, got {}", behavior));
  const bool removed = behavior == "Removed", invert = element.boolean_or("invert", false);
  return {is_regex ? text->get<std::string>() : quoted_expression(text->get<std::string>()),
          removed && !invert, removed && invert};
}

SpacePrefix read_prepend_scheme(const Element& element) {
  if (element.string("replacement") != kSpaceSymbol) element.refuse("expected U+2581");
  if (element.boolean_or("split", true)) element.refuse("expected split = false");
  const std::string scheme = element.string_or(
      "prepend_scheme", element.boolean_or("add_prefix_space", true) ? "always" : "never");
  if (scheme == "never") return SpacePrefix::kNone;
  if (scheme == "first") return SpacePrefix::kFirstPart;
  if (scheme != "always") element.refuse(fmt::format("got prepend_scheme '{}'", scheme));
  return SpacePrefix::kUnlessSpaced;
}

void read_pre_tokenizer(const JsonObject& file, TokenizerJson& tokenizer, bool& replaces_spaces) {
  const std::vector<Element> steps = elements(file, "pre_tokenizer", "pretokenizers");
  MINILLM_CHECK(steps.size() <= kMaxCuts, "{}: its pre_tokenizer has {} steps: expected at most {}",
                file.subject(), steps.size(), kMaxCuts);
  for (const Element& element : steps) {
    if (tokenizer.byte_level || replaces_spaces)
      element.refuse("expected nothing after spaces or bytes have been replaced");
    if (element.type() == "Split") {
      tokenizer.cuts.push_back(read_split(element));
    } else if (element.type() == "Digits") {
      tokenizer.cuts.push_back(digit_cut(element.boolean_or("individual_digits", false)));
    } else if (element.type() == "ByteLevel") {
      tokenizer.byte_level = true;
      tokenizer.adds_space = element.boolean_or("add_prefix_space", true);
      if (tokenizer.adds_space && !tokenizer.cuts.empty())
        element.refuse("add_prefix_space after the text has been cut");
      if (element.boolean_or("use_regex", true)) tokenizer.cuts.push_back({kGpt2Expression});
    } else if (element.type() == "Metaspace") {
      if (!tokenizer.cuts.empty()) element.refuse("expected nothing before it");
      tokenizer.space_prefix = read_prepend_scheme(element);
      replaces_spaces = true;
    } else {
      element.refuse("expected Split, Digits, ByteLevel or Metaspace");
    }
  }
}

void read_decoder(const JsonObject& file, TokenizerJson& tokenizer) {
  const std::vector<Element> decoders = elements(file, "decoder", "decoders");
  MINILLM_CHECK(!decoders.empty(), "{}: it has no decoder", file.subject());
  if (tokenizer.byte_level) {
    if (decoders.size() != 1 || decoders[0].type() != "ByteLevel")
      decoders[0].refuse("expected ByteLevel alone, as the pre_tokenizer has it");
    return;
  }
  bool replaces = false, bytes = false;
  for (const Element& element : decoders) {
    if (element.type() == "Replace" && element.is_pattern(kSpaceSymbol) &&
        element.string("content") == " ")
      replaces = true;
    else if (element.type() == "ByteFallback")
      bytes = true;
    else if (element.type() == "Strip" && element.string("content") == " " &&
             element.integer("start") == 1 && element.integer("stop") == 0)
      tokenizer.strips_space = true;
    else if (element.type() != "Fuse")
      element.refuse("expected Replace of U+2581, ByteFallback, Fuse and Strip of one space");
  }
  MINILLM_CHECK(replaces && bytes, "{}: its decoder lacks Replace or ByteFallback", file.subject());
}

// The id of a special token of a template, by the name it has there.
Token template_token(const Element& element, const std::string& name,
                     const TokenizerJson& tokenizer) {
  const JsonObject tokens = element.member("special_tokens");
  const json* const token = tokens.find(name.c_str());
  if (token == nullptr) element.refuse(fmt::format("it does not say what '{}' is", name));
  const json& ids = JsonObject(*token, element.subject()).array("ids");
  if (ids.size() != 1 || !ids[0].is_number_integer() || ids[0].get<int64_t>() < 0 ||
      ids[0].get<int64_t>() >= std::ssize(tokenizer.tokens))
    element.refuse(fmt::format("expected one id of the vocabulary for '{}'", name));
  return static_cast<Token>(ids[0].get<int64_t>());
}

void read_template(const Element& element, TokenizerJson& tokenizer) {
  bool after = false;
  for (const json& part : element.array("single")) {
    const JsonObject object(part, element.subject());
    if (object.find("Sequence") != nullptr) {
      if (std::exchange(after, true)) element.refuse("expected one Sequence");
      continue;
    }
    const Token id = template_token(element, object.member("SpecialToken").string("id"), tokenizer);
    Token& place = after ? tokenizer.eos : tokenizer.bos;
    if (place >= 0) element.refuse("expected one token before a text, and one after it");
    place = id;
  }
  if (!after) element.refuse("expected one Sequence");
}

}  // namespace

void read_text_parts(const JsonObject& file, TokenizerJson& tokenizer) {
  tokenizer.byte_level = false;
  bool replaces_spaces = false;
  read_normalizer(file, tokenizer, replaces_spaces);
  read_pre_tokenizer(file, tokenizer, replaces_spaces);
  MINILLM_CHECK(tokenizer.byte_level || replaces_spaces,
                "{}: its pre_tokenizer is not supported: expected ByteLevel, or Metaspace or a "
                "normalizer that replaces spaces by U+2581",
                file.subject());
  MINILLM_CHECK(!tokenizer.byte_level || (tokenizer.space_prefix == SpacePrefix::kNone),
                "{}: its normalizer 'Prepend' is not supported before ByteLevel", file.subject());
  read_decoder(file, tokenizer);
}

void read_post_processor(const JsonObject& file, TokenizerJson& tokenizer) {
  for (const Element& element : elements(file, "post_processor", "processors")) {
    if (element.type() == "TemplateProcessing")
      read_template(element, tokenizer);
    else if (element.type() != "ByteLevel")  // which moves offsets, not tokens
      element.refuse("expected TemplateProcessing or ByteLevel");
  }
}

}  // namespace minillm
