#include "libminillm/rewards/reward_model.h"

#include <algorithm>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/core/check.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/eval/reward_eval.h"
#include "libminillm/generate/chat.h"  // check_chat_template

namespace minillm {
namespace {

Model load(const Checkpoint& checkpoint) {
  MINILLM_CHECK(checkpoint.model_config().has_score_head(),
                "reward model '{}': is a language model: expected a checkpoint of the reward stage",
                checkpoint.path());
  return checkpoint.load_model(Checkpoint::Use::kFrozen);
}

}  // namespace

RewardModel::RewardModel(const std::string& path)
    : tokenizer_(Checkpoint::open(path).tokenizer()), model_(load(Checkpoint::open(path))) {
  check_chat_template(taught_chat_template(Checkpoint::open(path).state()), tokenizer_);
}

std::vector<double> RewardModel::scores(std::span<const RewardedAnswer> answers) const {
  const auto context = static_cast<size_t>(model_.positions());
  std::vector<PromptWithAnswers> items;  // answers to one question stand together
  const RewardedQuestion* question = nullptr;
  for (const RewardedAnswer& answer : answers) {
    if (answer.question != question) {
      question = answer.question;
      items.push_back({render_prompt(tokenizer_, question->prompt), {}});
      MINILLM_CHECK(items.back().prompt.size() < context,
                    "reward model: a prompt of {} tokens: expected fewer than its {} positions",
                    items.back().prompt.size(), context);
    }
    std::vector<Token> rendered = render_answer(tokenizer_, answer.text);
    rendered.resize(std::min(rendered.size(), context - items.back().prompt.size()));
    items.back().answers.push_back(std::move(rendered));
  }
  std::vector<double> result;
  for (const std::vector<double>& scores : answer_scores(model_, items))
    result.insert(result.end(), scores.begin(), scores.end());
  return result;
}

}  // namespace minillm
