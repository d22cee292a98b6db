// What a row says about what is not to be learned, in the spellings of many data sets.

#include <algorithm>
#include <array>
#include <optional>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/record_formats.h"

namespace minillm {
namespace {

// What says whether something is learned, and whether yes means so.
struct MaskKey {
  const char* key;
  bool learned_if;
};
constexpr std::array<MaskKey, 21> kMaskKeys = {
    {{"loss_weight", true},  {"weight", true},        {"train", true},      {"loss", true},
     {"loss_mask", true},    {"trainable", true},     {"training", true},   {"learn", true},
     {"train_on", true},     {"train_on_turn", true}, {"supervised", true}, {"sample_weight", true},
     {"mask", false},        {"masked", false},       {"is_masked", false}, {"ignore", false},
     {"ignore_loss", false}, {"no_loss", false},      {"skip", false},      {"exclude", false},
     {"excluded", false}}};

// yes, no, or neither.
std::optional<bool> truth(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value == 0) return false;
  if (value == 1) return true;
  if (!value.is_string()) return std::nullopt;
  const std::string text = lower_case(value.get<std::string>());
  if (text == "true" || text == "yes" || text == "1") return true;
  if (text == "false" || text == "no" || text == "0") return false;
  return std::nullopt;
}

// One entry per message, or one per answer.
void apply_mask_list(const char* key, const Json& list, bool learned_if,
                     std::vector<Message>& messages) {
  const auto is_answer = [](const Message& m) { return m.role == Role::kAssistant; };
  const auto answers =
      static_cast<size_t>(std::count_if(messages.begin(), messages.end(), is_answer));
  if (list.size() != messages.size() && list.size() != answers) {
    throw BadRecord{
        "unsupported loss mask",
        fmt::format("'{}': expected {} entries, one per message, or {}, one per answer, "
                    "got {}",
                    key, messages.size(), answers, list.size())};
  }
  const bool per_message = list.size() == messages.size();
  size_t entry = 0;
  for (Message& message : messages) {
    if (!per_message && !is_answer(message)) continue;
    const std::optional<bool> says = truth(list[entry++]);
    if (!says)
      throw BadRecord{"unsupported loss mask", fmt::format("'{}': expected entries 0 or 1", key)};
    if (is_answer(message)) message.supervised = message.supervised && *says == learned_if;
  }
}

}  // namespace

std::optional<bool> message_mark(const Row& message) {
  // axolotl's: whether parts of a message are learned.
  if (message.has("train_detail"))
    throw BadRecord{"unsupported loss mask",
                    "'train_detail': expected one mark for the whole message"};
  std::optional<bool> learned;
  for (const auto& [key, learned_if] : kMaskKeys) {
    const Json* value = message.use(key);
    if (value == nullptr) continue;
    const std::optional<bool> says = truth(*value);
    if (!says) {
      throw BadRecord{"unsupported loss weight",
                      fmt::format("'{}': expected 0 or 1, got {}", key, value->dump())};
    }
    learned = learned.value_or(true) && *says == learned_if;
  }
  return learned;
}

void expect_learned(const Row& row) {
  for (const auto& [key, learned_if] : kMaskKeys) {
    if (!row.has(key)) continue;
    const Json& value = row.value().at(key);
    const std::optional<bool> says = truth(value);
    if (!says && !value.is_number()) continue;  // of another meaning; it is named as unused
    row.use(key);
    if (!says) row.note(fmt::format("a '{}' that is neither 0 nor 1 counts as 1", key));
    if (says && *says != learned_if)
      throw BadRecord{"row is marked not to be learned", fmt::format("'{}'", key), true};
  }
}

void apply_row_mask(const Row& row, std::vector<Message>& messages) {
  constexpr std::array<const char*, 3> kLists = {"train_mask", "weights", "assistant_masks"};
  const auto apply_list = [&](const char* key, bool learned_if) {
    if (row.has(key) && row.value().at(key).is_array())
      apply_mask_list(key, *row.use(key), learned_if, messages);
  };
  for (const MaskKey& mask : kMaskKeys) apply_list(mask.key, mask.learned_if);
  for (const char* key : kLists) apply_list(key, true);
  // NeMo names whom to mask, and it is whom we never learn.
  for (const char* key : {"mask", "masked"})
    if (row.has(key) && row.value().at(key).is_string() &&
        lower_case(row.value().at(key).get<std::string>()) == "user")
      row.use(key);
  for (const char* key : {"train_on_input", "train_on_inputs"})
    if (row.has(key) && truth(*row.use(key)) == true)
      row.note(fmt::format("'{}' asks to learn the prompt, too; only the answers are", key));
  expect_learned(row);
}

}  // namespace minillm
