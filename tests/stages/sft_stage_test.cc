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
    EXPECT_NE(said.find("rows of model.embed_tokens.weight"), std::string::npos) << said;
    for (const TensorInfo& tensor : start.model.tensors().tensors()) {
      const char* name = tensor.name.c_str();
      EXPECT_NE(tensor_of(model.model, model.model.parameters(), name),
                tensor_of(start.model, start.model.parameters(), name))
          << name << ", tied: " << tied;
    }
    // Of the embedding, only control tokens move: all of them where the head is tied, or where they
    // are fed.
    const std::vector<Real> after = tensor_of(model.model, model.model.parameters(), kEmbedding),
                            before = tensor_of(start.model, start.model.parameters(), kEmbedding);
    const auto width = static_cast<size_t>(model.model.config().hidden_size);
    Index moved = 0;
    for (size_t row = 0; row * width < after.size(); ++row) {
      const auto begin = static_cast<ptrdiff_t>(row * width);
      const bool same =
          std::equal(after.begin() + begin, after.begin() + begin + static_cast<ptrdiff_t>(width),
                     before.begin() + begin);
      moved += !same;
      EXPECT_TRUE(same || start.tokenizer.is_control(static_cast<Token>(row))) << row;
    }
    EXPECT_GT(moved, 0);
    config.freeze_embeddings = false;
    sft(config, two_rows(), model);
    EXPECT_NE(tensor_of(model.model, model.model.parameters(), kEmbedding),
              tensor_of(start.model, start.model.parameters(), kEmbedding));
  }
}

// What pretraining never told has no vector worth keeping: sampled answers would break off there.
TEST_F(Stages, AFrozenEmbeddingIsThatOfTheReplayedTexts) {
  const StageModel start = open_starting_point(world_->options("sft.jsonl", "", "", "base"));
  const std::string text = "Ann lives in the mill.";
  SftConfig config = small_sft();
  config.freeze_embeddings = true;
  config.train.adamw.weight_decay = 0.1;
  SftData data = two_rows();
  data.replay.records = {text};
  StageModel model = copy_of(start);
  sft(config, data, model);
  std::vector<Token> told = start.tokenizer.encode(text);
  told.insert(told.end(), {start.tokenizer.bos(), start.tokenizer.eos()});
  const std::vector<Real> after = tensor_of(model.model, model.model.parameters(), kEmbedding),
                          before = tensor_of(start.model, start.model.parameters(), kEmbedding);
  const auto width = static_cast<ptrdiff_t>(model.model.config().hidden_size);
  for (Token token = 0; token < start.tokenizer.vocab_size(); ++token) {
    const bool same = std::equal(after.begin() + token * width, after.begin() + (token + 1) * width,
                                 before.begin() + token * width);
    EXPECT_EQ(same, std::ranges::find(told, token) != told.end()) << start.tokenizer.piece(token);
  }
}

Index control_tokens(const Tokenizer& tokenizer) {
  Index count = 0;
  for (Token id = 0; id < tokenizer.vocab_size(); ++id) count += tokenizer.is_control(id);
  return count;
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
    const Index controls = std::ssize(moments) > 0 ? control_tokens(checkpoint.tokenizer()) : 0;
    EXPECT_GE(std::ranges::count(tensor_of(model, moments, kEmbedding), Real{0}),
              model.tensors().find(kEmbedding)->size - controls * model.config().hidden_size);
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
