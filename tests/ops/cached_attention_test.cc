// Attention over the cache has the bits of attention over the same rows in one batch, wherever in
// the cache they are and however few of them are new.

#include "libminillm/ops/cached_attention.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libminillm/nn/kv_cache.h"
#include "tests/ops/attention_cases.h"
#include "tests/testing/compare.h"

namespace minillm {
namespace {

using minillm_testing::AttentionData;
using minillm_testing::expect_same_bits;
using minillm_testing::ThreadCount;

ModelConfig config_of(const AttentionShape& shape) {
  ModelConfig config;
  config.num_hidden_layers = 2;
  config.num_attention_heads = shape.heads;
  config.num_key_value_heads = shape.kv_heads;
  config.head_dim = shape.head_dim;
  return config;
}

// A text in the cache from row `first` on, of which the last `fresh` rows are the batch's.
struct Text {
  Index first, length, fresh;
};

void expect_the_bits_of_one_batch(const AttentionShape& shape, const std::vector<Text>& texts,
                                  Precision precision) {
  constexpr Index kLayer = 1;
  KvCache cache(config_of(shape), 1400);
  std::vector<AttentionData> whole;
  std::vector<Segment> batch;
  Index rows = 0;
  for (const Text& text : texts) {
    AttentionData& data = whole.emplace_back(
        minillm_testing::AttentionCase{"whole", {{0, text.length, 0, 0}}, shape});
    attention_forward(data.out.view(), data.lse.view(), data.queries(data.qkv), data.own(),
                      data.segments, shape, precision);
    const Index before = text.length - text.fresh;
    const Segment held{0, before, text.first, text.first};
    cache.append(kLayer, data.own(), {&held, 1});
    batch.push_back({rows, rows + text.fresh, text.first, text.first + before});
    rows += text.fresh;
  }
  AttentionData fresh({"fresh", batch, shape});
  for (size_t t = 0; t < texts.size(); ++t)
    for (Index r = 0; r < texts[t].fresh; ++r)
      std::copy_n(whole[t].qkv.view().row(texts[t].length - texts[t].fresh + r), fresh.qkv.cols(),
                  fresh.qkv.view().row(batch[t].begin + r));
  cache.attend(fresh.out.view(), fresh.lse.view(), fresh.queries(fresh.qkv), fresh.own(), kLayer,
               batch, shape, precision);
  for (size_t t = 0; t < texts.size(); ++t)
    for (Index r = 0; r < texts[t].fresh; ++r) {
      const Index from = texts[t].length - texts[t].fresh + r, to = batch[t].begin + r;
      const std::string what = "text " + std::to_string(t) + " row " + std::to_string(r) + " D " +
                               std::to_string(shape.head_dim);
      const auto row = [](Matrix& m, Index n) {
        return std::span<const Real>(m.view().row(n), static_cast<size_t>(m.cols()));
      };
      expect_same_bits(row(fresh.out, to), row(whole[t].out, from), what);
      expect_same_bits(row(fresh.lse, to), row(whole[t].lse, from), "lse of " + what);
    }
}

TEST(CachedAttention, HasTheBitsOfOneBatch) {
  const std::vector<Text> texts = {{0, 40, 1},   {45, 31, 31}, {77, 300, 3},  {400, 1, 1},
                                   {401, 33, 1}, {450, 64, 4}, {530, 530, 1}, {1100, 290, 60}};
  for (const int threads : {1, 3}) {
    const ThreadCount scope(threads);
    for (const AttentionShape& shape :
         {AttentionShape{2, 2, 32}, AttentionShape{10, 5, 64}, AttentionShape{6, 2, 20},
          AttentionShape{2, 1, 320}, AttentionShape{3, 3, 16}})
      for (const Precision precision : {Precision::kFloat, Precision::kBfloat16})
        expect_the_bits_of_one_batch(shape, texts, precision);
  }
}

TEST(CachedAttention, RowsAreWhereTheyWerePutAndCopied) {
  const AttentionShape shape{2, 2, 20};
  KvCache cache(config_of(shape), 200), larger(config_of(shape), 300);
  AttentionData data({"text", {{0, 90, 0, 0}}, shape});
  const Segment at{0, 90, 7, 7};
  cache.append(0, data.own(), {&at, 1});
  cache.copy(cache, 7, 101, 90);
  larger.copy(cache, 101, 200, 90);
  std::vector<Real> keys(40), values(40);
  for (Index r = 0; r < 90; ++r)
    for (const auto& [from, row] :
         {std::pair{&cache, 7 + r}, {&cache, 101 + r}, {&larger, 200 + r}}) {
      from->read(0, row, keys.data(), values.data());
      expect_same_bits(keys, {data.keys(data.qkv).row(r), 40}, "keys");
      expect_same_bits(values, {data.values(data.qkv).row(r), 40}, "values");
    }
}

}  // namespace
}  // namespace minillm
