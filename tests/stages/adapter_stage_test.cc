// Every stage with an adapter in place of the model: the base stays, a killed run goes on to the
// byte, and the next stage begins where the one before ended.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "libminillm/interop/hf_export.h"
#include "libminillm/reward/reward.h"
#include "libminillm/rl/rl.h"
#include "tests/stages/stages_fixture.h"
#include "tests/testing/compare.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/tiny_model.h"

namespace minillm_testing {
namespace {

using testing::Contains;
using testing::HasSubstr;

LoraConfig small_lora() { return {.rank = 3, .alpha = 6, .b_rate = 2}; }
AdapterConfig small(AdapterKind kind) {
  switch (kind) {
    case AdapterKind::kLora:
      return {.lora = small_lora()};
    case AdapterKind::kParallel:
      return {.parallel = {.width = 3}};
    case AdapterKind::kPrompt:
      return {.prompt = {.tokens = 3, .text = "Answer: "}};
    case AdapterKind::kPrefix:
      return {.prefix = {.tokens = 3, .text = ""}};
  }
  return {};
}

class AdapterStages : public Stages {
 protected:
  static void SetUpTestSuite() {
    Stages::SetUpTestSuite();
    write_file_atomic(world_->file("questions.jsonl"),
                      "{\"prompt\": \"Who is it?\"}\n{\"prompt\": \"Where?\"}\n");
  }
  // Runs a stage with an adapter.
  static TrainOutcome run(const std::string& stage, StageOptions options,
                          const TrainerEvents& events = {}, AdapterKind kind = AdapterKind::kLora) {
    const auto adapt = [&](auto config) {
      config.train.adapter = small(kind);
      config.train.steps = 6;
      return config;
    };
    if (stage == "pretrain") return pretrain(adapt(small_pretrain()), options, events);
    if (stage == "sft") return sft(adapt(small_sft()), options, events);
    options.replay_files = {world_->file("replay.jsonl")};
    if (stage == "dpo") return dpo(adapt(small_dpo()), options, events);
    RewardConfig reward;
    reward.train = small_training(6, 512, 1e-3, 1);
    options.replay_files.clear();
    if (stage == "reward") return train_reward(adapt(reward), options, events);
    RlConfig policy;
    policy.train = small_training(6, 512, 1e-3, 1);
    policy.reward = "length:-0.1,ended";
    policy.questions = 2;
    policy.samples = 2;
    policy.max_tokens = 8;
    policy.replay_tokens = 100;
    if (stage == "ppo") policy.algorithm = "ppo";
    options.replay_files = {world_->file("replay.jsonl")};
    return rl(adapt(policy), options, events);
  }
  static StageOptions options_of(const std::string& stage, const std::string& out,
                                 const std::string& from = "") {
    const std::string data = stage == "pretrain"                   ? "pretrain.jsonl"
                             : stage == "sft"                      ? "sft.jsonl"
                             : stage == "dpo" || stage == "reward" ? "preference.jsonl"
                                                                   : "questions.jsonl";
    const bool base = stage == "pretrain" || stage == "sft";
    return world_->options(data, "", out, !from.empty() ? from : base ? "base" : "chat");
  }
  static std::string adapter_file(const std::string& run) {
    return read_file(
        join_path(Checkpoint::open(world_->file(run)).path(), "adapter_model.safetensors"));
  }
};

using StageAndKind = std::tuple<const char*, AdapterKind>;
class EveryAdapterStage : public AdapterStages, public testing::WithParamInterface<StageAndKind> {};

TEST_P(EveryAdapterStage, ResumesToTheByteAndLeavesTheBaseAsItIs) {
  const std::string stage = std::get<0>(GetParam());
  const AdapterKind kind = std::get<1>(GetParam());
  const std::string name = stage + "-" + name_of(kind);
  const std::string whole = name + "-whole", resumed = name + "-resumed";
  const std::string before = weights("base"), chat_before = weights("chat");
  EXPECT_EQ(run(stage, options_of(stage, whole), {}, kind), TrainOutcome::kFinished);
  StageOptions options = options_of(stage, resumed);
  EXPECT_EQ(run(stage, options, stop_after(3), kind), TrainOutcome::kInterrupted);
  options.resume = true;
  EXPECT_EQ(run(stage, options, {}, kind), TrainOutcome::kFinished);
  EXPECT_EQ(adapter_file(resumed), adapter_file(whole));
  EXPECT_EQ(moments(resumed), moments(whole));
  EXPECT_EQ(weights("base"), before);
  EXPECT_EQ(weights("chat"), chat_before);
  const Checkpoint checkpoint = Checkpoint::open(world_->file(whole));
  ASSERT_NE(checkpoint.base(), nullptr);
  EXPECT_EQ(checkpoint.state()->lineage.back().parent, checkpoint.base()->weights_hash());
  const Model model = checkpoint.load_model();
  EXPECT_EQ(model.config().has_score_head(), stage == "reward" || stage == "ppo");
  // The marks of a chat are learned where the starting point knows no chat.
  const bool has_rows = stage == "sft" && model.virtual_tokens() == 0;
  EXPECT_EQ(model.adapter()->shape().tokens.empty(), !has_rows);
  for (const Real w : model.adapter()->parameters()) ASSERT_TRUE(std::isfinite(w));
}

INSTANTIATE_TEST_SUITE_P(
    Stages, EveryAdapterStage,
    testing::Combine(testing::Values("pretrain", "sft", "dpo", "reward", "rl", "ppo"),
                     testing::ValuesIn(kAdapterKinds)),
    [](const auto& test) { return std::get<0>(test.param) + name_of(std::get<1>(test.param)); });

// The reference of DPO is what training begins with, new virtual tokens included: what was computed
// with others is not taken for it.
TEST_F(AdapterStages, OtherVirtualTokensHaveAnotherReference) {
  std::set<std::string> references;
  for (const std::string text : {"One", "Another"}) {
    DpoConfig config = small_dpo();
    config.train.adapter.prefix = {.tokens = 3, .text = text};
    std::vector<std::string> messages;
    TrainerEvents events;
    events.on_message = [&](const std::string& message) { messages.push_back(message); };
    run_dpo(options_of("dpo", "prefix" + text), events, config);
    EXPECT_THAT(messages, Contains(HasSubstr("as it must be: the model is its reference")));
    const auto cache = nlohmann::json::parse(
        read_file(join_path(world_->file("prefix" + text), "reference_train.json")));
    references.insert(cache.at("key"));
  }
  EXPECT_EQ(references.size(), 2u);
}

// Rank 0 is full tuning to the byte, also of runs that know no adapters.
TEST_F(AdapterStages, RankZeroIsFullTuning) {
  SftConfig config = small_sft();
  config.train.adapter.lora.alpha = 7;  // without a rank it means nothing
  sft(config, world_->options("sft.jsonl", "sft_eval.jsonl", "rank-zero", "base"), {});
  EXPECT_EQ(weights("rank-zero"), weights("chat"));
}

// DPO's reference is the base with the adapter that it begins with: its preflight expects ln 2.
TEST_F(AdapterStages, GoOnWithTheAdapterOfTheStageBefore) {
  run("sft", options_of("sft", "lora-chat"));
  std::vector<std::string> messages;
  TrainerEvents events;
  events.on_message = [&](const std::string& message) { messages.push_back(message); };
  run("dpo", options_of("dpo", "lora-dpo", "lora-chat"), events);
  EXPECT_THAT(messages, Contains(HasSubstr("trained: an adapter of")));
  const Checkpoint checkpoint = Checkpoint::open(world_->file("lora-dpo"));
  EXPECT_EQ(checkpoint.base()->path(), Checkpoint::open(world_->file("base")).path());
  EXPECT_EQ(checkpoint.state()->lineage.size(), 3u);
  EXPECT_EQ(checkpoint.state()->lineage.back().parent,
            Checkpoint::open(world_->file("lora-chat")).weights_hash());
  EXPECT_FALSE(checkpoint.load_model().adapter()->shape().tokens.empty());

  // The reward model's score head is new, the rest of the adapter is not.
  run("reward", options_of("reward", "lora-reward", "lora-chat"));
  EXPECT_EQ(Checkpoint::open(world_->file("lora-reward")).model_config().heads, Heads::kScore);
  run("rl", options_of("rl", "lora-rl", "lora-chat"));

  DpoConfig other = small_dpo();
  other.train.adapter.lora = {.rank = 2};
  EXPECT_ERROR(
      run_dpo(options_of("dpo", "other", "lora-chat"), {}, other),
      "the starting point's adapter is LoRA of rank 3, with other settings than asked for");
  other.train.adapter = {.prompt = {.tokens = 2, .text = ""}};
  EXPECT_ERROR(
      run_dpo(options_of("dpo", "other", "lora-chat"), {}, other),
      "the starting point's adapter is LoRA of rank 3, with other settings than asked for");
}

TEST_F(AdapterStages, AStageThatTrainsTheModelMergesTheAdapterFirst) {
  run("sft", options_of("sft", "merge-chat"));
  StageOptions options = options_of("dpo", "merged-dpo", "merge-chat");
  std::vector<std::string> messages;
  TrainerEvents events;
  events.on_message = [&](const std::string& message) { messages.push_back(message); };
  run_dpo(options, events);
  EXPECT_THAT(messages, Contains(HasSubstr("the starting point's adapter is merged")));
  EXPECT_EQ(Checkpoint::open(world_->file("merged-dpo")).base(), nullptr);
  // Named apart, on its base: the same.
  options = options_of("dpo", "merged-too", "base");
  options.adapters = {{world_->file("merge-chat"), 1}};
  run_dpo(options);
  EXPECT_EQ(weights("merged-too"), weights("merged-dpo"));
}

TEST_F(AdapterStages, SayWhatAnAdapterCannotBe) {
  PretrainConfig scratch = small_pretrain();
  scratch.train.adapter.lora = small_lora();
  EXPECT_ERROR(pretrain(scratch, world_->options("pretrain.jsonl", "", "scratch"), {}),
               "lora.rank, parallel.width, prompt.tokens, prefix.tokens: expected 0 where training "
               "is from scratch");
  SftConfig config = small_sft();
  config.train.adapter.lora = {.rank = 3, .targets = {"query"}};
  EXPECT_ERROR(sft(config, options_of("sft", "refused"), {}), "lora.targets: 'query': expected");
  config.train.adapter.lora = {.rank = -3};
  EXPECT_ERROR(sft(config, options_of("sft", "refused"), {}), "lora.rank: expected 0 to");
  run("sft", options_of("sft", "of-base"));
  StageOptions options = options_of("dpo", "wrong-base", "chat");
  options.adapters = {{world_->file("of-base"), 1}};
  EXPECT_ERROR(run_dpo(options), "was trained on another base");
}

// A base in bfloat16 is kept so while an adapter is trained on it: the same numbers as from float32
// files of the same weights, in half the memory.
TEST_F(AdapterStages, OnABaseInBfloat16LearnWhatTheyLearnOnTheSameInFloat32) {
  const std::string half = world_->file("base-bf16"), real = world_->file("base-f32");
  export_hf(Checkpoint::open(world_->file("base")), half, WeightEncoding::kBf16);
  export_hf(Checkpoint::open(half), real, WeightEncoding::kF32);
  std::vector<std::vector<Real>> adapters;
  std::vector<double> frozen;
  for (const std::string& base : {half, real}) {
    StageOptions options = world_->options("sft.jsonl", "", "", "base");
    options.init_from = base;
    SftConfig config = small_sft();
    config.train.adapter.lora = small_lora();
    StageModel model =
        open_starting_point(options, Heads::kLanguageModel, use_of_start(config.train));
    frozen.push_back(model.model.store().bytes());
    SftData data;
    data.train = read_conversations({world_->file("sft.jsonl")}, BadRecordPolicy::kError);
    sft(config, std::move(data), model);
    const auto trained = model.model.adapter()->parameters();
    adapters.emplace_back(trained.begin(), trained.end());
  }
  expect_same_bits(adapters[0], adapters[1], "adapter");
  EXPECT_LT(frozen[0], 0.51 * frozen[1]);
}

// train.frozen_weights = "int8" trains on the model whose matrices are rounded, in a quarter of the
// memory.
TEST_F(AdapterStages, OnABaseInInt8LearnWhatTheyLearnOnTheRoundedOneInFloat32) {
  const StageOptions options = world_->options("sft.jsonl", "", "", "base");
  SftConfig config = small_sft();
  config.train.adapter.lora = small_lora();
  config.train.frozen_weights = "int8";
  std::vector<std::vector<Real>> adapters;
  std::vector<double> frozen;
  for (const bool is_rounded_before : {false, true}) {
    StageModel start =
        open_starting_point(options, Heads::kLanguageModel, use_of_start(config.train));
    ASSERT_EQ(start.model.store().storage(), Storage::kInt8);
    if (is_rounded_before) start.model = copy_of(start.model, Storage::kReal);
    frozen.push_back(start.model.store().bytes());
    SftData data;
    data.train = read_conversations({world_->file("sft.jsonl")}, BadRecordPolicy::kError);
    sft(config, std::move(data), start);
    const auto trained = start.model.adapter()->parameters();
    adapters.emplace_back(trained.begin(), trained.end());
  }
  expect_same_bits(adapters[0], adapters[1], "adapter");
  EXPECT_LT(frozen[0], 0.31 * frozen[1]);
}

TEST_F(AdapterStages, Int8IsForWeightsThatAreFrozen) {
  SftConfig config = small_sft();
  config.train.frozen_weights = "int8";
  EXPECT_ERROR(config.train.validate(), "train.frozen_weights: expected \"stored\" where all");
  config.train.adapter.lora = small_lora();
  config.train.validate();
  config.train.frozen_weights = "int4";
  EXPECT_ERROR(config.train.validate(), "expected \"stored\" or \"int8\", got \"int4\"");
}

TEST_F(AdapterStages, AnAdapterInMemoryIsTrainedInPlace) {
  StageModel model = open_starting_point(world_->options("sft.jsonl", "", "", "base"));
  const std::vector<Real> before(model.model.parameters().begin(), model.model.parameters().end());
  SftConfig config = small_sft();
  config.train.adapter.lora = small_lora();
  SftData data;
  data.train = read_conversations({world_->file("sft.jsonl")}, BadRecordPolicy::kError);
  sft(config, std::move(data), model);
  ASSERT_NE(model.model.adapter(), nullptr);
  expect_same_bits(model.model.parameters(), before, "the model");
  EXPECT_EQ(model.lineage.back().stage, "sft");
}

}  // namespace
}  // namespace minillm_testing
