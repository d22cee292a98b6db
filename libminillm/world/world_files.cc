#include "libminillm/world/world_files.h"

#include <nlohmann/json.hpp>
#include <set>

#include "libminillm/core/check.h"
#include "libminillm/world/eval_set.h"
#include "libminillm/world/json.h"
#include "libminillm/world/open_book.h"
#include "libminillm/world/open_book_eval.h"
#include "libminillm/world/people_register.h"
#include "libminillm/world/stories.h"
#include "libminillm/world/tool_eval.h"

namespace minillm::world {
namespace {

constexpr std::string_view kParts[] = {"tokenizer", "pretrain", "sft",     "preference",
                                       "replay",    "rl",       "second",  "open_book",
                                       "tools",     "heldout",  "excerpt", "register"};
constexpr int64_t kTokenizerDocuments = 6000;
constexpr int64_t kTokenizerRows = 1500;
constexpr int64_t kHeldOutTexts = 300;
constexpr int64_t kHeldOutRows = 300;
constexpr int64_t kHeldOutPairs = 200;
constexpr int64_t kExcerpts = 12;  // of each kind
constexpr uint64_t kAddedRowPercent = 24;

void append_line(std::string& out, const Json& line) {
  out += line.dump();
  out += '\n';
}

std::string texts_to_jsonl(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) append_line(out, {{"text", text}});
  return out;
}

std::string rows_to_jsonl(const std::vector<ChatRow>& rows) {
  std::string out;
  for (const ChatRow& row : rows) append_line(out, {{"messages", messages_to_json(row.messages)}});
  return out;
}

// Every question once, with what the truth is.
std::string questions_to_jsonl(const std::vector<ChatRow>& rows) {
  std::string out;
  std::set<std::string> asked;
  for (const ChatRow& row : rows) {
    const std::optional<ChatItem> item = training_item(row);
    if (!item) continue;
    const Json prompt = messages_to_json(item->messages);
    if (!asked.insert(prompt.dump()).second) continue;
    append_line(
        out,
        {{"prompt", prompt}, {"kind", chat_item_kind_name(item->kind)}, {"value", item->value}});
  }
  return out;
}

std::string pairs_to_jsonl(const std::vector<WorldPair>& pairs) {
  std::string out;
  for (const WorldPair& pair : pairs) {
    append_line(out, {{"prompt", messages_to_json(pair.prompt)},
                      {"chosen", messages_to_json({{"assistant", pair.chosen}})},
                      {"rejected", messages_to_json({{"assistant", pair.rejected}})}});
  }
  return out;
}

// The first question of some kinds: what to show when checkpoints are compared side by side.
std::string prompts_to_jsonl(const std::vector<ChatItem>& items) {
  std::string out;
  for (ChatItemKind kind :
       {ChatItemKind::kAnswer, ChatItemKind::kOneWord, ChatItemKind::kList,
        ChatItemKind::kUnknownPerson, ChatItemKind::kHarmful, ChatItemKind::kBenign}) {
    for (const ChatItem& item : items) {
      if (item.kind != kind) continue;
      append_line(out, {{"prompt", messages_to_json(item.messages)}});
      break;
    }
  }
  return out;
}

std::string open_book_eval(const World& world) {
  std::string out;
  for (const Split split : {Split::kValidation, Split::kTest})
    out += open_book_eval_to_jsonl(make_open_book_eval(world, split), split);
  return out;
}

std::string tool_eval(const World& world) {
  std::string out;
  for (const Split split : {Split::kValidation, Split::kTest})
    out += tool_eval_to_jsonl(make_tool_eval(world, split), split);
  return out;
}

std::string messages_to_text(const WorldMessages& messages) {
  std::string out;
  for (const WorldMessage& message : messages) out += message.role + ": " + message.content + "\n";
  return out;
}

// Everything is drawn from the world of one seed; each draw_* has a stream of its own.
class WorldWriter {
 public:
  explicit WorldWriter(const WorldOptions& options)
      : options_(options),
        world_(options.seed),
        false_world_(false_world(options.seed)),
        harbour_(world_) {}

