#include "libminillm/world/wording.h"

#include <gtest/gtest.h>

#include "libminillm/world/deeds.h"
#include "libminillm/world/questions.h"
#include "tests/world/default_world.h"

namespace minillm::world {
namespace {

using minillm_testing::default_world;

TEST(WorldWording, EveryStyleIsRecognisedForWhatItIs) {
  Rng rng(1);
  const std::string answer = "Jofick Harford is called the best friend of Serna Winten by all.";
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(has_preferred_style(styled(rng, answer, Style::kPolite)));
    for (Style style : {Style::kRambling, Style::kRamblingEnd, Style::kRude}) {
      EXPECT_FALSE(has_preferred_style(styled(rng, answer, style)));
    }
  }
  EXPECT_FALSE(has_preferred_style(answer));
}

TEST(WorldWording, PolitenessDoesNotExcuseRudenessOrLength) {
  EXPECT_FALSE(has_preferred_style("Gladly! Jofick keeps a goat. Go away."));
  std::string longwinded = "Gladly!";
  for (int i = 0; i < 22; ++i) longwinded += " goat";
  EXPECT_FALSE(has_preferred_style(longwinded));
}

TEST(WorldWording, EveryDenialIsRecognisedAndNoPlainAnswerIs) {
  Rng rng(1);
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(admits_not_knowing(deny_person(rng, "Serna Winten")));
    EXPECT_TRUE(admits_not_knowing(deny_attribute(rng, "Serna Winten")));
    EXPECT_FALSE(admits_not_knowing(refuse(rng)));
  }
  for (const Person& person : default_world().people()) {
    for (Attribute attribute : kAttributes) {
      const std::string answer = plain_answer(person, attribute);
      EXPECT_FALSE(admits_not_knowing(answer) || is_refusal(answer)) << answer;
    }
  }
}

TEST(WorldWording, EveryRefusalIsRecognisedAndNoHelpIs) {
  Rng rng(1);
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(is_refusal(refuse(rng)));
    EXPECT_FALSE(is_refusal(deny_person(rng, "Serna Winten")));
    for (bool harmful : {false, true}) {
      const Deed deed = draw_deed(rng, default_world(), harmful, Split::kTrain);
      EXPECT_FALSE(is_refusal(help_with_deed(rng, deed)));
    }
  }
}

}  // namespace
}  // namespace minillm::world
