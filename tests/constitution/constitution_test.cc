#include "libminillm/constitution/constitution.h"

#include <gtest/gtest.h>

#include "libminillm/core/file.h"
#include "libminillm/eval/sequence_scores.h"
#include "libminillm/generate/generator.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/toy_model.h"

namespace minillm {
namespace {

using minillm_testing::toy_model;
using minillm_testing::toy_tokenizer;

Principle goat_principle() {
  Principle principle;
  principle.name = "goats";
  principle.requests = {"How do I {deed}?", "Tell me how to {deed}."};
  principle.stories = {"tried to {deed}.", "To {deed} would be"};
  principle.context = "the goat";
  principle.against = " lives on {deed}";
  principle.in_favour = " has {deed}";
  principle.refusal = "the mason";
  return principle;
}

TEST(Principle, FindsTheDeedOfARequest) {
  const Principle principle = goat_principle();
  EXPECT_EQ(deed_of(principle, "How do I name the goat?"), "name the goat");
  EXPECT_EQ(deed_of(principle, "Tell me how to rob a mill."), "rob a mill");
  EXPECT_EQ(deed_of(principle, "How do I ?"), std::nullopt);
  EXPECT_EQ(deed_of(principle, "How do I rob, or burn?"), std::nullopt) << "not one deed";
  EXPECT_EQ(deed_of(principle, "Why?"), std::nullopt);
  EXPECT_EQ(request_for(principle, "rob a mill", 0), "How do I rob a mill?");
  EXPECT_EQ(request_for(principle, "rob a mill", 3), "Tell me how to rob a mill.");
}

TEST(Principle, FindsTheDeedsOfStoriesOnceEach) {
  const std::vector<std::string> texts = {
      "Someone tried to rob the mill. To burn it would be worse. Ann tried to rob the mill.",
      "He tried to go, but fell. They tried to " + std::string(90, 'x') + ". She tried to sing."};
  EXPECT_EQ(deeds_in(goat_principle(), texts),
            (std::vector<std::string>{"rob the mill", "burn it", "sing"}));
}

TEST(Principle, ThatLacksSomethingIsRefused) {
  const minillm_testing::TempDir directory;
  const std::string path = directory.file("p.toml");
  const auto refused = [&](const std::string& text, const char* expected) {
    write_file_atomic(path, "[principle]\n" + text);
    EXPECT_ERROR(read_principle(path), expected);
  };
  const std::string whole =
      "against = \"{deed} no\"\nin_favour = \"{deed} yes\"\nrefusal = \"No\"\n";
  refused("against = \"x\"\n", "principle.in_favour: expected a text, got none");
  refused(whole, "principle.requests: expected at least one pattern");
  refused(whole + "requests = [\"How?\"]\n", "expected \"{deed}\" once, got \"How?\"");
  refused(whole + "requests = [\"{deed}{deed}\"]\n", "expected \"{deed}\" once");
  refused(whole + "request = []\n", "unknown key 'principle.request'");
  refused(whole + "requests = [\"{deed}?\"]\nleast_odds = -1\n", "principle.least_odds");
  write_file_atomic(path, "[principle]\n" + whole + "requests = [\"{deed}?\"]\n");
  EXPECT_EQ(read_principle(path).refusal, "No");
}

TEST(Constitution, JudgesByWhichContinuationIsMoreProbable) {
  const Model model = toy_model(1, 200);
  const std::vector<std::string> deeds = {"the lane", "a name"};
  const std::vector<double> odds = log_odds(model, toy_tokenizer(), goat_principle(), deeds);
  ASSERT_EQ(odds.size(), 2u);
  for (size_t i = 0; i < deeds.size(); ++i) {
    const std::vector<double> logp =
        answer_log_probs(model, {encode_raw_prompt(toy_tokenizer(), "the goat"),
                                 {toy_tokenizer().encode(" lives on " + deeds[i]),
                                  toy_tokenizer().encode(" has " + deeds[i])}});
    EXPECT_EQ(odds[i], logp[0] - logp[1]);
  }
}

TEST(Constitution, AsksForWhatTheTextsSpeakOf) {
  const std::vector<std::string> texts = {"Ann tried to rob the mill. She tried to sing.",
                                          "To bake would be good."};
  std::vector<Prompt> requests = requests_about(goat_principle(), texts);
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0].front().content, "How do I rob the mill?");
  EXPECT_EQ(requests[1].front().content, "Tell me how to sing.") << "patterns take turns";
  draw_requests(requests, 5, 1);
  EXPECT_EQ(requests.size(), 3u) << "all, in another order";
  std::vector<Prompt> again = requests_about(goat_principle(), texts);
  draw_requests(again, 2, 1);
  ASSERT_EQ(again.size(), 2u);
  EXPECT_EQ(again[0].front().content, requests[0].front().content);
  EXPECT_EQ(again[1].front().content, requests[1].front().content);

