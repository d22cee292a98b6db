// What SFT alone has: parts of the model that stay as they are.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/stages/stages_fixture.h"
#include "tests/testing/expect_error.h"

namespace minillm_testing {
namespace {

constexpr const char* kEmbedding = "model.embed_tokens.weight";

std::vector<Real> tensor_of(const Model& model, std::span<const Real> flat, const char* name) {
  const auto part = tensor_span(flat, *model.tensors().find(name));
  return {part.begin(), part.end()};
}

SftData two_rows() {
  SftData rows;
  rows.train.records = {
      {{{Role::kUser, "Who are you?"}, {Role::kAssistant, "A model of this world."}}},
      {{{Role::kUser, "What is it?"}, {Role::kAssistant, "A small model."}}}};
  return rows;
}

TEST_F(Stages, AFrozenEmbeddingKeepsEveryBitWhileTheRestIsTrained) {
  for (const bool tied : {true, false}) {
    PretrainConfig shape = small_pretrain();
    shape.model.tie_word_embeddings = tied;
    const StageModel start = fresh_model(shape, Checkpoint::open(world_->file("base")).tokenizer());
    SftConfig config = small_sft();
    config.train.adamw.weight_decay = 0.5;  // would show in a tensor that has no gradient
    config.freeze_embeddings = true;
    std::string said;
    TrainerEvents events;
    events.on_message = [&](const std::string& message) { said += message + "\n"; };
    StageModel model = copy_of(start);
    sft(config, two_rows(), model, {}, events);
    EXPECT_NE(said.find("frozen: model.embed_tokens.weight\n"), std::string::npos) << said;
    for (const TensorInfo& tensor : start.model.tensors().tensors()) {
      const char* name = tensor.name.c_str();
      const bool same = tensor_of(model.model, model.model.parameters(), name) ==
                        tensor_of(start.model, start.model.parameters(), name);
      EXPECT_EQ(same, tensor.name == kEmbedding) << name << ", tied: " << tied;
    }
    config.freeze_embeddings = false;
    sft(config, two_rows(), model);
    EXPECT_NE(tensor_of(model.model, model.model.parameters(), kEmbedding),
              tensor_of(start.model, start.model.parameters(), kEmbedding));
  }
}

TEST_F(Stages, SftWithAFrozenEmbeddingResumesToTheByteAndHasNoMomentsOfIt) {
  SftConfig config = small_sft();
  config.freeze_embeddings = true;
  StageOptions options = world_->options("sft.jsonl", "sft_eval.jsonl", "frozen", "base");
  sft(config, options, {});
  EXPECT_NE(weights("frozen"), weights("chat"));
  const Checkpoint checkpoint = Checkpoint::open(options.out);
  const Model model = checkpoint.load_model();
  std::vector<Real> first(model.parameters().size()), second(first.size());
  checkpoint.load_moments(model.tensors(), first, second);
  for (const auto& moments : {first, second}) {
    EXPECT_EQ(std::ranges::count(tensor_of(model, moments, kEmbedding), Real{0}),
              model.tensors().find(kEmbedding)->size);
    EXPECT_NE(std::ranges::count(moments, Real{0}), std::ssize(moments));
  }
  options.out = world_->file("frozen-resumed");
  sft(config, options, stop_after(4));
  options.resume = true;
  config.freeze_embeddings = false;
  EXPECT_ERROR(sft(config, options, {}), "sft.freeze_embeddings was true and is false");
  config.freeze_embeddings = true;
  sft(config, options, {});
  EXPECT_EQ(weights("frozen-resumed"), weights("frozen"));
  EXPECT_EQ(moments("frozen-resumed"), moments("frozen"));
}

}  // namespace
}  // namespace minillm_testing
