#include "libminillm/generate/cache_slots.h"

#include <gtest/gtest.h>

#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using Tokens = std::vector<Token>;
using Tenant = CacheSlots::Tenant;

const Tenant kAnn{"ann", nullptr}, kBob{"bob", nullptr}, kNobody{"", nullptr};

// Slots whose rows hold nothing but the number of the token that they are of.
class Slots {
 public:
  explicit Slots(Index count) : slots(minillm_testing::toy_config(), count, 32) {}

  // Takes a slot, and feeds what is not there.
  CacheSlots::Place feed(const Tenant& tenant, const Tokens& prompt, bool reuse = true) {
    const CacheSlots::Place place = slots.take(tenant, prompt, reuse);
    expect_rows(place.slot, Tokens(prompt.begin(), prompt.begin() + place.rows));
    say(place.slot, place.rows, Tokens(prompt.begin() + place.rows, prompt.end()));
    return place;
  }
  // The next rows, from number `row` on.
  void say(Index slot, Index row, const Tokens& tokens) {
    Matrix values(std::ssize(tokens), width);
    for (Index i = 0; i < values.rows(); ++i)
      std::fill_n(values.view().row(i), width, static_cast<Real>(tokens[static_cast<size_t>(i)]));
    const Index to = slots.first_row(slot) + row;
    const Segment segment{0, std::ssize(tokens), to, to};
    for (Index layer = 0; layer < 2; ++layer)
      slots.cache().append(layer, {values.view(), values.view()}, {&segment, 1});
    slots.append(slot, tokens);
  }
  void expect_rows(Index slot, const Tokens& tokens) {
    for (Index layer = 0; layer < 2; ++layer)
      for (size_t i = 0; i < tokens.size(); ++i) {
        const Index row = slots.first_row(slot) + static_cast<Index>(i);
        std::vector<Real> keys(static_cast<size_t>(width)), values(keys.size());
        slots.cache().read(layer, row, keys.data(), values.data());
        EXPECT_EQ(keys, std::vector<Real>(keys.size(), static_cast<Real>(tokens[i])));
        EXPECT_EQ(values, keys);
      }
  }

  CacheSlots slots;
  const Index width =
      minillm_testing::toy_config().num_key_value_heads * minillm_testing::toy_config().head_dim;
};

TEST(CacheSlots, TheLastTokenOfAPromptIsAlwaysFed) {
  Slots s(2);
  const auto first = s.feed(kAnn, {1, 2, 3, 4});
  EXPECT_EQ(first.rows, 0);
  s.slots.release(first.slot);
  EXPECT_EQ(s.feed(kAnn, {1, 2, 3, 4}).rows, 3);
}

TEST(CacheSlots, AConversationStaysInItsSlotAndABeginningIsCopied) {
  Slots s(3);
  const auto first = s.feed(kAnn, {1, 2, 3});
  s.say(first.slot, 3, {7, 8});
  s.slots.release(first.slot);
  const auto on = s.feed(kAnn, {1, 2, 3, 7, 9});  // said a little differently
  EXPECT_EQ(on.slot, first.slot);
  EXPECT_EQ(on.rows, 4);
  s.slots.release(on.slot);

  const auto other = s.feed(kAnn, {1, 2, 5, 6});  // the system prompt is the same
  EXPECT_NE(other.slot, first.slot);
  EXPECT_EQ(other.rows, 2);
  s.expect_rows(first.slot, {1, 2, 3, 7, 9});
  EXPECT_EQ(s.feed(kAnn, {1, 2, 5, 6, 4}).rows, 4) << "of a slot that is busy";
}

TEST(CacheSlots, NothingIsSharedWithAnotherOwnerAdapterOrNobody) {
  Slots s(4);
  const Tokens prompt = {1, 2, 3, 4};
  const auto adapter =
      std::make_shared<const Adapter>(minillm_testing::toy_config(), AdapterShape());
  for (const Tenant& tenant : {kAnn, kBob, Tenant{"ann", adapter}, kNobody}) {
    const auto place = s.feed(tenant, prompt);
    EXPECT_EQ(place.rows, 0);
    s.slots.release(place.slot);
  }
  EXPECT_EQ(s.feed(kNobody, prompt).rows, 0);
  EXPECT_EQ(s.feed(kAnn, prompt, /*reuse=*/false).rows, 0);
}

TEST(CacheSlots, TheSlotThatHasBeenFreeLongestIsOverwritten) {
  Slots s(3);
  Index places[3];
  for (Token t = 0; t < 3; ++t) places[t] = s.feed(kAnn, {10 + t, 1, 2}).slot;
  for (const int i : {1, 0, 2}) s.slots.release(places[i]);
  EXPECT_EQ(s.feed(kAnn, {20, 1}).slot, places[1]);
  EXPECT_EQ(s.feed(kBob, {30, 1}).slot, places[0]);
  EXPECT_TRUE(s.slots.any_free());
  EXPECT_EQ(s.feed(kAnn, {12, 1, 2}).rows, 2) << "still there";
  EXPECT_FALSE(s.slots.any_free());
}

TEST(CacheSlots, ARowThatIsOverwrittenIsNotFoundAgain) {
  Slots s(1);
  s.slots.release(s.feed(kAnn, {1, 2, 3, 4, 5}).slot);
  s.slots.release(s.feed(kAnn, {1, 2, 9}).slot);
  EXPECT_EQ(s.feed(kAnn, {1, 2, 3, 4, 5}).rows, 2);
}

TEST(CacheSlots, WhatFailedIsForgotten) {
  Slots s(2);
  s.slots.release(s.feed(kAnn, {1, 2, 3}).slot, /*forget=*/true);
  EXPECT_EQ(s.feed(kAnn, {1, 2, 3}).rows, 0);
}

TEST(CacheSlots, GrowAndKeepWhatTheyHold) {
  Slots s(2);
  const auto first = s.feed(kAnn, {1, 2, 3});
  const auto second = s.feed(kBob, {4, 5, 6, 7});
  s.slots.release(second.slot);
  s.slots.grow(5, 100);
  EXPECT_EQ(s.slots.count(), 5);
  EXPECT_EQ(s.slots.rows(), 100);
  s.expect_rows(first.slot, {1, 2, 3});
  EXPECT_EQ(s.feed(kBob, {4, 5, 6, 7, 8}).rows, 4);
  EXPECT_EQ(s.slots.cache().rows(), 500);
}

}  // namespace
}  // namespace minillm
