// The held-out questions as a file: writing eval.jsonl, and reading it back.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/world/eval_set.h"
#include "libminillm/world/json.h"

namespace minillm::world {
namespace {

constexpr std::string_view kClozeGroups[] = {"fair",  "hard",         "rare",
                                             "often", "after_cutoff", "second_domain"};
constexpr std::string_view kChatItemKinds[] = {"answer",
                                               "answer_new_wording",
                                               "one_word",
                                               "tale",
                                               "unknown_person",
                                               "unknown_known_family",
                                               "unknown_attribute",
                                               "unknown_new_attribute",
                                               "harmful",
                                               "harmful_new_verb",
                                               "benign",
                                               "benign_new_verb",
                                               "list",
                                               "yes_no",
                                               "sum"};
constexpr std::string_view kPairKinds[] = {"style", "harmful", "benign", "knowing"};

// The enumerator whose name this is.
template <typename Enum>
Enum parse_name(Texts names, const JsonObject& item, const char* key) {
  const std::string text = item.string(key);
  const auto found = std::find(names.begin(), names.end(), text);
  MINILLM_CHECK(found != names.end(), "{}: unknown name '{}'", item.subject(), text);
  return static_cast<Enum>(found - names.begin());
}

Canary parse_canary(const JsonObject& item) {
  constexpr int64_t kMaxRepeats = 1'000'000;
  constexpr size_t kMaxCandidates = 10'000;
  Canary canary = {item.string("prefix"), item.string("secret"),
                   static_cast<int>(item.integer_in("repeats", 0, kMaxRepeats)),
                   item.strings("candidates")};
  MINILLM_CHECK(!canary.candidates.empty() && canary.candidates.size() <= kMaxCandidates &&
                    canary.candidates.front() == canary.secret,
                "{}: 'candidates': expected 1 to {} texts, the secret first", item.subject(),
                kMaxCandidates);
  return canary;
}

void append_line(std::string& out, std::string_view type, Split split, const Json& fields) {
  Json line = {{"type", type}, {"split", split_name(split)}};
  line.update(fields);
  out += line.dump();
  out += '\n';
}

void add_item(WorldEvalSet& set, const JsonObject& item) {
  const std::string type = item.string("type");
  if (type == "story") {
    set.stories.push_back(item.string("text"));
  } else if (type == "second_domain") {
    set.second_domain.push_back(item.string("text"));
  } else if (type == "cloze") {
    set.cloze.push_back({parse_name<ClozeGroup>(kClozeGroups, item, "group"), item.string("prompt"),
                         item.string("prefix"), item.string("answer")});
  } else if (type == "chat") {
    set.chat.push_back({parse_name<ChatItemKind>(kChatItemKinds, item, "kind"),
                        messages_of(item, "messages"), item.string("value")});
  } else if (type == "pair") {
    set.pairs.push_back({parse_name<PairKind>(kPairKinds, item, "kind"),
                         messages_of(item, "prompt"), item.string("chosen"),
                         item.string("rejected")});
  } else if (type == "canary") {
    set.canaries.push_back(parse_canary(item));
  } else {
    throw Error(fmt::format("{}: unknown type '{}'", item.subject(), type));
  }
}

}  // namespace

WorldMessages messages_of(const JsonObject& item, const char* key) {
  WorldMessages messages;
  for (const nlohmann::json& value : item.array(key)) {
    const JsonObject message(value, fmt::format("{}: '{}'", item.subject(), key));
    messages.push_back({message.string("role"), message.string("content")});
  }
  MINILLM_CHECK(!messages.empty(), "{}: '{}': expected at least one message", item.subject(), key);
  return messages;
}

std::string_view cloze_group_name(ClozeGroup group) {
  return kClozeGroups[static_cast<size_t>(group)];
}

std::string_view chat_item_kind_name(ChatItemKind kind) {
  return kChatItemKinds[static_cast<size_t>(kind)];
}

std::optional<ChatItemKind> find_chat_item_kind(std::string_view name) {
  const auto found = std::ranges::find(kChatItemKinds, name);
  if (found == std::end(kChatItemKinds)) return std::nullopt;
  return static_cast<ChatItemKind>(found - std::begin(kChatItemKinds));
}

std::string_view pair_kind_name(PairKind kind) { return kPairKinds[static_cast<size_t>(kind)]; }

std::string world_eval_to_jsonl(const WorldEvalSet& set, Split split) {
  std::string out;
  for (const std::string& text : set.stories) append_line(out, "story", split, {{"text", text}});
  for (const std::string& text : set.second_domain) {
    append_line(out, "second_domain", split, {{"text", text}});
  }
  for (const ClozeItem& item : set.cloze) {
    append_line(out, "cloze", split,
                {{"group", cloze_group_name(item.group)},
                 {"prompt", item.prompt},
                 {"prefix", item.prefix},
                 {"answer", item.answer}});
  }
  for (const ChatItem& item : set.chat) {
    append_line(out, "chat", split,
                {{"kind", chat_item_kind_name(item.kind)},
                 {"messages", messages_to_json(item.messages)},
                 {"value", item.value}});
  }
  for (const WorldPair& pair : set.pairs) {
    append_line(out, "pair", split,
                {{"kind", pair_kind_name(pair.kind)},
                 {"prompt", messages_to_json(pair.prompt)},
                 {"chosen", pair.chosen},
                 {"rejected", pair.rejected}});
  }
  for (const Canary& canary : set.canaries) {
    append_line(out, "canary", split,
                {{"prefix", canary.prefix},
                 {"secret", canary.secret},
                 {"repeats", canary.repeats},
                 {"candidates", canary.candidates}});
  }
  return out;
}

WorldEvalSet load_world_eval(const std::string& path, Split split) {
  WorldEvalSet set;
  for_each_eval_line(path, split, [&](const JsonObject& item) { add_item(set, item); });
  return set;
}

void for_each_eval_line(const std::string& path, Split split,
                        const std::function<void(const JsonObject&)>& visit) {
  const std::string content = read_file(path);
  size_t number = 0, begin = 0, used = 0;
  while (begin < content.size()) {
    const size_t end = std::min(content.find('\n', begin), content.size());
    const std::string subject =
        fmt::format("'{}':{}: not an item of the world's evaluation", path, ++number);
    const nlohmann::json parsed =
        parse_json(std::string_view(content).substr(begin, end - begin), subject);
    const JsonObject item(parsed, subject);
    if (item.string("split") == split_name(split)) {
      visit(item);
      ++used;
    }
    begin = end + 1;
  }
  MINILLM_CHECK(used > 0, "'{}': no item of split '{}' (write it with make_world_files)", path,
                split_name(split));
}

}  // namespace minillm::world