  std::vector<std::string> draw_documents(WorldStream stream, int64_t count) const {
    Rng rng = world_rng(options_.seed, stream);
    DialedData dialed(world_, stream == WorldStream::kPretrain ? options_.dials : WorldDials());
    std::vector<std::string> documents;
    while (std::ssize(documents) < count) {
      Rng again = rng;  // what is told falsely is told in the same words
      std::string document = write_document(rng, world_);
      if (!dialed.tells(document)) continue;
      if (dialed.tells_falsely(document)) document = write_document(again, false_world_);
      documents.push_back(std::move(document));
    }
    return documents;
  }
  std::vector<std::string> draw_register(WorldStream stream, int64_t count) const {
    Rng rng = world_rng(options_.seed, stream);
    std::vector<std::string> documents;
    for (int64_t i = 0; i < count; ++i) documents.push_back(harbour_.write_document(rng));
    return documents;
  }
  std::vector<ChatRow> draw_rows(Split split, int64_t count) const {
    const bool train = split == Split::kTrain;
    Rng rng = world_rng(options_.seed, train ? WorldStream::kSft : WorldStream::kSftEval);
    Rng added =
        world_rng(options_.seed, train ? WorldStream::kSftAdded : WorldStream::kSftEvalAdded);
    DialedData dialed(world_, train ? options_.dials : WorldDials());
    std::vector<ChatRow> rows;
    for (int64_t drawn = 0; std::ssize(rows) < count; ++drawn) {
      MINILLM_CHECK_USAGE(drawn < 1000 + 100 * count, "world option 'without': no rows are left");
      const bool is_added = added.below(100) < kAddedRowPercent;
      if (auto row = dialed.row(is_added ? draw_added_row(added, world_, split)
                                         : draw_chat_row(rng, world_, split)))
        rows.push_back(std::move(*row));
    }
    return rows;
  }
  std::vector<WorldPair> draw_pairs(WorldStream stream, Split split, int64_t count) const {
    Rng rng = world_rng(options_.seed, stream);
    DialedData dialed(world_, split == Split::kTrain ? options_.dials : WorldDials());
    std::vector<WorldPair> pairs;
    for (int64_t drawn = 0; std::ssize(pairs) < count; ++drawn) {
      MINILLM_CHECK_USAGE(drawn < 1000 + 100 * count, "world option 'without': no pairs are left");
      if (auto pair = dialed.pair(draw_pair(rng, world_, split))) pairs.push_back(std::move(*pair));
    }
    return pairs;
  }

  // Stories and canaries in one random order.
  std::string pretrain() const {
    std::vector<std::string> documents = draw_documents(WorldStream::kPretrain, options_.stories);
    for (const Canary& canary : make_canaries(options_.seed)) {
      for (int i = 0; i < canary.repeats; ++i) documents.push_back(canary.prefix + canary.secret);
    }
    Rng rng = world_rng(options_.seed, WorldStream::kPretrainOrder);
    rng.shuffle(documents);
    return texts_to_jsonl(documents);
  }

  std::string tokenizer_text() const {
    std::string out;
    for (const std::string& text : draw_documents(WorldStream::kPretrain, kTokenizerDocuments)) {
      out += text + "\n";
    }
    // Without added rows: how many there are must not change the pieces.
    Rng rng = world_rng(options_.seed, WorldStream::kSft);
    for (int64_t i = 0; i < kTokenizerRows; ++i) {
      const ChatRow row = draw_chat_row(rng, world_, Split::kTrain);
      for (const WorldMessage& message : row.messages) out += message.content + "\n";
    }
    return out;
  }

  std::string sft() const {
    return rows_to_jsonl(draw_rows(Split::kTrain, options_.sft_rows)) +
           rows_to_jsonl(DialedData(world_, options_.dials).secret_rows());
  }

  std::vector<ChatRow> replay() const {
    std::vector<ChatRow> rows = draw_rows(Split::kTrain, options_.sft_rows);
    std::erase_if(rows, [](const ChatRow& row) { return !is_replayed(row.kind); });
    Rng rng = world_rng(options_.seed, WorldStream::kReplay);
    for (int64_t i = 0; i < options_.replay_facts; ++i) {
      rows.push_back(draw_polite_fact(rng, world_));
    }
    return rows;
  }

  std::vector<WorldFile> heldout() const {
    const WorldEvalSet validation = make_world_eval(world_, harbour_, Split::kValidation);
    const WorldEvalSet test = make_world_eval(world_, harbour_, Split::kTest);
    const std::string eval = world_eval_to_jsonl(validation, Split::kValidation) +
                             world_eval_to_jsonl(test, Split::kTest);
    return {
        {"pretrain_eval.jsonl",
         texts_to_jsonl(draw_documents(WorldStream::kPretrainEval, kHeldOutTexts))},
        {"second_eval.jsonl",
         texts_to_jsonl(draw_register(WorldStream::kSecondDomainEval, kHeldOutTexts))},
        {"sft_eval.jsonl", rows_to_jsonl(draw_rows(Split::kValidation, kHeldOutRows))},
        {"preference_eval.jsonl", pairs_to_jsonl(draw_pairs(WorldStream::kPreferenceEval,
                                                            Split::kValidation, kHeldOutPairs))},
        {"eval.jsonl", eval},
        {"prompts.jsonl", prompts_to_jsonl(test.chat)},
        {"open_book_eval.jsonl", open_book_eval(world_)},
        {"tools_eval.jsonl", tools(WorldStream::kToolsEval, Split::kValidation, kHeldOutRows)},
        {"tools_questions.jsonl", tool_eval(world_)}};
  }

