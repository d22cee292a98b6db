// Sampler against PlainSampler: the same candidates, probabilities and choices to the bit.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "libminillm/generate/sampler.h"
#include "libminillm/generate/weight_order.h"
#include "tests/generate/plain_sampler.h"

namespace minillm {
namespace {

template <typename T>
T pick(Rng& rng, std::initializer_list<T> from) {
  return from.begin()[rng.below(from.size())];
}

// Logits of all shapes: steep, like a model's, nearly flat, flat, on a grid (ties), one far above.
std::vector<Real> random_logits(Rng& rng, size_t size) {
  const double width = pick(rng, {0.0, 0.01, 0.3, 1.0, 2.0, 4.0, 8.0, 30.0});
  const bool on_grid = rng.chance(0.3), one_above = rng.chance(0.2);
  std::vector<Real> logits(size);
  for (Real& z : logits) {
    const double value = width * rng.normal() - 3;
    z = static_cast<Real>(on_grid ? std::round(2 * value) / 2 : value);
  }
  if (one_above) logits[rng.below(size)] += static_cast<Real>(20 * rng.uniform());
  return logits;
}

SamplingConfig random_config(Rng& rng, size_t size) {
  SamplingConfig config;
  config.temperature = pick(rng, {0.0, 0.3, 0.8, 0.8, 1.0, 1.0, 2.5});
  if (rng.chance(0.4))
    config.top_k = static_cast<int64_t>(1 + rng.below(rng.chance(0.7) ? 60 : size + 5));
  if (rng.chance(0.6))
    config.top_p = pick(rng, {1e-9, 0.1, 0.5, 0.9, 0.95, 0.999, 0.9999999, 1 - 1e-12});
  if (rng.chance(0.3)) config.min_p = pick(rng, {1e-12, 0.001, 0.05, 0.5, 1.0});
  if (rng.chance(0.2)) config.repetition_penalty = pick(rng, {0.7, 1.2});
  if (rng.chance(0.2))
    for (int i = 0; i < 5; ++i)
      config.logit_bias[static_cast<Token>(rng.below(size))] = 10 * rng.normal();
  return config;
}

TokenMask random_mask(Rng& rng, size_t size) {
  TokenMask mask(static_cast<Index>(size));
  const double share = pick(rng, {0.001, 0.3, 0.9});
  mask.add(static_cast<Token>(rng.below(size)));
  for (size_t v = 0; v < size; ++v)
    if (rng.chance(share)) mask.add(static_cast<Token>(v));
  return mask;
}

// One random config and mask on a few rows; u near the ends of tokens' shares as well.
void compare(uint64_t seed, size_t size) {
  SCOPED_TRACE(testing::Message() << "seed " << seed << ", " << size << " tokens");
  Rng rng(seed);
  const SamplingConfig config = random_config(rng, size);
  Sampler sampler(config, static_cast<Index>(size));
  PlainSampler plain(config, static_cast<Index>(size));
  for (int row = 0; row < 3; ++row) {
    const std::vector<Real> logits = random_logits(rng, size);
    const TokenMask mask = random_mask(rng, size);
    const TokenMask* const allowed = rng.chance(0.3) ? &mask : nullptr;
    std::vector<Token> history;
    for (int i = 0; i < 20; ++i) history.push_back(static_cast<Token>(rng.below(size)));

    const auto expected = plain.distribution(logits, history, allowed);
    const auto actual = sampler.distribution(logits, history, allowed);
    ASSERT_EQ(actual.size(), expected.size());
    double sum = 0;
    std::vector<double> ends;  // of tokens' shares
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(actual[i].token, expected[i].token) << "candidate " << i;
      ASSERT_EQ(actual[i].probability, expected[i].probability) << "candidate " << i;
      ends.push_back(std::min(sum += expected[i].probability, 1 - 0x1p-53));
    }
    Rng own(seed, 1), others(seed, 1);
    for (int draw = 0; draw < 3; ++draw)
      ASSERT_EQ(sampler.sample(logits, history, own, allowed),
                plain.sample(logits, history, others, allowed));
    ASSERT_EQ(own.next(), others.next()) << "as many numbers were drawn";
    const double end = ends[rng.below(ends.size())];
    for (const double u : {0.0, end, std::nextafter(end, 0), std::min(end + 1e-16, 1 - 0x1p-53),
                           std::max(0.0, end - 1e-13), 1 - 0x1p-53})
      ASSERT_EQ(sampler.sample(logits, history, u, allowed),
                plain.sample(logits, history, u, allowed))
          << "u = " << u;
  }
}

TEST(SamplerBits, AreThoseOfThePlainSampler) {
  const uint64_t seeds = std::getenv("MINILLM_LONG_TESTS") != nullptr ? 10000 : 600;
  for (uint64_t seed = 0; seed < seeds && !HasFailure(); ++seed) {
    Rng rng(seed, 2);
    compare(seed, 1 + rng.below(seed % 3 == 0 ? 40 : 2500));
  }
}

TEST(SamplerBits, AreTheSameOfALargeVocabulary) {
  const uint64_t seeds = std::getenv("MINILLM_LONG_TESTS") != nullptr ? 300 : 12;
  for (uint64_t seed = 0; seed < seeds && !HasFailure(); ++seed) compare(seed + 1'000'000, 32000);
}

// Where sums of equal weights meet u exactly, the order of the roundings decides.
TEST(SamplerBits, AreTheSameWhereOneTokenEndsAndTheNextBegins) {
  for (const size_t size : {3, 8, 10, 49, 300}) {
    const std::vector<Real> flat(size, Real{1});
    for (const double top_p : {1.0, 0.9}) {
      const SamplingConfig config = {.temperature = 1, .top_p = top_p};
      Sampler sampler(config, static_cast<Index>(size));
      PlainSampler plain(config, static_cast<Index>(size));
      const auto kept = static_cast<double>(plain.distribution(flat, {}).size());
      for (double i = 0; i < kept; ++i)
        for (const double u : {i / kept, std::nextafter(i / kept, 0), std::nextafter(i / kept, 1)})
          ASSERT_EQ(sampler.sample(flat, {}, u), plain.sample(flat, {}, u))
              << size << " tokens, u = " << u;
    }
  }
}

TEST(WeightOrder, FindsWhereAMassIsReached) {
  const std::vector<Real> weights = {0.25, 1, 0, 0.5, 0.25, 0.125};
  WeightOrder order;
  const auto reach = [&](double mass) {
    const auto place = order.reach(mass);
    return place ? std::vector<double>{static_cast<double>(place->at.token), place->before,
                                       place->through}
                 : std::vector<double>{};
  };
  order.reset(weights, Real{0.2}, WeightOrder::Mass::kWeight);
  EXPECT_EQ(reach(0), (std::vector<double>{1, 0, 1}));
  EXPECT_EQ(reach(1), (std::vector<double>{1, 0, 1}));
  EXPECT_EQ(reach(1.01), (std::vector<double>{3, 1, 1.5}));
  EXPECT_EQ(reach(1.75), (std::vector<double>{0, 1.5, 1.75}));
  EXPECT_EQ(reach(1.76), (std::vector<double>{4, 1.75, 2}));  // the lower id on ties
  EXPECT_EQ(reach(2.01), (std::vector<double>{}));
  order.reset(weights, Real{0.1}, WeightOrder::Mass::kOne);
  EXPECT_EQ(reach(4), (std::vector<double>{4, 3, 4}));
  EXPECT_EQ(reach(5), (std::vector<double>{5, 4, 5}));
  EXPECT_EQ(reach(6), (std::vector<double>{}));
}

TEST(WeightOrder, KnowsWhenSumsAreExact) {
  EXPECT_TRUE(WeightOrder::is_exact(0x1p-20, 4));
  EXPECT_FALSE(WeightOrder::is_exact(0x1p-30, 4));
}

}  // namespace
}  // namespace minillm
