#include "libminillm/rl/rollouts.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "libminillm/core/check.h"
#include "libminillm/generate/chat.h"  // strip_template_space
#include "libminillm/generate/shared_generation.h"
#include "libminillm/objectives/advantages.h"

namespace minillm {
namespace {

// Calls body(answer) for every answer of every group.
template <typename Groups, typename Body>
void for_each_answer(Groups& groups, Body&& body) {
  for (auto& group : groups)
    for (auto& answer : group.answers) body(answer);
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// The deviation of the group's rewards, with n - 1.
double spread(const AnswerGroup& group) {
  if (group.answers.size() < 2) return 0;
  double sum = 0, squares = 0;
  for (const SampledAnswer& answer : group.answers) sum += answer.reward;
  const double middle = sum / static_cast<double>(group.answers.size());
  for (const SampledAnswer& answer : group.answers)
    squares += (answer.reward - middle) * (answer.reward - middle);
  return std::sqrt(squares / static_cast<double>(group.answers.size() - 1));
}

double kl_of(const SampledAnswer& answer) {
  double sum = 0;
  for (size_t t = 0; t < answer.reference.size(); ++t)
    sum += double{answer.sampled[t]} - double{answer.reference[t]};
  return sum;
}

// PPO: the reward comes with the last token, the KL with each.
void set_token_advantages(SampledAnswer& answer, const RlConfig& config) {
  std::vector<double> rewards(answer.tokens.size(), 0);
  if (config.kl == "k1")
    for (size_t t = 0; t < answer.reference.size(); ++t)
      rewards[t] = -config.kl_weight * (double{answer.sampled[t]} - double{answer.reference[t]});
  rewards.back() += answer.reward;
  answer.advantages.resize(rewards.size());
  answer.returns.resize(rewards.size());
  generalized_advantages(answer.advantages, answer.returns, rewards, answer.values, config.gamma,
                         config.lambda);
}

void set_answer_advantages(std::vector<AnswerGroup>& groups, const RlConfig& config) {
  std::vector<double> rewards;
  for_each_answer(groups, [&](const SampledAnswer& answer) {
    rewards.push_back(answer.reward - (config.kl == "k1" ? config.kl_weight * kl_of(answer) : 0));
  });
  std::vector<double> advantages(rewards.size());
  advantage_estimator(config.algorithm)
      .estimate(advantages, rewards, std::ssize(groups.front().answers));
  auto next = advantages.begin();
  for_each_answer(groups, [&](SampledAnswer& answer) {
    answer.advantages.assign(answer.tokens.size(), *next++);
  });
}

void whiten_tokens(std::vector<AnswerGroup>& groups) {
  std::vector<double> all;
  for_each_answer(groups, [&](const SampledAnswer& answer) {
    all.insert(all.end(), answer.advantages.begin(), answer.advantages.end());
  });
  whiten(all);
  auto next = all.begin();
  for_each_answer(groups, [&](SampledAnswer& answer) {
    for (double& advantage : answer.advantages) advantage = *next++;
  });
}

}  // namespace

std::vector<AnswerGroup> sample_answers(const Model& policy, const Tokenizer& tokenizer,
                                        const RenderedQuestions& questions,
                                        std::span<const Index> asked, const RlConfig& config,
                                        int64_t samples, uint64_t stream, Communicator* ranks) {
  GenerationConfig generation;
  generation.sampling.temperature = config.temperature;
  generation.max_tokens = config.max_tokens;
  generation.seed = config.train.seed;
  generation.stream = stream;
  generation.log_probs = true;
  std::vector<std::vector<Token>> prompts;
  for (const Index question : asked)
    prompts.insert(prompts.end(), static_cast<size_t>(samples),
                   questions.prompts[static_cast<size_t>(question)]);
  Generator generator(policy, tokenizer);
  std::vector<Generation> said =
      generate_among(ranks, generator, prompts, generation, config.questions * config.samples);
  std::vector<AnswerGroup> groups;
  size_t next = 0;
  for (const Index question : asked) {
    AnswerGroup& group = groups.emplace_back();
    group.question = question;
    group.prompt = prompts[next];
    for (int64_t i = 0; i < samples; ++i) {
      Generation& generated = said[next++];
      SampledAnswer& answer = group.answers.emplace_back();
      answer.tokens = std::move(generated.tokens);
      answer.ended = generated.end_token.has_value();
      if (answer.ended) answer.tokens.push_back(*generated.end_token);
      answer.text = strip_template_space(generated.text);
      answer.sampled = std::move(generated.log_probs);
    }
  }
  return groups;
}

Metrics judge(std::vector<AnswerGroup>& groups, const RenderedQuestions& questions,
              const WeightedRewards& reward) {
  std::vector<RewardedAnswer> answers;
  double tokens = 0, unfinished = 0;
  for (const AnswerGroup& group : groups) {
    for (const SampledAnswer& answer : group.answers) {
      answers.push_back({&questions.questions[static_cast<size_t>(group.question)], answer.text,
                         std::ssize(answer.tokens), answer.ended});
      tokens += static_cast<double>(answer.tokens.size());
      unfinished += !answer.ended;
    }
  }
  const WeightedRewards::Result result = reward(answers);
  auto next = result.sums.begin();
  for_each_answer(groups, [&](SampledAnswer& answer) { answer.reward = *next++; });

  double deviations = 0, alike = 0;
  std::map<std::string, std::vector<double>> kinds;
  for (const AnswerGroup& group : groups) {
    const double deviation = spread(group);
    deviations += deviation;
    alike += deviation == 0;
    const std::string& kind = questions.questions[static_cast<size_t>(group.question)].kind;
    for (const SampledAnswer& answer : group.answers)
      if (!kind.empty()) kinds[kind].push_back(answer.reward);
  }
  const double n = static_cast<double>(answers.size()), g = static_cast<double>(groups.size());
  Metrics metrics = {{"reward", mean(result.sums)},
                     {"reward_std", deviations / g},
                     {"frac_reward_zero_std", alike / g},
                     {"completions/mean_length", tokens / n},
                     {"completions/clipped_ratio", unfinished / n}};
  for (const auto& [name, values] : result.parts)
    metrics.emplace_back("rewards/" + name + "/mean", mean(values));
  for (const auto& [kind, values] : kinds) metrics.emplace_back("reward/" + kind, mean(values));
  return metrics;
}

void set_advantages(std::vector<AnswerGroup>& groups, const RlConfig& config) {
  if (config.algorithm == "ppo")
    for_each_answer(groups, [&](SampledAnswer& answer) { set_token_advantages(answer, config); });
  else
    set_answer_advantages(groups, config);
  if (config.whiten) whiten_tokens(groups);
}

double kl_per_answer(std::span<const AnswerGroup> groups) {
  double sum = 0, answers = 0;
  for_each_answer(groups, [&](const SampledAnswer& answer) {
    sum += kl_of(answer);
    answers += 1;
  });
  return answers > 0 ? sum / answers : 0;
}

}  // namespace minillm
