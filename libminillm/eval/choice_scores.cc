#include "libminillm/eval/choice_scores.h"

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/data/packing.h"
#include "libminillm/eval/batch_scorer.h"

namespace minillm {
namespace {

constexpr const char* kAsciiSpaces = " \t\n\r\f\v";

Index common_length(std::span<const Token> a, std::span<const Token> b) {
  return std::ranges::mismatch(a, b).in1 - a.begin();
}

// Neighbouring choices of one item often have one context.
class ContextEncoder {
 public:
  explicit ContextEncoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  const std::vector<Token>& operator()(std::string_view context) {
    if (!known_ || context != context_) {
      ids_ = tokenizer_.encode(context);
      context_ = context;
      known_ = true;
    }
    return ids_;
  }

 private:
  const Tokenizer& tokenizer_;
  std::string context_;
  std::vector<Token> ids_;
  bool known_ = false;
};

EncodedChoice encode(const Tokenizer& tokenizer, ContextEncoder& encode_context,
                     const Choice& choice, Index positions) {
  EncodedChoice result;
  const size_t end = choice.context.find_last_not_of(kAsciiSpaces);
  const auto context =
      std::string_view(choice.context).substr(0, end == std::string::npos ? 0 : end + 1);
  const std::vector<Token>& before = encode_context(context);
  std::vector<Token> whole = tokenizer.encode(choice.context + choice.continuation);
  size_t first = static_cast<size_t>(common_length(before, whole));
  result.divided = first < before.size();
  if (first == whole.size()) {
    result.problem = "an answer has no tokens of its own";
    return result;
  }
  if (tokenizer.adds_bos() || first == 0) {
    const Token beginning = tokenizer.bos() >= 0 ? tokenizer.bos() : tokenizer.eos();
    if (beginning < 0) {
      result.problem = "there is no context, and the tokenizer has no BOS";
      return result;
    }
    whole.insert(whole.begin(), beginning);
    ++first;
  }
  const auto scored = static_cast<Index>(whole.size() - first);
  if (scored > positions) {
    result.problem = "an answer is longer than the model's context";
    return result;
  }
  const Index excess = std::ssize(whole) - (positions + 1);
  if (excess > 0) {
    whole.erase(whole.begin(), whole.begin() + excess);
    first -= static_cast<size_t>(excess);
    result.truncated = true;
  }
  result.tokens = std::move(whole);
  result.first = first;
  return result;
}

// Consecutive requests that share their first `prefix` ids, which are computed once.
struct Group {
  size_t begin = 0, end = 0;
  Index prefix = 0;
  Index texts = 0;  // that are fed different tokens
  Index fed = 0;    // their tokens, if each were computed by itself
  Index targets = 0;
  Index rows() const { return prefix + fed - texts * prefix; }
};

Tail tail_of(const EncodedChoice& request, Index prefix) {
  return {std::span(request.tokens).subspan(static_cast<size_t>(prefix)),
          static_cast<Index>(request.first) - prefix};
}

Group alone(const std::vector<EncodedChoice>& requests, size_t i) {
  const EncodedChoice& request = requests[i];
  const auto length = std::ssize(request.tokens), first = static_cast<Index>(request.first);
  return {i, i + 1, first, 1, length - 1, length - first};
}

// The group with the next request in it. A shorter prefix makes the others' own parts longer: it is
// for whoever asks to say whether that is worth it.
Group with_next(const std::vector<EncodedChoice>& requests, const Group& group) {
  const Group next = alone(requests, group.end);
  const EncodedChoice& last = requests[group.end - 1];
  Group merged = group;
  merged.end = next.end;
  merged.targets += next.targets;
  merged.prefix =
      std::min({group.prefix, next.prefix, common_length(requests[group.end].tokens, last.tokens)});
  if (merged.prefix > 0 &&
      fed_alike(tail_of(last, merged.prefix), tail_of(requests[group.end], merged.prefix)))
    return merged;
  ++merged.texts;
  merged.fed += next.fed;
  return merged;
}

// Groups of up to a batch's rows, or two of the longest requests': one may be longer than a batch.
std::vector<Group> group_requests(const std::vector<EncodedChoice>& requests, Index positions) {
  const Index most = std::max(kEvaluationRows, 2 * positions);
  std::vector<Group> groups;
  for (size_t i = 0; i < requests.size(); ++i) {
    const Group next = alone(requests, i);
    if (!groups.empty()) {
      const Group merged = with_next(requests, groups.back());
      const bool worth = merged.rows() < groups.back().rows() + next.rows();
      if (merged.prefix > 0 && worth && merged.rows() <= most) {
        groups.back() = merged;
        continue;
      }
    }
    groups.push_back(next);
  }
  return groups;
}

// Items and their requests, in order.
struct Requests {
  std::vector<EncodedChoice> encoded;
  std::vector<size_t> items;  // that each request belongs to
};

// Encodes the items that have no score; those that cannot be asked get theirs.
Requests encode_items(const Tokenizer& tokenizer, std::span<const ChoiceItem> items,
                      std::vector<std::optional<ItemScore>>& scores, Index positions,
                      const ScoreOptions& options) {
  Requests requests;
  ContextEncoder context(tokenizer);
  for (size_t i = 0; i < items.size(); ++i) {
    if (scores[i]) continue;
    const size_t begin = requests.encoded.size();
    ItemScore score;
    for (const Choice& choice : items[i].choices) {
      EncodedChoice encoded = encode(tokenizer, context, choice, positions);
      score.truncated |= encoded.truncated;
      score.divided |= encoded.divided;
      if (score.problem.empty()) score.problem = encoded.problem;
      requests.encoded.push_back(std::move(encoded));
    }
    if (!score.problem.empty()) {
      requests.encoded.resize(begin);
      score.truncated = score.divided = false;
      if (options.visit) options.visit(i, score);
    }
    requests.items.resize(requests.encoded.size(), i);
    scores[i] = std::move(score);
  }
  return requests;
}

}  // namespace

EncodedChoice encode_choice(const Tokenizer& tokenizer, const Choice& choice, Index positions) {
  ContextEncoder context(tokenizer);
  return encode(tokenizer, context, choice, positions);
}

ScoringWork score_items(const Model& model, const Tokenizer& tokenizer,
                        std::span<const ChoiceItem> items,
                        std::vector<std::optional<ItemScore>>& scores,
                        const ScoreOptions& options) {
  MINILLM_CHECK(scores.size() == items.size(), "scores: expected one for each of {} items, got {}",
                items.size(), scores.size());
  const Requests requests = encode_items(tokenizer, items, scores, model.positions(), options);
  const std::vector<Group> groups = group_requests(requests.encoded, model.positions());
  ScoringWork work;
  if (groups.empty()) return work;
  std::vector<ItemSize> sizes;
  for (const Group& group : groups) {
    sizes.push_back({group.rows(), group.targets});
    work.rows += group.rows();
  }
  for (const EncodedChoice& request : requests.encoded)
    work.tokens += std::ssize(request.tokens) - 1;

  BatchScorer scorer(model, sizes);
  if (options.find_most_probable) scorer.find_most_probable();
  std::vector<Tail> tails;
  const auto append = [&](TokenBatch& batch, Index g) {
    const Group& group = groups[static_cast<size_t>(g)];
    tails.clear();
    for (size_t r = group.begin; r < group.end; ++r)
      tails.push_back(tail_of(requests.encoded[r], group.prefix));
    append_tails(
        batch,
        std::span(requests.encoded[group.begin].tokens).first(static_cast<size_t>(group.prefix)),
        tails);
  };
  const auto visit = [&](const ScoredBatch& scored) {
    size_t m = 0;
    const size_t begin = groups[static_cast<size_t>(scored.begin)].begin;
    const size_t end = groups[static_cast<size_t>(scored.end - 1)].end;
    for (size_t r = begin; r < end; ++r) {
      const EncodedChoice& request = requests.encoded[r];
      const size_t item = requests.items[r];
      ChoiceScore& score = scores[item]->choices.emplace_back();
      score.tokens = std::ssize(request.tokens) - static_cast<Index>(request.first);
      for (const size_t last = m + static_cast<size_t>(score.tokens); m < last; ++m) {
        score.logp += scored.logp[m];
        if (options.find_most_probable) score.most_probable += scored.most_probable[m];
      }
      if (options.visit && scores[item]->choices.size() == items[item].choices.size())
        options.visit(item, *scores[item]);
    }
  };
  scorer.run(append, visit, options.scoring);
  return work;
}

}  // namespace minillm