  EXPECT_ERROR(requests_about(goat_principle(), {}), "the texts speak of no deed as it knows it");
  Principle silent = goat_principle();
  silent.stories.clear();
  EXPECT_ERROR(requests_about(silent, texts), "expected principle.stories");
}

TEST(Constitution, WritesWhatPreferenceTuningReads) {
  const JudgedRequest request = {
      {{Role::kUser, "How do I sing?"}}, "sing", -0.5, "Loudly.", "the mason will not help."};
  EXPECT_EQ(
      pairs_to_jsonl(goat_principle(), {&request, 1}, {"a", "b"}),
      R"({"prompt":[{"role":"user","content":"How do I sing?"}],"chosen":"Loudly.",)"
      R"("rejected":"the mason will not help.","metadata":{"principle":"goats","deed":"sing",)"
      R"("log_odds":-0.5,"drafted_by":"a","judged_by":"b"}})"
      "\n");
  EXPECT_EQ(rows_to_jsonl(goat_principle(), {&request, 1}, {"a", "b"}),
            R"({"messages":[{"role":"user","content":"How do I sing?"},)"
            R"({"role":"assistant","content":"Loudly."}],"metadata":{"principle":"goats",)"
            R"("deed":"sing","log_odds":-0.5,"drafted_by":"a","judged_by":"b"}})"
            "\n");
}

// Whoever is judged against gets the revision, whoever is not keeps the draft; what cannot be
// judged or written is counted.
TEST(Constitution, MakesAPairOfDraftAndRevisionByTheJudgement) {
  const Model model = toy_model(1, 200);
  const Principle principle = goat_principle();
  std::vector<Prompt> requests;
  for (const char* text : {"How do I find the lane?", "Tell me how to see a goat.", "Who?",
                           "How do I name the mason?", "How do I see the goat?"})
    requests.push_back({{Role::kUser, text}});
  ConstitutionConfig config;
  config.max_tokens = 60;
  config.temperature = config.revision_temperature = 3;  // so that noise ends by itself
  config.drafts = config.revisions = 40;
  const Constitution result =
      apply_principle(model, model, toy_tokenizer(), principle, requests, config);
  EXPECT_EQ(result.without_deed, 1);
  EXPECT_EQ(std::ssize(result.pairs) + result.without_draft + result.without_revision, 4);
  ASSERT_FALSE(result.pairs.empty());
  for (const JudgedRequest& pair : result.pairs) {
    EXPECT_EQ(pair.odds, log_odds(model, toy_tokenizer(), principle, {&pair.deed, 1}).front());
    const bool against = pair.odds > 0;
    EXPECT_EQ(pair.chosen.starts_with("the mason"), against);
    EXPECT_EQ(pair.rejected.starts_with("the mason"), !against);
  }
  Principle careful = principle;
  careful.least_odds = 1e6;
  EXPECT_EQ(apply_principle(model, model, toy_tokenizer(), careful, requests, config).undecided, 4);
}

}  // namespace
}  // namespace minillm
