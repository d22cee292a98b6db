#include "libminillm/generate/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

// Logits whose softmax is exactly these probabilities.
std::vector<Real> logits_of(const std::vector<double>& probabilities) {
  std::vector<Real> logits;
  for (const double p : probabilities) logits.push_back(static_cast<Real>(std::log(p)));
  return logits;
}

const std::vector<Real> kLogits = logits_of({0.1, 0.4, 0.05, 0.3, 0.15});

std::map<Token, double> distribution(const SamplingConfig& config, const std::vector<Real>& logits,
                                     const std::vector<Token>& history = {}) {
  Sampler sampler(config, static_cast<Index>(logits.size()));
  std::map<Token, double> result;
  for (const auto& candidate : sampler.distribution(logits, history))
    result[candidate.token] = candidate.probability;
  return result;
}

void expect_distribution(const std::map<Token, double>& actual,
                         const std::map<Token, double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto& [token, probability] : expected) {
    ASSERT_TRUE(actual.contains(token)) << "token " << token;
    EXPECT_NEAR(actual.at(token), probability, 1e-6) << "token " << token;
  }
}

TEST(Sampler, WithoutFiltersDrawsFromTheSoftmax) {
  expect_distribution(distribution({.temperature = 1}, kLogits),
                      {{0, 0.1}, {1, 0.4}, {2, 0.05}, {3, 0.3}, {4, 0.15}});
}

TEST(Sampler, TemperatureRaisesProbabilitiesToItsInverse) {
  // p^2 / sum p^2, sum = 0.01 + 0.16 + 0.0025 + 0.09 + 0.0225 = 0.285
  expect_distribution(distribution({.temperature = 0.5}, kLogits), {{0, 0.01 / 0.285},
                                                                    {1, 0.16 / 0.285},
                                                                    {2, 0.0025 / 0.285},
                                                                    {3, 0.09 / 0.285},
                                                                    {4, 0.0225 / 0.285}});
}

TEST(Sampler, TopKKeepsTheMostProbable) {
  expect_distribution(distribution({.temperature = 1, .top_k = 2}, kLogits),
                      {{1, 0.4 / 0.7}, {3, 0.3 / 0.7}});
  EXPECT_EQ(distribution({.temperature = 1, .top_k = 5}, kLogits).size(), 5u);
  EXPECT_EQ(distribution({.temperature = 1, .top_k = 99}, kLogits).size(), 5u);
}

TEST(Sampler, TopKKeepsTiesWithTheLast) {
  expect_distribution(distribution({.temperature = 1, .top_k = 2}, logits_of({0.25, 0.5, 0.25})),
                      {{0, 0.25}, {1, 0.5}, {2, 0.25}});
}

TEST(Sampler, TopPKeepsTheSmallestSetWithTheMass) {
  // In order: 0.4, 0.3, 0.15, 0.1, 0.05.
  expect_distribution(distribution({.temperature = 1, .top_p = 0.69}, kLogits),
                      {{1, 0.4 / 0.7}, {3, 0.3 / 0.7}});
  expect_distribution(distribution({.temperature = 1, .top_p = 0.71}, kLogits),
                      {{1, 0.4 / 0.85}, {3, 0.3 / 0.85}, {4, 0.15 / 0.85}});
  expect_distribution(distribution({.temperature = 1, .top_p = 1e-9}, kLogits), {{1, 1}});
}

TEST(Sampler, WhatIsNotAllowedHasNoProbability) {
  TokenMask allowed(5);
  for (const Token token : {0, 2, 4}) allowed.add(token);
  const auto drawn_from = [&](const SamplingConfig& config) {
    Sampler sampler(config, 5);
    std::map<Token, double> result;
    for (const auto& candidate : sampler.distribution(kLogits, {}, &allowed))
      result[candidate.token] = candidate.probability;
    return result;
  };
  expect_distribution(drawn_from({.temperature = 1}), {{0, 0.1 / 0.3}, {2, 0.05 / 0.3}, {4, 0.5}});
  expect_distribution(drawn_from({.temperature = 0}), {{4, 1}});
  expect_distribution(drawn_from({.temperature = 1, .top_k = 2}), {{0, 0.4}, {4, 0.6}});
  expect_distribution(drawn_from({.temperature = 1, .top_p = 0.6}), {{0, 0.4}, {4, 0.6}});
  expect_distribution(drawn_from({.temperature = 1, .min_p = 0.5}), {{0, 0.4}, {4, 0.6}});
  // So high that the differences vanish: still only what is allowed.
  expect_distribution(drawn_from({.temperature = 1e300}), {{0, 1. / 3}, {2, 1. / 3}, {4, 1. / 3}});
  const TokenMask nothing(5), smaller(2);
  Sampler sampler({.temperature = 1}, 5);
  EXPECT_ERROR(sampler.distribution(kLogits, {}, &nothing), "sampler: no token is allowed");
  EXPECT_ERROR(sampler.distribution(kLogits, {}, &smaller), "sampler: no token is allowed");
}

TEST(Sampler, MinPDropsWhatIsFarBelowTheLargest) {
  expect_distribution(distribution({.temperature = 1, .min_p = 0.3}, kLogits),
                      {{1, 0.4 / 0.85}, {3, 0.3 / 0.85}, {4, 0.15 / 0.85}});
  expect_distribution(distribution({.temperature = 1, .min_p = 1}, kLogits), {{1, 1}});
}

TEST(Sampler, FiltersApplyInHuggingFacesOrder) {
  // Top-k leaves 0.4, 0.3, 0.15 (of 0.85); top-p 0.8 of that mass needs 0.4 and 0.3 only.
  expect_distribution(distribution({.temperature = 1, .top_k = 3, .top_p = 0.8}, kLogits),
                      {{1, 0.4 / 0.7}, {3, 0.3 / 0.7}});
  // Temperature comes before min-p: 0.3^2 / 0.4^2 = 0.5625.
  expect_distribution(distribution({.temperature = 0.5, .min_p = 0.6}, kLogits), {{1, 1}});
}