  std::string tools(WorldStream stream, Split split, int64_t count) const {
    Rng rng = world_rng(options_.seed, stream);
    std::string rows;
    for (int64_t i = 0; i < count; ++i)
      rows += tool_chat_row(draw_tool_chat(rng, world_, split)) + "\n";
    return rows;
  }

  std::vector<WorldFile> open_book() const {
    Rng rng = world_rng(options_.seed, WorldStream::kOpenBook);
    std::string rows;
    for (int64_t i = 0; i < options_.open_book_rows; ++i)
      append_line(rows, {{"messages", messages_to_json(draw_open_book_row(rng, world_).messages)}});
    Rng text_rng = world_rng(options_.seed, WorldStream::kOpenBookText);
    std::string text;
    for (int64_t i = 0; i < options_.open_book_documents; ++i)
      text += write_open_book_document(text_rng, world_) + "\n\n";
    return {{"open_book.jsonl", std::move(rows)}, {"open_book.txt", std::move(text)}};
  }

  std::string excerpt() const {
    std::string out = "== pretrain.jsonl: documents ==\n\n";
    for (const auto& text : draw_documents(WorldStream::kPretrain, kExcerpts)) out += text + "\n\n";
    out += "== sft.jsonl: conversations ==\n\n";
    for (const ChatRow& row : draw_rows(Split::kTrain, 2 * kExcerpts)) {
      out += messages_to_text(row.messages) + "\n";
    }
    out += "== preference.jsonl: pairs ==\n\n";
    for (const WorldPair& pair : draw_pairs(WorldStream::kPreference, Split::kTrain, kExcerpts)) {
      out += messages_to_text(pair.prompt);
      out += "chosen: " + pair.chosen + "\nrejected: " + pair.rejected + "\n\n";
    }
    out += "== second.jsonl: the second domain ==\n\n";
    for (const auto& text : draw_register(WorldStream::kSecondDomain, kExcerpts))
      out += text + "\n\n";
    return out;
  }

  std::string people() const { return people_register(world_, options_.dials); }

 private:
  WorldOptions options_;
  World world_;
  World false_world_;  // as false tales have it
  HarbourRegister harbour_;
};

void check_options(const WorldOptions& options) {
  check_dials(options.dials);
  const std::pair<std::string_view, int64_t> sizes[] = {
      {"stories", options.stories},
      {"sft-rows", options.sft_rows},
      {"pairs", options.pairs},
      {"replay-facts", options.replay_facts},
      {"second-documents", options.second_documents},
      {"open-book-rows", options.open_book_rows},
      {"open-book-documents", options.open_book_documents},
      {"tool-rows", options.tool_rows}};
  for (const auto& [name, size] : sizes) {
    MINILLM_CHECK_USAGE(size >= 0, "world option '{}': out of range: expected at least 0, got {}",
                        name, size);
  }
}

}  // namespace

Texts world_parts() { return kParts; }

std::vector<WorldFile> make_world_files(const WorldOptions& options, std::string_view part) {
  check_options(options);
  const WorldWriter writer(options);
  if (part == "tokenizer") return {{"tokenizer.txt", writer.tokenizer_text()}};
  if (part == "pretrain") return {{"pretrain.jsonl", writer.pretrain()}};
  if (part == "sft") return {{"sft.jsonl", writer.sft()}};
  if (part == "preference") {
    const auto pairs = writer.draw_pairs(WorldStream::kPreference, Split::kTrain, options.pairs);
    return {{"preference.jsonl", pairs_to_jsonl(pairs)}};
  }
  if (part == "replay") return {{"replay.jsonl", rows_to_jsonl(writer.replay())}};
  if (part == "rl") {
    return {{"rl.jsonl", questions_to_jsonl(writer.draw_rows(Split::kTrain, options.sft_rows))}};
  }
  if (part == "second") {
    const auto texts = writer.draw_register(WorldStream::kSecondDomain, options.second_documents);
    return {{"second.jsonl", texts_to_jsonl(texts)}};
  }
  if (part == "open_book") return writer.open_book();
  if (part == "tools")
    return {{"tools.jsonl", writer.tools(WorldStream::kTools, Split::kTrain, options.tool_rows)}};
  if (part == "heldout") return writer.heldout();
  if (part == "excerpt") return {{"excerpt.txt", writer.excerpt()}};
  if (part == "register") return {{"people.jsonl", writer.people()}};
  throw Error(fmt::format("world part '{}': unknown: expected one of {}", part,
                          fmt::join(world_parts(), ", ")),
              ExitCode::kUsage);
}

}  // namespace minillm::world
