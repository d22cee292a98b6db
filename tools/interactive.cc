#include "tools/interactive.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <optional>

#include "libminillm/core/check.h"
#include "libminillm/core/utf8.h"
#include "libminillm/generate/built_in_tools.h"
#include "tools/generation_options.h"
#include "tools/line_editor.h"
#include "tools/notes_option.h"
#include "tools/print.h"
#include "tools/samples.h"
#include "tools/tool_main.h"

namespace minillm {
namespace {

constexpr const char* kHelp =
    "  /system TEXT   set the system prompt (without TEXT: remove it)\n"
    "  /reset         forget the conversation\n"
    "  /stage NAME    continue with another stage's checkpoint: the run NAME beside this one, or a "
    "path\n"
    "  /help          this list\n"
    "  /quit          leave (or Ctrl-D); Ctrl-C ends an answer\n";

volatile std::sig_atomic_t interrupted = 0;

void catch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = [](int) { interrupted = 1; };
  sigaction(SIGINT, &action, nullptr);  // without SA_RESTART: it also ends a wait for input
}

// The checkpoint that `/stage name` means: a run beside the present one, or a path.
std::string resolve_stage(const std::string& present, const std::string& name) {
  namespace fs = std::filesystem;
  const fs::path run = fs::absolute(present).lexically_normal();
  fs::path parent = run.filename().empty() ? run.parent_path().parent_path() : run.parent_path();
  for (int level = 0; level < 2; ++level, parent = parent.parent_path())
    if (fs::is_directory(parent / name)) return (parent / name).string();
  return name;
}

class Session {
 public:
  explicit Session(const InteractiveOptions& options) : options_(options), system_(options.system) {
    if (!options.notes.empty()) notes_.emplace(options.notes);
    open(options.checkpoint);
  }
  void talk();
  int read_lines();

 private:
  void open(const std::string& path);
  void answer(const std::string& line);
  NotedPrompt look_up(const std::string& line);
  void command(const std::string& line);

  InteractiveOptions options_;
  std::string system_;
  std::optional<NoteIndex> notes_;
  std::optional<LoadedModel> loaded_;
  std::optional<ChatSession> chat_;  // empty: lines are continued as text
  bool done_ = false;
};

void Session::open(const std::string& path) {
  const bool other = path != options_.checkpoint;  // its adapters are not those of this one
  LoadedModel next = LoadedModel::load(
      path, options_.chat_template,
      {other ? std::vector<Checkpoint::AdapterArgument>() : options_.adapters, options_.force});
  const bool chats = options_.chat || !next.taught.empty();
  if (chats) next.check_can_chat(options_.force);
  chat_.reset();  // it points into the model
  loaded_.emplace(std::move(next));
  if (chats) {
    chat_.emplace(loaded_->model, loaded_->tokenizer);
    chat_->set_system(system_);
    chat_->set_tools(built_in_tools(options_.tools, {.time = options_.clock}));
  }
  spdlog::info("{}: {}{}", path, chats ? "chat" : "continues each line as text",
               options_.terminal ? " (/help lists commands)" : "");
}

// A conversation at the terminal: commands, and Ctrl-C ends an answer.
void Session::talk() {
  LineEditor editor("\n> ");
  std::string line;
  while (!done_) {
    interrupted = 0;
    std::fflush(stdout);
    const LineEditor::Result result = editor.read(line);
    if (result == LineEditor::Result::kEnd) break;
    if (result == LineEditor::Result::kInterrupted || line.empty()) continue;
    try {
      if (line.starts_with('/'))
        command(line);
      else
        answer(line);
    } catch (const Error& e) {
      spdlog::error("error: {}", in_flags(e.what()));
    }
  }
}

// Lines of a file or a program: every one is a prompt, and Ctrl-C ends the run. Returns the exit
// code: that of the first line that failed.
int Session::read_lines() {
  int code = 0;
  std::string line;
  for (int64_t number = 1; interrupted == 0 && std::getline(std::cin, line); ++number) {
    if (number == 1 && line.starts_with("\xef\xbb\xbf")) line.erase(0, 3);
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    try {
      MINILLM_CHECK(is_valid_utf8(line), "not valid UTF-8");
      answer(line);
    } catch (const Error& e) {
      spdlog::error("error: standard input:{}: {}", number, in_flags(e.what()));
      if (code == 0) code = static_cast<int>(e.exit_code());
    }
  }
  return interrupted != 0 ? static_cast<int>(ExitCode::kInterrupted) : code;
}

// What is found for the question, put after the system prompt.
NotedPrompt Session::look_up(const std::string& line) {
  std::vector<Message> prompt = {{Role::kUser, line}};
  if (!system_.empty()) prompt.insert(prompt.begin(), {Role::kSystem, system_});
  NotedPrompt noted = look_up_notes(*notes_, *loaded_, prompt, options_.generation);
  chat_->set_system(noted.messages.front().content);
  return noted;
}

void Session::answer(const std::string& line) {
  interrupted = 0;
  const GenerationEvents events = {.on_text =
                                       [](const std::string& text) {
                                         print_text(text);
                                         std::fflush(stdout);
                                       },
                                   .stop_requested = [] { return interrupted != 0; }};
  StopReason reason;
  if (chat_) {
    std::optional<NotedPrompt> noted;
    if (notes_) noted = look_up(line);
    const ChatAnswer answer = chat_->ask(line, options_.generation, events);
    reason = answer.generation.reason;
    print("\n");
    tell_calls(answer.called);
    std::fflush(stdout);
    if (noted) tell_sources(*noted);
    if (answer.dropped_turns > 0)
      spdlog::info("(the context is full: {} oldest turn{} forgotten)", answer.dropped_turns,
                   answer.dropped_turns == 1 ? "" : "s");
  } else {
    Generator generator(loaded_->model, loaded_->tokenizer);
    reason =
        generator.generate(encode_raw_prompt(loaded_->tokenizer, line), options_.generation, events)
            .reason;
    ++options_.generation.stream;
    print("\n");
  }
  if (reason == StopReason::kMaxTokens || reason == StopReason::kContextFull)
    spdlog::info("({})", reason == StopReason::kMaxTokens
                             ? fmt::format("cut after {} tokens", options_.generation.max_tokens)
                             : "cut: the context is full");
}

void Session::command(const std::string& line) {
  const size_t space = line.find(' ');
  const std::string name = line.substr(0, space);
  const std::string argument = space == std::string::npos ? "" : line.substr(space + 1);
  if (name == "/quit" || name == "/exit") {
    done_ = true;
  } else if (name == "/help") {
    fmt::print("{}", kHelp);
  } else if (name == "/reset") {
    if (chat_) chat_->reset();
  } else if (name == "/system") {
    system_ = argument;
    if (chat_) chat_->set_system(system_);
    if (!chat_) spdlog::info("(for a chat: --chat, or /stage to one that has been taught to)");
  } else if (name == "/stage" && !argument.empty()) {
    open(resolve_stage(loaded_->path, argument));
  } else {
    spdlog::error("error: '{}': expected one of\n{}", line, kHelp);
  }
}

}  // namespace

int run_interactive(InteractiveOptions options) {
  options.generation.validate();
  options.terminal = isatty(STDIN_FILENO) == 1;
  Session session(options);
  catch_interrupts();
  if (!options.terminal) return session.read_lines();
  session.talk();
  return 0;
}

}  // namespace minillm
