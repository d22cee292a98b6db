// The held-out questions as a file: writing eval.jsonl, and reading it back.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
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
Enum parse_name(Texts names, const Json& name) {
  const auto text = name.get<std::string>();
  const auto found = std::find(names.begin(), names.end(), text);
  MINILLM_CHECK(found != names.end(), "unknown name '{}'", text);
  return static_cast<Enum>(found - names.begin());
}

void append_line(std::string& out, std::string_view type, Split split, const Json& fields) {
  Json line = {{"type", type}, {"split", split_name(split)}};
  line.update(fields);
  out += line.dump();
  out += '\n';
}

void add_item(WorldEvalSet& set, const Json& item) {
  const auto type = item.at("type").get<std::string>();
  if (type == "story") {
    set.stories.push_back(item.at("text"));
  } else if (type == "second_domain") {
    set.second_domain.push_back(item.at("text"));
  } else if (type == "cloze") {
    set.cloze.push_back({parse_name<ClozeGroup>(kClozeGroups, item.at("group")), item.at("prompt"),
                         item.at("prefix"), item.at("answer")});
  } else if (type == "chat") {
    set.chat.push_back({parse_name<ChatItemKind>(kChatItemKinds, item.at("kind")),
                        messages_from_json(item.at("messages")), item.at("value")});
  } else if (type == "pair") {
    set.pairs.push_back({parse_name<PairKind>(kPairKinds, item.at("kind")),
                         messages_from_json(item.at("prompt")), item.at("chosen"),
                         item.at("rejected")});
  } else if (type == "canary") {
    set.canaries.push_back({item.at("prefix"), item.at("secret"), item.at("repeats"),
                            item.at("candidates").get<std::vector<std::string>>()});
  } else {
    throw Error(fmt::format("unknown type '{}'", type));
  }
}

}  // namespace

std::string_view cloze_group_name(ClozeGroup group) {
  return kClozeGroups[static_cast<size_t>(group)];
}

std::string_view chat_item_kind_name(ChatItemKind kind) {
  return kChatItemKinds[static_cast<size_t>(kind)];
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
  const std::string content = read_file(path);
  WorldEvalSet set;
  size_t number = 0, begin = 0, used = 0;
  while (begin < content.size()) {
    const size_t end = std::min(content.find('\n', begin), content.size());
    ++number;
    try {
      const Json item = Json::parse(content.begin() + static_cast<std::ptrdiff_t>(begin),
                                    content.begin() + static_cast<std::ptrdiff_t>(end));
      if (item.at("split").get<std::string>() == split_name(split)) {
        add_item(set, item);
        ++used;
      }
    } catch (const std::exception& error) {
      throw Error(fmt::format("'{}':{}: not an item of the world's evaluation: {}", path, number,
                              error.what()));
    }
    begin = end + 1;
  }
  MINILLM_CHECK(used > 0, "'{}': no item of split '{}' (write it with make_world_files)", path,
                split_name(split));
  return set;
}

}  // namespace minillm::world
