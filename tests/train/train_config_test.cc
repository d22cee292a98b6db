#include "libminillm/train/train_config.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <variant>

#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

TrainConfig with(const std::string& assignment) {
  TrainConfig config;
  ConfigFields fields;
  list_fields(fields, config);
  set_config_value(fields, assignment);
  return config;
}

TEST(TrainConfig, DefaultsAreValid) { TrainConfig().validate(); }

TEST(TrainConfig, ListsEveryFieldOnceUnderTrainOrAnAdapter) {
  TrainConfig config;
  ConfigFields fields;
  list_fields(fields, config);
  std::set<std::string> keys;
  std::set<const void*> values;
  for (const ConfigField& field : fields.all()) {
    const std::string section = field.key.substr(0, field.key.find('.'));
    EXPECT_THAT(section, testing::AnyOf("train", "outer", "lora", "parallel", "prompt", "prefix"));
    EXPECT_FALSE(field.help.empty()) << field.key;
    EXPECT_TRUE(keys.insert(field.key).second) << field.key;
    const void* value = std::visit([](auto* v) -> const void* { return v; }, field.value);
    EXPECT_TRUE(values.insert(value).second) << field.key << " has the value of another key";
  }
}

TEST(TrainConfig, SetsTheValuesThatTrainingUses) {
  EXPECT_EQ(with("train.learning_rate=0.5").schedule.learning_rate, 0.5);
  EXPECT_EQ(with("train.schedule=wsd").schedule.kind, "wsd");
  EXPECT_EQ(with("train.beta2=0.5").adamw.beta2, 0.5);
  EXPECT_EQ(with("train.weight_decay=0").adamw.weight_decay, 0);
  EXPECT_EQ(with("train.seed=9").seed, 9u);
}

TEST(TrainConfig, NamesKeyValueAndRuleOfWhatIsOutOfRange) {
  const auto validate = [](const std::string& assignment) { with(assignment).validate(); };
  EXPECT_ERROR(validate("train.steps=-1"), "config: train.steps: expected 0 to 1000000000, got -1");
  EXPECT_ERROR(
      validate("train.epochs=0"),
      "config: train.epochs: expected a number > 0 and at most 1e6 where train.steps is 0");
  EXPECT_ERROR(validate("train.batch_tokens=0"), "config: train.batch_tokens: expected 1 to");
  EXPECT_ERROR(validate("train.accumulation_steps=0"), "config: train.accumulation_steps");
  EXPECT_ERROR(validate("train.log_every=0"),
               "config: train.log_every: expected 1 to 1000000000, got 0");
  EXPECT_ERROR(validate("train.eval_every=-1"), "config: train.eval_every");
  EXPECT_ERROR(validate("train.save_every=-1"), "config: train.save_every");
  EXPECT_ERROR(validate("train.sample_every=-1"), "config: train.sample_every");
  EXPECT_ERROR(validate("train.keep_last=0"), "config: train.keep_last");
  for (const char* key : {"steps", "batch_tokens", "accumulation_steps", "keep_last"})
    EXPECT_ERROR(validate(fmt::format("train.{}={}", key, INT64_MAX)), "got 9223372036854775807");
  EXPECT_ERROR(validate("train.epochs=1e300"), "config: train.epochs");
  EXPECT_ERROR(validate("train.max_grad_norm=-1"), "config: train.max_grad_norm");
  EXPECT_ERROR(validate("train.schedule=step"), "config: train.schedule");
  EXPECT_ERROR(validate("train.beta1=1"), "config: train.beta1");
  EXPECT_ERROR(validate("train.optimizer=sgd"),
               "config: train.optimizer: expected \"adamw\" or \"muon\", got \"sgd\"");
  EXPECT_ERROR(validate("train.momentum=1"), "config: train.momentum: expected 0 <= momentum < 1");
  EXPECT_ERROR(validate("train.embedding_rate=0"), "config: train.embedding_rate");
}

TEST(TrainConfig, RefusesMuonForAnAdapter) {
  TrainConfig config = with("train.optimizer=muon");
  config.validate();
  config.adapter.lora.rank = 4;
  EXPECT_ERROR(config.validate(),
               "config: train.optimizer: expected \"adamw\" where an adapter is trained");
}

TEST(TrainConfig, GivesMuonTheRunsWeightDecayAndPrecision) {
  TrainConfig config = with("train.optimizer=muon");
  config.adamw.weight_decay = 0.3;
  config.precision = "bf16";
  const MuonConfig muon = optimizer_config(config).muon.value();
  EXPECT_EQ(muon.momentum, 0.95);
  EXPECT_EQ(muon.weight_decay, 0.3);
  EXPECT_EQ(muon.precision, Precision::kBfloat16);
  EXPECT_FALSE(optimizer_config(TrainConfig()).muon.has_value());
}

}  // namespace
}  // namespace minillm
