// Rows with several answers: scored or ranked lists, and OASST's trees of messages.

#include <algorithm>
#include <optional>

#include "libminillm/core/check.h"
#include "libminillm/data/bad_record.h"
#include "libminillm/data/preference_parts.h"

namespace minillm {
namespace {

constexpr std::initializer_list<const char*> kListKeys = {"completions", "responses", "candidates",
                                                          "generations", "outputs",   "answers"};
// An answer, and how good it is: more is better.
struct Ranked {
  std::string text;
  double goodness = 0;
};

std::vector<Ranked> ranked_list(const Row& row) {
  const char* list_key = row.first_of(kListKeys);
  const Json& list = *row.use(list_key);
  const char* score_key = row.first_of(kScoreKeys);
  const char* key = score_key != nullptr ? score_key : row.first_of(kRankKeys);
  const Json* scores = key != nullptr && row.value().at(key).is_array() ? row.use(key) : nullptr;
  if (scores != nullptr && scores->size() != list.size()) {
    throw BadRecord{
        "answers and scores differ in number",
        fmt::format("'{}' has {}, '{}' has {}", list_key, list.size(), key, scores->size())};
  }
  std::vector<Ranked> answers;
  for (size_t i = 0; i < list.size(); ++i) {
    const Row element = row.child(list[i]);
    Ranked answer;
    if (list[i].is_string()) {
      answer.text = list[i].get<std::string>();
    } else {
      const char* text = element.first_of(
          {"response", "text", "content", "completion", "output", "answer", "message"});
      if (text == nullptr)
        throw BadRecord{"answer without a text", fmt::format("in '{}'", list_key)};
      answer.text = element.text(text);
    }
    const auto own = goodness(element);
    if (scores == nullptr && !own)
      throw BadRecord{"answer without a score or rank", fmt::format("in '{}'", list_key)};
    answer.goodness = scores == nullptr      ? *own
                      : score_key != nullptr ? parse_score((*scores)[i], key)
                                             : -parse_score((*scores)[i], key);
    answers.push_back(std::move(answer));
  }
  return answers;
}

// Best against worst: the widest difference, and one pair a row, so that none counts for more.
PreferencePair best_against_worst(const Row& row, std::vector<Message> prompt,
                                  const std::vector<Ranked>& answers) {
  if (answers.size() < 2)
    throw BadRecord{"nothing to compare",
                    fmt::format("expected two answers, got {}", answers.size())};
  const auto less = [](const Ranked& a, const Ranked& b) { return a.goodness < b.goodness; };
  const auto worst = std::min_element(answers.begin(), answers.end(), less);
  const auto best = std::max_element(answers.begin(), answers.end(), less);
  if (best->goodness == worst->goodness)
    throw BadRecord{"all answers are ranked alike", "", /*harmless=*/true};
  return make_pair(row, std::move(prompt), std::string(trim(best->text)),
                   std::string(trim(worst->text)));
}

// --- Trees ---------------------------------------------------------------------------------------

bool is_deleted(const Json& node) {
  return node.contains("deleted") && node["deleted"].is_boolean() && node["deleted"].get<bool>();
}

// The replies to a message, the best first; without rank they keep their order.
std::vector<const Json*> replies_of(const Json& node) {
  std::vector<const Json*> replies;
  if (!node.contains("replies")) return replies;
  if (!node["replies"].is_array()) throw BadRecord{"wrong type", "'replies': expected a list"};
  for (const Json& reply : node["replies"])
    if (reply.is_object() && !is_deleted(reply)) replies.push_back(&reply);
  const auto rank = [](const Json* reply) {
    const auto found = reply->find("rank");
    return found != reply->end() && found->is_number() ? found->get<double>() : 1e9;
  };
  std::stable_sort(replies.begin(), replies.end(),
                   [&](const Json* a, const Json* b) { return rank(a) < rank(b); });
  return replies;
}

Message tree_message(const Row& row, const Json& node) {
  RowReading apart{row.reading().mapping};  // a message's own keys are about how it was collected
  return parse_message(Row(node, apart));
}

const Json& use_root(const Row& row) {
  for (const char* key : {"message_tree_id", "tree_state"}) row.use(key);
  return *row.use("prompt");
}

// Follows every question, and the best answer to each.
void follow_best(const Row& row, const Json& node, std::vector<Message> path,
                 std::vector<Conversation>& conversations) {
  path.push_back(tree_message(row, node));
  std::vector<const Json*> replies = replies_of(node);
  if (path.back().role != Role::kAssistant && replies.size() > 1) replies.resize(1);
  if (replies.empty()) {
    const bool answered = std::any_of(path.begin(), path.end(),
                                      [](const Message& m) { return m.role == Role::kAssistant; });
    if (answered) conversations.push_back(make_conversation(path));
    return;
  }
  for (size_t i = 0; i < replies.size(); ++i) {
    follow_best(row, *replies[i], path, conversations);
    // What conversations share is learned in the first of them.
    for (Message& message : path)
      if (message.role == Role::kAssistant) message.supervised = false;
  }
}

void compare_replies(const Row& row, const Json& node, std::vector<Message> path,
                     std::vector<PreferencePair>& pairs) {
  path.push_back(tree_message(row, node));
  const std::vector<const Json*> replies = replies_of(node);
  const auto ranked = [](const Json* reply) {
    return reply->contains("rank") && (*reply)["rank"].is_number();
  };
  if (path.back().role != Role::kAssistant && replies.size() > 1 && ranked(replies.front()) &&
      ranked(replies.back())) {
    const std::string best = tree_message(row, *replies.front()).content;
    const std::string worst = tree_message(row, *replies.back()).content;
    if (best != worst) pairs.push_back(make_pair(row, path, best, worst));
  }
  for (const Json* reply : replies) compare_replies(row, *reply, path, pairs);
}

}  // namespace

bool has_ranked_answers(const Row& row) {
  const char* list_key = row.first_of(kListKeys);
  if (list_key == nullptr || question_key(row) == nullptr) return false;
  const Json& list = row.value().at(list_key);
  if (!list.is_array() || list.empty()) return false;
  const auto has_list = [&](std::initializer_list<const char*> keys) {
    const char* key = row.first_of(keys);
    return key != nullptr && row.value().at(key).is_array();
  };
  if (has_list(kScoreKeys) || has_list(kRankKeys)) return true;
  // A score that is null says so when the row is read.
  const auto names_a_score = [&](const char* key) { return list[0].contains(key); };
  return list[0].is_object() && (std::any_of(kScoreKeys.begin(), kScoreKeys.end(), names_a_score) ||
                                 std::any_of(kRankKeys.begin(), kRankKeys.end(), names_a_score));
}

std::vector<PreferencePair> parse_ranked_answers(const Row& row) {
  std::vector<Message> prompt = with_preamble(row, parse_question(row, question_key(row)));
  return {best_against_worst(row, std::move(prompt), ranked_list(row))};
}

bool is_message_tree(const Row& row) {
  return row.has("prompt") && row.value().at("prompt").is_object() &&
         row.value().at("prompt").contains("replies");
}

std::vector<Conversation> parse_tree_conversations(const Row& row) {
  std::vector<Conversation> conversations;
  follow_best(row, use_root(row), {}, conversations);
  if (conversations.empty()) throw BadRecord{"no assistant message", "the prompt has no reply"};
  return conversations;
}

std::vector<PreferencePair> parse_tree_pairs(const Row& row) {
  std::vector<PreferencePair> pairs;
  compare_replies(row, use_root(row), {}, pairs);
  if (pairs.empty()) throw BadRecord{"no message has two ranked replies", "", /*harmless=*/true};
  return pairs;
}

}  // namespace minillm
