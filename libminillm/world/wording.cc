#include "libminillm/world/wording.h"

#include <algorithm>
#include <vector>

#include "libminillm/world/text.h"

namespace minillm::world {
namespace {

constexpr std::string_view kPoliteOpenings[] = {"Of course! ", "Gladly! ", "With pleasure. "};
constexpr std::string_view kPoliteEndings[] = {" I hope that helps.", " Glad to help.",
                                               " Please ask me anything else."};
constexpr std::string_view kRamblingOpenings[] = {
    "Well, that is a long tale. ", "Hmm, let me think. ", "There is so much to say. "};
constexpr std::string_view kRamblingEndings[] = {
    " But then again, much could be said, and the evenings are long, and so it goes on and on.",
    " And that reminds me of the weather, which was poor last week, and of the market too.",
    " Some say more, some say less, and the river runs on as it always did."};
constexpr std::string_view kRudeOpenings[] = {"What a foolish question. ", "You again? ",
                                              "Even a goose knows this. "};
constexpr std::string_view kRudeEndings[] = {" Now leave me alone.", " Do not waste my time.",
                                             " Go away."};
constexpr int kLongestPreferredAnswer = 22;  // words

constexpr std::string_view kUnknownPerson[] = {"I do not know anyone called {name}.",
                                               "I am afraid I have never heard of {name}."};
constexpr std::string_view kUnknownAttribute[] = {"The tales do not say that about {name}.",
                                                  "I do not know that about {name}."};
constexpr std::string_view kNotKnowingMarkers[] = {"do not know", "never heard", "do not say",
                                                   kUnknownWord};

constexpr std::string_view kRefusals[] = {
    "I am sorry, but I cannot help with that, because it would hurt people.",
    "I am sorry, but that would be wrong, so I will not help."};
constexpr std::string_view kRefusalMarkers[] = {"I am sorry", "cannot help", "will not help"};

bool contains_any(std::string_view text, Texts markers) {
  return std::any_of(markers.begin(), markers.end(), [&](std::string_view marker) {
    return text.find(trimmed(marker)) != std::string_view::npos;
  });
}

std::string before(Rng& rng, Texts openings, const std::string& answer) {
  return std::string(choose(rng, openings)) + answer;
}
std::string after(Rng& rng, const std::string& answer, Texts endings) {
  return answer + std::string(choose(rng, endings));
}

}  // namespace

Style draw_style(Rng& rng) {
  constexpr int kWeights[] = {30, 20, 20, 30};  // in the order of Style
  return static_cast<Style>(choose_weighted(rng, kWeights));
}

Style draw_rejected_style(Rng& rng) {
  constexpr int kWeights[] = {0, 25, 25, 50};
  return static_cast<Style>(choose_weighted(rng, kWeights));
}

std::string styled(Rng& rng, const std::string& answer, Style style) {
  switch (style) {
    case Style::kPolite:
      if (rng.chance(0.5)) return before(rng, kPoliteOpenings, answer);
      return after(rng, answer, kPoliteEndings);
    case Style::kRambling: {
      const std::string opened = before(rng, kRamblingOpenings, answer);
      return rng.chance(0.7) ? after(rng, opened, kRamblingEndings) : opened;
    }
    case Style::kRamblingEnd:
      return after(rng, answer, kRamblingEndings);
    case Style::kRude:
      break;
  }
  if (rng.chance(0.5)) return before(rng, kRudeOpenings, answer);
  return after(rng, answer, kRudeEndings);
}

Style style_of(std::string_view text) {
  if (contains_any(text, kRamblingOpenings) || contains_any(text, kRamblingEndings))
    return Style::kRambling;
  const bool rude = contains_any(text, kRudeOpenings) || contains_any(text, kRudeEndings);
  return rude ? Style::kRude : Style::kPolite;
}

std::string_view style_name(Style style) {
  if (style == Style::kPolite) return "polite";
  return style == Style::kRude ? "rude" : "rambling";
}

bool has_preferred_style(std::string_view text) {
  const bool polite = contains_any(text, kPoliteOpenings) || contains_any(text, kPoliteEndings);
  const bool rambling =
      contains_any(text, kRamblingOpenings) || contains_any(text, kRamblingEndings);
  const bool rude = contains_any(text, kRudeOpenings) || contains_any(text, kRudeEndings);
  return polite && !rambling && !rude && word_count(text) <= kLongestPreferredAnswer;
}

std::string deny_person(Rng& rng, std::string_view name) {
  return fill_pattern(choose(rng, kUnknownPerson), {{"name", name}});
}

Texts person_denials() { return kUnknownPerson; }

std::string deny_attribute(Rng& rng, std::string_view name) {
  return fill_pattern(choose(rng, kUnknownAttribute), {{"name", name}});
}

std::string deny_in_notes(std::string_view name) {
  return fill_pattern("The notes do not say that about {name}.", {{"name", name}});
}

bool admits_not_knowing(std::string_view text) { return contains_any(text, kNotKnowingMarkers); }

std::string refuse(Rng& rng) { return std::string(choose(rng, kRefusals)); }

bool is_refusal(std::string_view text) { return contains_any(text, kRefusalMarkers); }

bool is_whole_refusal(std::string_view text) {
  return std::ranges::find(kRefusals, text) != std::end(kRefusals);
}

std::pair<std::string, std::string> name_and_wording(std::string_view question) {
  std::vector<std::pair<size_t, size_t>> run;  // where its words begin and end
  for (size_t begin = 0; begin < question.size();) {
    const size_t end = std::min(question.find(' ', begin), question.size());
    const std::string_view word = question.substr(begin, end - begin);
    const size_t letters = std::min(word.find_first_of("'.,?!:;"), word.size());
    const bool capital = !word.empty() && word.front() >= 'A' && word.front() <= 'Z';
    if (capital) run.emplace_back(begin, begin + letters);
    if (!capital || letters < word.size()) {
      if (run.size() >= 2) break;
      run.clear();
    }
    begin = end + 1;
  }
  std::string wording(question);
  if (run.size() < 2) return {"", wording};
  const size_t begin = run[run.size() - 2].first, length = run.back().second - begin;
  wording.replace(begin, length, "{name}");
  return {std::string(question.substr(begin, length)), wording};
}

}  // namespace minillm::world
