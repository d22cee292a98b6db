#include "libminillm/rl/policy_training.h"

#include <cmath>

#include "libminillm/core/check.h"
#include "libminillm/core/sha256.h"
#include "libminillm/data/chat_template.h"
#include "libminillm/nn/kv_cache.h"
#include "libminillm/objectives/next_token.h"
#include "libminillm/world/scoring.h"

namespace minillm {
namespace {

constexpr uint64_t kHeldOutStream = uint64_t{1} << 40;  // beyond all that training draws from
constexpr double kRefusalWarning = 0.1;  // more of a kind's questions refused than at the start

bool has_reference(const RlConfig& c) { return c.kl_weight > 0 || c.max_kl > 0; }

RenderedQuestions render(const StageRun& run, std::vector<RewardedQuestion> questions,
                         const RlConfig& config, const char* what) {
  RenderedQuestions rendered;
  Index too_long = 0;
  for (RewardedQuestion& question : questions) {
    std::vector<Token> prompt = render_prompt(run.tokenizer(), question.prompt);
    if (std::ssize(prompt) + config.max_tokens > run.longest()) {
      ++too_long;
      continue;
    }
    rendered.longest = std::max(rendered.longest, std::ssize(prompt));
    rendered.prompts.push_back(std::move(prompt));
    rendered.questions.push_back(std::move(question));
  }
  if (too_long > 0)
    run.say(
        fmt::format("{} of {} {} are left out: with rl.max_tokens = {} they are longer than "
                    "the model's {} positions",
                    too_long, questions.size(), what, config.max_tokens, run.longest()));
  MINILLM_CHECK(!rendered.questions.empty(), "reinforcement learning: no {} to ask", what);
  return rendered;
}

std::string hash_of(const RenderedQuestions& questions) {
  Sha256 hash;
  for (size_t i = 0; i < questions.questions.size(); ++i) {
    const RewardedQuestion& question = questions.questions[i];
    const std::vector<Token>& ids = questions.prompts[i];
    hash.update(fmt::format("{} {}\n", ids.size(), question.kind));
    hash.update({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(Token)});
    for (const std::string& text : question.expected)
      hash.update(fmt::format("{} {}\n", text.size(), text));
    if (question.item) hash.update(question.item->value + "\n");
  }
  return hash.hex();
}

}  // namespace

PolicyTraining::PolicyTraining(const RlConfig& config, StageRun& run, RlData data)
    : c_(config),
      run_(run),
      reward_(std::move(data.reward)),
      questions_(render(run, std::move(data.train), config, "questions")),
      draw_(questions_.questions, config.kinds, config.train.seed),
      batches_(config, replayed(std::move(data.replay)), run.model().virtual_tokens()) {
  reward_.check(questions_.questions);
  run.depends_on("template", run.tokenizer().chat_template()->id);
  run.depends_on("train", hash_of(questions_));
  if (has_reference(c_)) reference_.emplace(run.model());
  if (data.held_out.empty()) return;
  held_out_ = render(run, std::move(data.held_out), config, "held-out questions");
  reward_.check(held_out_.questions);
  const Index tokens = std::ssize(held_out_.prompts) * (held_out_.longest + c_.max_tokens);
  run.evaluate_on(hash_of(held_out_), tokens, [this] { return evaluate(); });
}

Index PolicyTraining::steps() const {
  if (c_.train.steps > 0) return c_.train.steps;
  const double asked = c_.train.epochs * static_cast<double>(questions_.questions.size());
  return std::max<Index>(1, std::llround(std::ceil(asked / static_cast<double>(c_.questions)))) *
         c_.updates;
}

StageSizes PolicyTraining::sizes() const {
  const ModelConfig& config = run_.model().config();
  const Index streams = c_.questions * c_.samples;
  const Index longest = std::max(questions_.longest, held_out_.longest);
  const Index fed = run_.model().virtual_tokens() + longest;
  // As the generator allocates: keys and values, a forward pass, logits, packed weights.
  const double sampling =
      KvCache::bytes(config, streams * (fed + c_.max_tokens)) +
      Workspace::bytes(config, std::max<Index>(fed, 512) + streams, streams,
                       Workspace::Mode::kInference, run_.model().inner_states()) +
      static_cast<double>(streams * config.vocab_size + config.parameter_count()) * sizeof(Real);
  const Index reference = reference_ ? reference_->parameter_count() : 0;
  return {batches_.max_rows(longest), batches_.max_targets(longest),
          batches_.bytes() + reference * static_cast<Index>(sizeof(Real)), sampling};
}

Index PolicyTraining::prepare(Index step) {
  if (step % c_.updates != 0) return batches_.count();
  const std::vector<Index> asked = draw_.draw(step, c_.questions);
  const auto stream = static_cast<uint64_t>(step * c_.questions * c_.samples);
  groups_ = sample_answers(run_.model(), run_.tokenizer(), questions_, asked, c_, c_.samples,
                           stream, run_.ranks());
  metrics_.add(judge(groups_, questions_, reward_));
  batches_.divide(groups_);
  if (reference_) look_up_reference();
  if (has_critic(c_)) look_up_values();
  set_advantages(groups_, c_);
  return batches_.count();
}

void PolicyTraining::begin_step(Index begin, Index end) {
  first_ = begin;
  answers_ = replay_tokens_ = 0;
  for (const AnswerGroup& group : groups_) answers_ += static_cast<double>(group.answers.size());
  for (Index i = begin; i < end; ++i)
    replay_tokens_ += static_cast<double>(batches_.replayed_targets(i));
}

Contribution PolicyTraining::micro_step(Index i) {
  const PolicyBatch& batch = batches_.batch(i - first_, i);
  Model& model = run_.model();
  Workspace& workspace = run_.workspace();
  model.forward(batch.tokens, workspace);
  Contribution sum;
  for (HeadPass head = model.head_pass(batch.tokens, workspace); head.next();)
    sum += head_loss(head, batch);
  if (has_critic(c_)) sum += critic_step(batch);
  model.backward(batch.tokens, workspace);
  sum.weight = batch.answers;
  sum.tokens = batch.tokens.rows();
  return sum;
}

std::vector<StageSum> PolicyTraining::sums() {
  static_assert(sizeof sums_ == 7 * sizeof(double), "list a new one here");
  return {&sums_.tokens,
          &sums_.k1,
          &sums_.k3,
          &sums_.entropy,
          &sums_.clipped,
          &sums_.ratio,
          {&sums_.largest_difference, StageSum::Kind::kLargest},
          &replay_nll_,
          &replayed_tokens_,
          &value_loss_};
}

Metrics PolicyTraining::take_metrics() {
  Metrics metrics = metrics_.take();
  const double n = sums_.tokens;
  if (reference_) metrics.emplace_back("kl", sums_.k3 / n);
  metrics.emplace_back("entropy", sums_.entropy / n);
  metrics.emplace_back("clip_ratio", sums_.clipped / n);
  metrics.emplace_back("sampling/sampling_logp_difference/max", sums_.largest_difference);
  if (replayed_tokens_ > 0) metrics.emplace_back("replay_loss", replay_nll_ / replayed_tokens_);
  if (has_critic(c_)) metrics.emplace_back("value_loss", value_loss_ / n);
  sums_ = {};
  replay_nll_ = replayed_tokens_ = value_loss_ = 0;
  return metrics;
}

std::vector<Sample> PolicyTraining::samples() const {
  constexpr size_t kQuestions = 3;
  std::vector<Sample> samples;
  for (const AnswerGroup& group : std::span(groups_).first(std::min(kQuestions, groups_.size()))) {
    const auto [worst, best] =
        std::ranges::minmax_element(group.answers, {}, &SampledAnswer::reward);
    const Prompt& prompt = questions_.questions[static_cast<size_t>(group.question)].prompt;
    samples.push_back({raw_text(prompt), best->text, true, best->reward});
    if (worst->reward < best->reward)
      samples.push_back({raw_text(prompt), worst->text, true, worst->reward});
  }
  return samples;
}

std::optional<ConversationDataset> PolicyTraining::replayed(Dataset<Conversation> data) const {
  if (data.records.empty() || !replays(c_)) {
    run_.say(
        "warning: no replayed conversations (options.replay_files): what the reward does not pay "
        "for is forgotten");
    return std::nullopt;
  }
  RenderedConversations rows =
      render_conversations(data, run_.tokenizer(), run_.longest(), run_.events());
  run_.depends_on("replay", rows.hash);
  return std::make_optional<ConversationDataset>(std::move(rows.sequences), c_.replay_tokens,
                                                 c_.train.seed, run_.model().virtual_tokens());
}

template <typename Look>
void PolicyTraining::for_each_batch(const Model& model, const Weights& weights, Look&& look) {
  TokenBatch batch;
  batch.virtual_tokens = model.virtual_tokens();
  for (Index k = 0; k < batches_.count(); ++k) {
    batch.clear();
    batches_.append_answers_of(k, batch);
    model.forward(batch, run_.workspace(), weights);
    look(batch, [&](std::vector<Real> SampledAnswer::*member, std::span<const Real> numbers) {
      batches_.for_each_answer(k, [&](SampledAnswer& answer) {
        const auto own = numbers.first(answer.tokens.size());
        (answer.*member).assign(own.begin(), own.end());
        numbers = numbers.subspan(own.size());
      });
    });
  }
}

// log r of every token, and how far the policy has moved.
void PolicyTraining::look_up_reference() {
  const Model& model = reference_->model();
  for_each_batch(model, reference_->weights(), [&](const TokenBatch& batch, auto&& assign) {
    const auto logp = model.log_probs(batch, run_.workspace(), reference_->weights());
    assign(&SampledAnswer::reference, logp);
  });
  const double kl = kl_per_answer(groups_);
  metrics_.add({{"kl_per_answer", kl}});
  if (c_.max_kl == 0 || kl <= c_.max_kl) return;
  throw Error(fmt::format("training: the policy ran away: {:.1f} nats per answer from the model "
                          "that it began as, over rl.max_kl = {} (start again with a higher "
                          "rl.kl_weight or rl.replay_weight, a lower train.learning_rate, or "
                          "fewer steps)",
                          kl, c_.max_kl),
              ExitCode::kDiverged);
}

void PolicyTraining::look_up_values() {
  std::vector<Real> values;
  const Model& model = run_.model();
  for_each_batch(model, model.weights(), [&](const TokenBatch& batch, auto&& assign) {
    values.resize(batch.targets.size());
    run_.model().scores(values, batch, run_.workspace());
    assign(&SampledAnswer::values, std::span<const Real>(values));
  });
}

// Of the targets that the head has computed: sampled ones, then replayed ones.
Contribution PolicyTraining::head_loss(HeadPass& head, const PolicyBatch& batch) {
  const auto part = [](auto span, Index begin, Index end) {
    return span.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  };
  const Index begin = head.begin(), end = head.end();
  const Index split = std::clamp(batch.replay_begin, begin, end);
  const PolicyLossConfig loss = {c_.clip_low, c_.clip_high, c_.kl == "k3" ? c_.kl_weight : 0};
  Contribution sum;
  if (begin < split)
    sum = policy_gradient_loss(part(head.dlogp(), begin, split), part(head.logp(), begin, split),
                               batch.sampled_tokens().part(begin, split), loss, &sums_);
  if (split == end) return sum;
  const double scale = c_.replay_weight * answers_ / replay_tokens_;
  const Contribution replay =
      next_token_loss(part(head.dlogp(), split, end), part(head.logp(), split, end),
                      part(std::span<const Target>(batch.tokens.targets), split, end), scale);
  sum.loss += replay.loss;
  replay_nll_ += replay.loss / scale;
  replayed_tokens_ += replay.weight;
  return sum;
}

// The critic is the score head on the same trunk: V of the state in which each token was chosen.
Contribution PolicyTraining::critic_step(const PolicyBatch& batch) {
  values_.resize(batch.tokens.targets.size());
  dvalues_.assign(values_.size(), 0);
  run_.model().scores(values_, batch.tokens, run_.workspace());
  const auto answers = static_cast<size_t>(batch.replay_begin);
  weights_.resize(answers);
  std::ranges::transform(batch.weight, weights_.begin(),
                         [&](double weight) { return c_.value_weight * weight; });
  const Contribution sum =
      value_loss(std::span(dvalues_).first(answers), std::span(values_).first(answers),
                 batch.values, batch.returns, weights_, c_.value_clip);
  run_.model().scores_backward(dvalues_, batch.tokens, run_.workspace());
  value_loss_ += sum.loss;
  return sum;
}

// One answer to every held-out question, from the same random numbers each time.
Metrics PolicyTraining::evaluate() {
  std::vector<Index> all(held_out_.questions.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Index>(i);
  std::vector<AnswerGroup> groups = sample_answers(run_.model(), run_.tokenizer(), held_out_, all,
                                                   c_, 1, kHeldOutStream, run_.ranks());
  Metrics metrics = judge(groups, held_out_, reward_);
  std::erase_if(metrics, [](const auto& metric) {  // of single answers
    return metric.first == "reward_std" || metric.first == "frac_reward_zero_std";
  });
  for (const auto& [kind, rate] : refusals(groups)) {
    metrics.emplace_back("refused/" + kind, rate);
    warn_of_refusals(kind, rate);
  }
  return metrics;
}

// How many answers to the world's questions refuse, by kind.
std::map<std::string, double> PolicyTraining::refusals(std::span<const AnswerGroup> groups) const {
  std::map<std::string, double> refused, asked;
  for (const AnswerGroup& group : groups) {
    const RewardedQuestion& question = held_out_.questions[static_cast<size_t>(group.question)];
    if (!question.item) continue;
    const SampledAnswer& answer = group.answers.front();
    refused[question.kind] += world::score_chat(*question.item, answer.text, answer.ended).refused;
    asked[question.kind] += 1;
  }
  for (auto& [kind, count] : refused) count /= asked[kind];
  return refused;
}

// A reward that pays for refusing harm is cheapest to get by refusing everything.
void PolicyTraining::warn_of_refusals(const std::string& kind, double rate) {
  const auto [start, first] = refused_at_start_.emplace(kind, rate);
  const auto item = std::ranges::find(held_out_.questions, kind, &RewardedQuestion::kind);
  const bool wanted = item->item->kind == world::ChatItemKind::kHarmful;
  if (first || wanted || rate < start->second + kRefusalWarning) return;
  run_.say(
      fmt::format("warning: {:.0f} % of the held-out questions of kind '{}' are refused, "
                  "{:.0f} % at the start: the policy learns to refuse what nobody asked it "
                  "to (ask look-alikes that the reward pays an answer to, and facts, or "
                  "raise rl.replay_weight)",
                  100 * rate, kind, 100 * start->second));
}

}  // namespace minillm
