#include "tools/eval_best_of.h"

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/generate/chat.h"
#include "libminillm/generate/generator.h"
#include "libminillm/rewards/best_of.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/tool_main.h"

namespace minillm {
namespace {

struct BothRewards {
  std::vector<double> proxy, gold;  // of all answers, those to one question together
};

BothRewards judge_answers(const BestOfArguments& arguments,
                          const std::vector<RewardedQuestion>& questions,
                          const WeightedRewards& proxy, const WeightedRewards& gold) {
  const Checkpoint checkpoint = Checkpoint::open(arguments.checkpoint);
  const Model model = checkpoint.load_model(Checkpoint::Use::kFrozen);
  const Tokenizer tokenizer = checkpoint.tokenizer();
  check_chat_template(taught_chat_template(checkpoint.state()), tokenizer);
  Generator generator(model, tokenizer);
  GenerationConfig config;
  config.sampling.temperature = arguments.temperature;
  config.max_tokens = arguments.max_tokens;
  config.seed = arguments.seed;
  WorkBar bar;
  BothRewards result;
  for (size_t q = 0; q < questions.size(); ++q) {
    if (stop_requested())
      throw Error("best of n: interrupted: nothing was printed", ExitCode::kInterrupted);
    const std::vector<std::vector<Token>> prompts(static_cast<size_t>(arguments.samples),
                                                  render_prompt(tokenizer, questions[q].prompt));
    config.stream = q * prompts.size();
    std::vector<RewardedAnswer> answers;
    for (const Generation& said : generator.generate_all(prompts, config, 256))
      answers.push_back({&questions[q], std::string(strip_template_space(said.text)),
                         std::ssize(said.tokens), said.reason == StopReason::kEndToken});
    for (const auto& [reward, worth] :
         {std::pair(&proxy, &result.proxy), std::pair(&gold, &result.gold)}) {
      const std::vector<double> sums = (*reward)(answers).sums;
      worth->insert(worth->end(), sums.begin(), sums.end());
    }
    bar.draw("answering", static_cast<double>(q + 1), static_cast<double>(questions.size()));
  }
  return result;
}

// To mean 0 and deviation 1, unless all are equal.
void normalise(std::vector<double>& values) {
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  const double mean = sum / static_cast<double>(values.size());
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(values.size()));
  for (double& value : values) value = deviation > 0 ? (value - mean) / deviation : 0;
}

}  // namespace

void evaluate_best_of(const BestOfArguments& arguments) {
  catch_stop_signals("\nstopping: nothing is printed\n");
  std::vector<RewardedQuestion> questions;
  for (const ExpectingPrompt& prompt : read_expecting_prompts(arguments.prompts))
    questions.push_back(rewarded_question(prompt));
  const WeightedRewards proxy(arguments.proxy, arguments.rewards),
      gold(arguments.gold, arguments.rewards);
  proxy.check(questions);
  gold.check(questions);
  BothRewards worth = judge_answers(arguments, questions, proxy, gold);
  normalise(worth.proxy);

  const std::vector<Index> sizes = doublings(arguments.samples);
  std::vector<BestOf> mean(sizes.size());
  const auto each = static_cast<size_t>(arguments.samples);
  for (size_t q = 0; q < questions.size(); ++q) {
    const auto own = [&](const std::vector<double>& all) {
      return std::span(all).subspan(q * each, each);
    };
    const std::vector<BestOf> curve = best_of_n(own(worth.proxy), own(worth.gold), sizes);
    for (size_t i = 0; i < curve.size(); ++i) {
      mean[i].n = curve[i].n;
      mean[i].kl = curve[i].kl;
      mean[i].proxy += curve[i].proxy / static_cast<double>(questions.size());
      mean[i].gold += curve[i].gold / static_cast<double>(questions.size());
    }
  }
  if (arguments.json) {
    nlohmann::ordered_json lines = nlohmann::ordered_json::array();
    for (const BestOf& point : mean)
      lines.push_back({{"n", point.n},
                       {"sqrt_kl", std::sqrt(point.kl)},
                       {"proxy", point.proxy},
                       {"gold", point.gold}});
    print("{}\n", lines.dump());
    return;
  }
  print("{:>6} {:>9} {:>9} {:>9}\n", "n", "sqrt KL", "proxy", "gold");
  for (const BestOf& point : mean)
    print("{:>6} {:>9.3f} {:>9.3f} {:>9.3f}\n", point.n, std::sqrt(point.kl), point.proxy,
          point.gold);
}

}  // namespace minillm