TEST(Sampler, RepetitionPenaltyShrinksEveryTokenOfTheHistoryOnce) {
  // Token 0 (logit 2) is halved however often it was seen, token 1 (logit -1) doubled.
  const double e1 = std::exp(1), e_2 = std::exp(-2), e0 = 1;
  const double sum = e1 + e_2 + e0;
  expect_distribution(
      distribution({.temperature = 1, .repetition_penalty = 2}, {2, -1, 0}, {0, 1, 0, 0}),
      {{0, e1 / sum}, {1, e_2 / sum}, {2, e0 / sum}});
}

TEST(Sampler, TheBiasComesBeforeAllElse) {
  // z = (2, -1, 0) + (0, 3, -1) = (2, 2, -1); the penalty then halves token 1.
  const SamplingConfig config = {
      .temperature = 1, .repetition_penalty = 2, .logit_bias = {{1, 3.0}, {2, -1.0}}};
  const double e2 = std::exp(2), e1 = std::exp(1), e_1 = std::exp(-1);
  const double sum = e2 + e1 + e_1;
  expect_distribution(distribution(config, {2, -1, 0}, {1}),
                      {{0, e2 / sum}, {1, e1 / sum}, {2, e_1 / sum}});
  Rng rng(1);
  Sampler greedy({.temperature = 0, .logit_bias = {{3, 100.0}}}, 5);
  EXPECT_EQ(greedy.sample(kLogits, {}, rng), 3);
  Sampler banned({.temperature = 1, .logit_bias = {{1, -100.0}}}, 5);
  for (int i = 0; i < 1000; ++i) EXPECT_NE(banned.sample(kLogits, {}, rng), 1);
}

TEST(Sampler, GreedyTakesTheLargestAndTheLowestIdOnTies) {
  Rng rng(1);
  Sampler sampler({.temperature = 0}, 4);
  EXPECT_EQ(sampler.sample(std::vector<Real>{1, 3, 3, 2}, {}, rng), 1);
}

TEST(Sampler, GreedyHeedsTheRepetitionPenalty) {
  Rng rng(1);
  Sampler sampler({.temperature = 0, .repetition_penalty = 2}, 3);
  EXPECT_EQ(sampler.sample(std::vector<Real>{3, 2, 1}, std::vector<Token>{0}, rng), 1);
}

TEST(Sampler, TemperatureGoingToZeroEqualsArgmax) {
  Rng rng(7);
  for (const double temperature : {1e-3, 1e-30, 1e-308}) {
    Sampler sampler({.temperature = temperature}, 5);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(sampler.sample(kLogits, {}, rng), 1);
  }
}

TEST(Sampler, DrawsWithTheirProbabilities) {
  Rng rng(3);
  Sampler sampler({.temperature = 1, .top_p = 0.9}, 5);  // 0.4, 0.3, 0.15, 0.1 of 0.95
  constexpr int kDraws = 100000;
  std::map<Token, double> counts;
  for (int i = 0; i < kDraws; ++i) counts[sampler.sample(kLogits, {}, rng)] += 1.0 / kDraws;
  const std::map<Token, double> expected = {
      {0, 0.1 / 0.95}, {1, 0.4 / 0.95}, {3, 0.3 / 0.95}, {4, 0.15 / 0.95}};
  ASSERT_EQ(counts.size(), expected.size());
  for (const auto& [token, probability] : expected)
    EXPECT_NEAR(counts[token], probability, 0.006);  // four standard deviations
}

TEST(Sampler, SameSeedGivesTheSameTokens) {
  Sampler sampler({.temperature = 1}, 5);
  const auto draw = [&](uint64_t seed) {
    Rng rng(seed);
    std::vector<Token> tokens;
    for (int i = 0; i < 50; ++i) tokens.push_back(sampler.sample(kLogits, {}, rng));
    return tokens;
  };
  EXPECT_EQ(draw(5), draw(5));
  EXPECT_NE(draw(5), draw(6));
}

TEST(Sampler, RefusesNonFiniteLogits) {
  Rng rng(1);
  Sampler sampler({.temperature = 0}, 3);
  EXPECT_ERROR(sampler.sample(std::vector<Real>{1, NAN, 0}, {}, rng), "logit of token 1 is nan");
  EXPECT_ERROR(sampler.sample(std::vector<Real>{1, 2}, {}, rng), "expected 3 logits, got 2");
}

TEST(SamplingConfig, NamesTheFieldThatIsWrong) {
  EXPECT_ERROR(SamplingConfig{.temperature = -1}.validate(), "temperature: expected");
  EXPECT_ERROR(SamplingConfig{.temperature = NAN}.validate(), "temperature: expected");
  EXPECT_ERROR(SamplingConfig{.top_k = -1}.validate(), "top_k: expected");
  EXPECT_ERROR(SamplingConfig{.top_p = 0}.validate(), "top_p: expected");
  EXPECT_ERROR(SamplingConfig{.min_p = 1.5}.validate(), "min_p: expected");
  EXPECT_ERROR(SamplingConfig{.repetition_penalty = 0}.validate(), "repetition_penalty: expected");
  for (const double bias : {-101.0, 101.0, double{NAN}})
    EXPECT_ERROR((SamplingConfig{.logit_bias = {{7, bias}}}.validate()), "logit_bias: of token 7:");
  for (const Token token : {-1, 5})
    EXPECT_ERROR(Sampler({.logit_bias = {{token, 1.0}}}, 5), "expected 0 to 4");
}

}  // namespace
}  // namespace minillm
