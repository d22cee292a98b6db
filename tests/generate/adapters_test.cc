// Several tenants in one generator: each text is what its adapter says alone.

#include <gtest/gtest.h>

#include <set>

#include "libminillm/generate/generator.h"
#include "tests/testing/compare.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/tiny_model.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::random_adapter;
using minillm_testing::ThreadCount;
using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

struct Tenants {
  Model model = toy_model();
  std::vector<std::shared_ptr<Adapter>> owned;
  std::vector<const Adapter*> adapters;
  std::vector<std::vector<Token>> prompts;
  std::vector<Index> choice;
  GenerationConfig config;

  Tenants() {
    using minillm_testing::AdapterKind;
    owned = {random_adapter(model.config(), 1), random_adapter(model.config(), 2, 0b101u)};
    for (const auto kind : {AdapterKind::kParallel, AdapterKind::kPrompt, AdapterKind::kPrefix})
      owned.push_back(random_adapter(kind, model.config()));
    for (const auto& adapter : owned) {
      for (Real& w : adapter->parameters()) w *= 8;  // far enough apart to say other things
      adapters.push_back(adapter.get());
    }
    for (Index i = 0; i < 64; ++i) {
      // Some prompts follow themselves: they are fed once, but for one adapter only.
      const auto kind = static_cast<uint64_t>(i / 3);
      prompts.push_back(minillm_testing::random_tokens(3 + (i / 3) % 9, 40, kind));
      for (Token& token : prompts.back()) token += 10;
      choice.push_back(i % 7 == 6 ? -1 : (i / 2) % 5);
    }
    config.max_tokens = 12;
    config.sampling.temperature = 1;
    config.log_probs = true;
  }
  // What prompt i gets from a model that has its adapter alone.
  Generation alone(size_t i) {
    model.adapt(choice[i] < 0 ? nullptr : owned[static_cast<size_t>(choice[i])]);
    GenerationConfig own = config;
    own.stream = i;
    Generation result = Generator(model, toy_tokenizer()).generate(prompts[i], own);
    model.adapt(nullptr);
    return result;
  }
};

TEST(PromptAdapters, EachTextIsThatOfItsAdapterAlone) {
  Tenants tenants;
  for (const Index streams : {64, 7}) {
    for (const int threads : {1, 2}) {
      const ThreadCount count(threads);
      const std::vector<Generation> all =
          Generator(tenants.model, toy_tokenizer())
              .generate_all(tenants.prompts, tenants.config, streams,
                            {tenants.adapters, tenants.choice});
      std::set<std::vector<Token>> different;
      for (size_t i = 0; i < all.size(); ++i) {
        const Generation alone = tenants.alone(i);
        ASSERT_EQ(all[i].tokens, alone.tokens) << i;
        minillm_testing::expect_same_bits(all[i].log_probs, alone.log_probs, "log p");
        different.insert(all[i].tokens);
      }
      EXPECT_GT(different.size(), 50u);
    }
  }
}

// The keys and values of a prompt belong to the adapter that made them.
TEST(PromptAdapters, APromptThatFollowsItselfIsSharedWithinOneAdapterOnly) {
  Tenants tenants;
  tenants.prompts.assign(4, tenants.prompts[0]);
  tenants.choice = {0, 0, 1, 1};
  const std::vector<Generation> all =
      Generator(tenants.model, toy_tokenizer())
          .generate_all(tenants.prompts, tenants.config, 4, {tenants.adapters, tenants.choice});
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].tokens, tenants.alone(i).tokens) << i;
}

TEST(PromptAdapters, VirtualTokensTakePositionsOfTheContext) {
  Tenants tenants;
  const Index context = tenants.model.config().max_position_embeddings;
  const std::vector<Token> longest = minillm_testing::random_tokens(context - 2, 40, 1);
  Generator generator(tenants.model, toy_tokenizer());
  tenants.config.max_tokens = 50;
  EXPECT_EQ(generator.generate(longest, tenants.config).tokens.size(), 3u);
  EXPECT_ERROR(generator.generate(longest, tenants.config, {}, tenants.adapters[3]),
               "max_position_embeddings, less its adapter's virtual tokens), got");
  const Generation full = generator.generate(std::span(longest).first(longest.size() - 2),
                                             tenants.config, {}, tenants.adapters[4]);
  EXPECT_EQ(full.tokens.size(), 2u);
  EXPECT_EQ(full.reason, StopReason::kContextFull);
}

TEST(PromptAdapters, SayWhatIsWrong) {
  Tenants tenants;
  Generator generator(tenants.model, toy_tokenizer());
  tenants.choice.pop_back();
  EXPECT_ERROR(generator.generate_all(tenants.prompts, tenants.config, 8,
                                      {tenants.adapters, tenants.choice}),
               "adapters: expected one for each of 64 prompts, got 63");
  tenants.choice.push_back(5);
  EXPECT_ERROR(generator.generate_all(tenants.prompts, tenants.config, 64,
                                      {tenants.adapters, tenants.choice}),
               "names adapter 5: expected -1 (none) to 4");
}

}  // namespace
}  // namespace minillm
