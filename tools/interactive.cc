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
#include "libminillm/policy/text_filter.h"
#include "tools/generation_options.h"
#include "tools/line_editor.h"
#include "tools/notes_option.h"
#include "tools/policy_option.h"
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
    if (!options.policy.empty()) policy_ = Policy::load(options.policy);
    open(options.checkpoint);
  }
  void talk();
  int read_lines();

 private:
  void open(const std::string& path);
  void answer(const std::string& line);
  std::optional<std::string> screened(const std::string& line);
  StopReason say(const std::string& question, const GenerationEvents& events,
                 std::vector<Message>& called);
  NotedPrompt look_up(const std::string& line);
  void command(const std::string& line);

  InteractiveOptions options_;
  std::string system_;
  std::optional<NoteIndex> notes_;
  std::optional<Policy> policy_;
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
  options_.generation.constraint = options_.constraint.compile(next.tokenizer);
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
  NotedPrompt noted =
      look_up_notes(*notes_, *loaded_, prompt, options_.generation, policy_ ? &*policy_ : nullptr);
  chat_->set_system(noted.messages.front().content);
  return noted;
}

// The question as the policy lets it pass; nothing: it was refused, which has been told.
std::optional<std::string> Session::screened(const std::string& line) {
  if (!policy_) return line;
  std::vector<Message> prompt = chat_ ? chat_->history() : std::vector<Message>();
  prompt.push_back({Role::kUser, line});
  const auto request = screen_prompt(*policy_, *loaded_, std::move(prompt), chat_.has_value());
  if (!request.refused) return request.messages.back().content;
  print_text(request.refused->text + "\n");
  tell_verdict(*request.refused);
  return std::nullopt;
}

// Has the model answer or continue, telling it piece by piece.
StopReason Session::say(const std::string& question, const GenerationEvents& events,
                        std::vector<Message>& called) {
  if (!chat_) {
    Generator generator(loaded_->model, loaded_->tokenizer);
    const std::vector<Token> prompt = encode_raw_prompt(loaded_->tokenizer, question);
    const StopReason reason = generator.generate(prompt, options_.generation, events).reason;
    ++options_.generation.stream;
    return reason;
  }
  const ChatAnswer answer = chat_->ask(question, options_.generation, events);
  if (answer.dropped_turns > 0)
    spdlog::info("(the context is full: {} oldest turn{} forgotten)", answer.dropped_turns,
                 answer.dropped_turns == 1 ? "" : "s");
  called = answer.called;
  return answer.generation.reason;
}

void Session::answer(const std::string& line) {
  interrupted = 0;
  const std::optional<std::string> question = screened(line);
  if (!question) return;
  std::optional<TextFilter> filter;
  if (policy_) filter.emplace(*policy_, PolicyPlace::kOutput);
  std::string told;
  const auto tell = [&](const std::string& text) {
    told += text;
    print_text(text);
    std::fflush(stdout);
  };
  const auto refused = [&] { return filter && filter->verdict(); };
  const GenerationEvents events = {
      .on_text = [&](const std::string& text) { tell(filter ? filter->push(text) : text); },
      .stop_requested = [&] { return interrupted != 0 || refused(); }};
  std::optional<NotedPrompt> noted;
  if (notes_ && chat_) noted = look_up(*question);
  std::vector<Message> called;
  const StopReason reason = say(*question, events, called);
  if (filter) {
    tell(filter->finish());
    if (refused()) tell(filter->verdict()->text);
    if (chat_) chat_->correct_last_answer(told);
  }
  print("\n");
  std::fflush(stdout);
  tell_calls(called);
  if (noted) tell_sources(*noted);
  if (refused()) tell_verdict(*filter->verdict());
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
