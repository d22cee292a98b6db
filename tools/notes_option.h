// For the tools that look notes up: the option, and how a model and its user are shown them.

#ifndef TOOLS_NOTES_OPTION_H_
#define TOOLS_NOTES_OPTION_H_

#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "libminillm/data/notes.h"
#include "libminillm/policy/policy.h"
#include "libminillm/retrieve/note_index.h"
#include "tools/generation_options.h"

namespace minillm {

inline CLI::Option* add_notes_option(CLI::App& app, std::string& path) {
  return app.add_option("--notes", path,
                        "index of minillm-notes: what is found in it for a question is shown to "
                        "the model in the system prompt");
}

// The prompt with what is found for its last question, and room for the answer. `policy`: null, or
// what screens the notes.
inline NotedPrompt look_up_notes(const NoteIndex& index, const LoadedModel& loaded,
                                 const std::vector<Message>& prompt, const GenerationConfig& config,
                                 const Policy* policy = nullptr) {
  const Index context = loaded.model.positions();
  std::vector<Note> found = index.query(question_of(prompt));
  if (policy != nullptr) found = policy->screen_notes(std::move(found));
  return fit_notes(loaded.tokenizer, prompt, found,
                   context - std::min<Index>(config.max_tokens, context / 2));
}

// Where an answer comes from, on standard error.
inline void tell_sources(const NotedPrompt& noted) {
  for (const Note& note : noted.notes) spdlog::info("[{}] {}", note.source, note.text);
  if (noted.dropped > 0)
    spdlog::info("({} more left out: the context has no room for them)", noted.dropped);
  if (noted.notes.empty() && noted.dropped == 0) spdlog::info("[no note was found]");
}

inline nlohmann::ordered_json notes_json(const std::vector<Note>& notes) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Note& note : notes)
    list.push_back({{"text", note.text}, {"source", note.source}, {"score", note.score}});
  return list;
}

}  // namespace minillm

#endif  // TOOLS_NOTES_OPTION_H_
