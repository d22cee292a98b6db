#include "tools/samples.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/data/message_json.h"
#include "libminillm/generate/built_in_tools.h"
#include "libminillm/rewards/rewards.h"
#include "tools/tool_main.h"

namespace minillm {
namespace {

using Json = nlohmann::ordered_json;

bool is_blank_text(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

// The answer as a row that a training stage reads: a text, or a conversation.
std::string training_row(const Prompt& prompt, const Answer& answer, bool chat) {
  if (!chat) return Json({{"text", answer.prompt + answer.text}}).dump() + "\n";
  Json messages = messages_json(prompt);
  messages.push_back({{"role", "assistant"}, {"content", answer.text}});
  return Json({{"messages", messages}}).dump() + "\n";
}

std::vector<RewardedQuestion> rewarded_questions(const std::vector<ExpectingPrompt>& prompts,
                                                 const WeightedRewards& reward) {
  std::vector<RewardedQuestion> questions;
  for (const ExpectingPrompt& prompt : prompts) questions.push_back(rewarded_question(prompt));
  reward.check(questions);
  return questions;
}

struct Candidate {
  const Answer* answer;
  double score;
};

// The different answers that are not empty, the best one first; equals in the order they came in.
std::vector<Candidate> ranked(const WeightedRewards& reward, const RewardedQuestion& question,
                              std::span<const Answer> answers) {
  std::vector<Candidate> candidates;
  std::vector<RewardedAnswer> judged;
  std::set<std::string> seen;
  for (const Answer& answer : answers) {
    if (is_blank_text(answer.text) || !seen.insert(answer.text).second) continue;
    const Generation& said = answer.generation;
    candidates.push_back({&answer, 0});
    judged.push_back(
        {&question, answer.text, std::ssize(said.tokens), said.reason == StopReason::kEndToken});
  }
  const std::vector<double> worth = reward(judged).sums;
  for (size_t i = 0; i < candidates.size(); ++i) candidates[i].score = worth[i];
  std::ranges::stable_sort(candidates, std::greater(), &Candidate::score);
  return candidates;
}

std::string ranked_row(const Prompt& prompt, const std::vector<Candidate>& candidates) {
  Json completions = Json::array();
  for (const Candidate& c : candidates)
    completions.push_back({{"text", c.answer->text}, {"score", c.score}});
  return Json({{"prompt", messages_json(prompt)}, {"completions", completions}}).dump() + "\n";
}

// Writes rows, and counts what it left out.
class SampleWriter {
 public:
  SampleWriter(const std::vector<ExpectingPrompt>& questions, const InteractiveOptions& options,
               const SampleOptions& sampling)
      : options_(options), sampling_(sampling), file_(sampling.out, FileTransaction::Of::kUser) {
    if (sampling.reward.empty()) return;
    reward_.emplace(sampling.reward, sampling.reward_options);
    questions_ = rewarded_questions(questions, *reward_);
  }

  // The answers to question `number`.
  void write(size_t number, const Prompt& prompt, std::span<const Answer> answers) {
    reward_ ? write_rewarded(questions_[number], prompt, answers) : write_all(prompt, answers);
  }

  void finish() {
    MINILLM_CHECK(written_ > 0, "samples: nothing was written: {}", left_out());
    file_.commit();
    spdlog::info("{}: {} {}{}", sampling_.out, written_, reward_ ? "prompts" : "samples",
                 left_out().empty() ? "" : ", left out: " + left_out());
    if (reward_)
      spdlog::info("reward: mean {:.3f}, of the best answers {:.3f}", sum_ / answers_,
                   best_sum_ / best_);
  }

 private:
  void write_all(const Prompt& prompt, std::span<const Answer> answers) {
    for (const Answer& answer : answers) {
      if (is_blank_text(answer.text)) {
        ++empty_;
        continue;
      }
      file_.write(training_row(prompt, answer, options_.chat));
      ++written_;
    }
  }

  void write_rewarded(const RewardedQuestion& question, const Prompt& prompt,
                      std::span<const Answer> answers) {
    const std::vector<Candidate> candidates = ranked(*reward_, question, answers);
    if (candidates.empty()) {
      ++empty_;
      return;
    }
    for (const Candidate& c : candidates) sum_ += c.score;
    answers_ += static_cast<double>(candidates.size());
    best_sum_ += candidates.front().score;
    best_ += 1;
    if (sampling_.keep == "best") {
      if (candidates.front().score < sampling_.min_reward) {
        ++too_bad_;
        return;
      }
      file_.write(training_row(prompt, *candidates.front().answer, true));
    } else {
      if (candidates.front().score == candidates.back().score) {
        ++alike_;
        return;
      }
      file_.write(ranked_row(prompt, candidates));
    }
    ++written_;
  }

  std::string left_out() const {
    std::string text;
    const auto add = [&](size_t count, const char* what) {
      if (count > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
    };
    add(empty_, reward_ ? "with empty answers" : "empty ones");
    add(alike_, "whose answers are all worth the same");
    add(too_bad_, "whose best answer is worth too little");
    return text;
  }

  const InteractiveOptions& options_;
  const SampleOptions& sampling_;
  FileTransaction file_;
  std::optional<WeightedRewards> reward_;
  std::vector<RewardedQuestion> questions_;
  size_t written_ = 0, empty_ = 0, alike_ = 0, too_bad_ = 0;
  double sum_ = 0, answers_ = 0, best_sum_ = 0, best_ = 0;
};

}  // namespace

std::string reward_help() {
  std::string text = "write the answers ranked by a reward (rejection sampling): NAME[:WEIGHT],...";
  for (const Reward& reward : rewards())
    text += fmt::format("; {}: {}", reward.name, reward.meaning);
  return text;
}

std::vector<Answer> answer_all(const LoadedModel& loaded, std::vector<Prompt> prompts, bool chat,
                               const std::string& system, const GenerationConfig& config,
                               const Policy* policy) {
  std::vector<Answer> answers;
  std::vector<std::vector<Token>> ids;
  std::vector<size_t> asked;  // of the answers, in the order of ids
  for (Prompt& prompt : prompts) {
    if (!system.empty() && prompt.front().role != Role::kSystem)
      prompt.insert(prompt.begin(), {Role::kSystem, system});
    Answer& answer = answers.emplace_back();
    answer.prompt = raw_text(prompt);
    if (policy != nullptr) {
      Policy::ScreenedRequest screened = screen_prompt(*policy, loaded, std::move(prompt), chat);
      prompt = std::move(screened.messages);
      answer.refused = std::move(screened.refused);
      if (answer.refused) {
        answer.text = answer.refused->text;
        continue;
      }
    }
    asked.push_back(answers.size() - 1);
    ids.push_back(chat ? render_prompt(loaded.tokenizer, prompt)
                       : encode_raw_prompt(loaded.tokenizer, raw_text(prompt)));
  }
  GenerationConfig constrained = config;
  constrained.constraint_after_space = chat;
  std::vector<Generation> generations =
      Generator(loaded.model, loaded.tokenizer).generate_all(ids, constrained);
  for (size_t i = 0; i < asked.size(); ++i) {
    Answer& answer = answers[asked[i]];
    answer.generation = std::move(generations[i]);
    const std::string& said = answer.generation.text;
    answer.text = chat ? std::string(strip_template_space(said)) : said;
    if (policy == nullptr) continue;
    Policy::Screened screened = policy->screen(PolicyPlace::kOutput, answer.text);
    if (screened.text != answer.text) answer.generation.tokens.clear();  // they would tell it
    answer.text = std::move(screened.text);
    answer.refused = std::move(screened.refused);
    if (answer.refused) answer.text += answer.refused->text;
  }
  return answers;
}

std::vector<Answer> answer_with_tools(const LoadedModel& loaded, const std::vector<Prompt>& prompts,
                                      const InteractiveOptions& options) {
  const std::vector<CallableTool> tools = built_in_tools(options.tools, {.time = options.clock});
  Generator generator(loaded.model, loaded.tokenizer);
  std::vector<Answer> answers;
  for (size_t i = 0; i < prompts.size(); ++i) {
    Prompt prompt = prompts[i];
    if (!options.system.empty() && prompt.front().role != Role::kSystem)
      prompt.insert(prompt.begin(), {Role::kSystem, options.system});
    ToolLoop loop(loaded.tokenizer, tools, prompt);
    const auto begin = std::ssize(loop.messages());
    GenerationConfig config = options.generation;
    config.stream += i * (kMaxToolRounds + 1);  // every answer has a stream of its own
    Answer& answer = answers.emplace_back();
    do {
      answer.generation = generator.generate(loop.prompt(), config);
      ++config.stream;
    } while (loop.take(answer.generation));
    answer.prompt = raw_text(prompts[i]);
    answer.text = loop.answer().content;
    answer.called = {loop.messages().begin() + begin, loop.messages().end() - 1};
  }
  return answers;
}

void tell_calls(const std::vector<Message>& called) {
  const Message* asked = nullptr;
  size_t result = 0;
  for (const Message& message : called) {
    if (message.role == Role::kTool) {
      const ToolCall& call = asked->calls[result++];
      spdlog::info("({}{} = {})", call.name, call.arguments, message.content);
    } else {
      asked = &message;
      result = 0;
    }
  }
}

namespace {

// Calls visit(number, prompt, answers) with all answers to a question, for one after another.
template <typename Visit>
void for_each_question(const LoadedModel& loaded, const std::vector<ExpectingPrompt>& questions,
                       const InteractiveOptions& options, int64_t samples, Visit&& visit) {
  constexpr size_t kAtOnce = 256;
  GenerationConfig config = options.generation;
  const auto each = static_cast<size_t>(samples);
  const size_t all = questions.size() * each;
  std::vector<Answer> answers;  // to the question that is being answered
  for (size_t begin = 0; begin < all; begin += kAtOnce) {
    if (stop_requested())
      throw Error("samples: interrupted: nothing was written", ExitCode::kInterrupted);
    std::vector<Prompt> some;
    for (size_t i = begin; i < std::min(all, begin + kAtOnce); ++i)
      some.push_back(questions[i / each].prompt);
    config.stream = options.generation.stream + begin;  // of every sample its own
    auto next = answer_all(loaded, some, options.chat, options.system, config);
    for (size_t i = 0; i < next.size(); ++i) {
      answers.push_back(std::move(next[i]));
      if (answers.size() < each) continue;
      visit((begin + i) / each, some[i], answers);
      answers.clear();
    }
  }
}

}  // namespace

void write_samples(const LoadedModel& loaded, const std::vector<ExpectingPrompt>& questions,
                   const InteractiveOptions& options, const SampleOptions& sampling) {
  catch_stop_signals("\nstopping: nothing is written\n");
  SampleWriter writer(questions, options, sampling);
  for_each_question(loaded, questions, options, sampling.samples,
                    [&](size_t number, const Prompt& prompt, std::span<const Answer> answers) {
                      writer.write(number, prompt, answers);
                    });
  writer.finish();
}

std::vector<Answer> best_answers(const LoadedModel& loaded,
                                 const std::vector<ExpectingPrompt>& questions,
                                 const InteractiveOptions& options, const SampleOptions& sampling) {
  const WeightedRewards reward(sampling.reward, sampling.reward_options);
  const std::vector<RewardedQuestion> rewarded = rewarded_questions(questions, reward);
  std::vector<Answer> best;
  for_each_question(
      loaded, questions, options, sampling.samples,
      [&](size_t number, const Prompt&, std::span<const Answer> answers) {
        const auto candidates = ranked(reward, rewarded[number], answers);
        best.push_back(candidates.empty() ? answers.front() : *candidates.front().answer);
      });
  return best;
}

}  // namespace minillm
