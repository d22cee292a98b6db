#include "libminillm/lab/own_text.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "libminillm/checkpoint/checkpoint.h"
#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/core/strict_json.h"
#include "libminillm/generate/sample_documents.h"
#include "libminillm/world/fact_check.h"

namespace minillm::lab {
namespace {

using Json = nlohmann::ordered_json;
using world::StatementKind;
using world::Truth;

constexpr const char* kFigures[] = {"own_text_untrue_rate", "own_text_untrue_document_rate",
                                    "own_text_facts", "own_text_people"};
constexpr int kStreamBits = 32;  // of a generation's documents: each draws numbers of its own

// The first lines of a file, as many as there are up to `count`.
std::string first_lines(const std::string& path, int64_t count) {
  std::string all = read_file(path);
  size_t end = 0;
  for (int64_t line = 0; line < count && end < all.size(); ++line) {
    const size_t newline = all.find('\n', end);
    end = newline == std::string::npos ? all.size() : newline + 1;
  }
  all.resize(end);
  return all;
}

template <typename Visit>
void for_each_line(std::string_view content, const Visit& visit) {
  for (size_t end; (end = content.find('\n')) != std::string_view::npos;
       content.remove_prefix(end + 1))
    visit(content.substr(0, end + 1));
}

std::string parent_directory(const std::string& path) {
  return std::filesystem::path(path).parent_path();
}

// The path of what the author writes, kept beside its run: cells that go on from it in different
// ways share it.
std::string sampled_text(const OwnText& own, uint64_t seed, const std::string& author,
                         const TrainerEvents& events) {
  const std::string path = join_path(
      parent_directory(author),
      fmt::format("sampled_{}_{}_{}.jsonl", own.documents, own.temperature, own.generation));
  if (file_exists(path)) return path;
  const Checkpoint checkpoint = Checkpoint::open(author);
  const Model model = checkpoint.load_model(Checkpoint::Use::kFrozen);
  DocumentSampling sampling{.documents = own.documents, .generation = {}};
  sampling.generation.sampling.temperature = own.temperature;
  sampling.generation.max_tokens = model.positions();
  sampling.generation.seed = seed;
  sampling.generation.stream = static_cast<uint64_t>(own.generation) << kStreamBits;
  FileTransaction file(path);
  const auto write = [&](const std::string& text) {
    file.write(Json({{"text", text}}).dump() + "\n");
  };
  const auto tell = [&](double done, double total) {
    if (events.on_progress) events.on_progress("documents", done, total);
  };
  try {
    sample_documents(model, checkpoint.tokenizer(), sampling, write,
                     {.on_progress = tell, .stop_requested = events.stop_requested});
  } catch (const Error& error) {
    if (error.exit_code() != ExitCode::kInterrupted) throw;
    throw Error("lab: interrupted: run it again to go on", ExitCode::kInterrupted);
  }
  file.commit();
  return path;
}

std::string figures_path(const std::string& directory) {
  return join_path(directory, "own_text_figures.json");
}

Json figures(const world::StatementCounts& counts, const world::World& world) {
  const int64_t facts = counts.count(StatementKind::kFact);
  const auto people = std::ssize(world.people());
  const auto rate = [](int64_t count, int64_t of) {
    return Json{of == 0 ? 0 : static_cast<double>(count) / static_cast<double>(of), count, of};
  };
  return {{kFigures[0], rate(facts - counts.count(StatementKind::kFact, Truth::kTrue), facts)},
          {kFigures[1], rate(counts.untrue_documents, counts.documents)},
          {kFigures[2], rate(std::ssize(counts.distinct), people * std::ssize(world::kAttributes))},
          {kFigures[3], rate(std::ssize(counts.people), people)}};
}

}  // namespace

std::string own_text_name(const OwnText& own) {
  return fmt::format("own {} {} {} {} {}", own.documents, own.temperature, own.only_true,
                     own.with_stories, own.generation);
}

std::string own_text_path(const std::string& directory) {
  return join_path(directory, "own_text.jsonl");
}

std::string write_own_text(const OwnText& own, uint64_t seed, const std::string& author,
                           const std::string& stories, const std::string& directory,
                           const TrainerEvents& events) {
  const std::string path = own_text_path(directory);
  if (file_exists(path)) return path;
  const std::string before = own_text_path(parent_directory(author));
  FileTransaction file(path);
  if (own.with_stories)
    file.write(file_exists(before) ? read_file(before) : first_lines(stories, own.documents));

  const world::World world(seed);
  const world::FactChecker checker(world);
  world::StatementCounts counts;
  int64_t kept = 0;
  for_each_line(read_file(sampled_text(own, seed, author, events)), [&](std::string_view line) {
    const std::string text = parse_json(line, path).at("text");
    const std::vector<world::Statement> found = checker.check(text);
    counts.add(found);
    if (own.only_true && !world::all_true(found)) return;
    file.write(line);
    ++kept;
  });
  MINILLM_CHECK(kept > 0 || own.with_stories, "own text: none of {} documents is left of '{}'",
                own.documents, author);
  write_file_atomic(figures_path(directory), figures(counts, world).dump());
  file.commit();
  return path;
}

std::vector<world::WorldMetric> own_text_metrics(const std::string& directory) {
  const std::string path = figures_path(directory);
  if (!file_exists(path)) {
    std::vector<world::WorldMetric> none;
    for (const char* name : kFigures) none.push_back({name});
    return none;
  }
  std::vector<world::WorldMetric> metrics;
  const nlohmann::json json = parse_json(read_file(path), path);
  for (const auto& [name, figure] : json.items())
    metrics.push_back({name, figure.at(0).get<double>(), figure.at(1).get<int64_t>(),
                       figure.at(2).get<int64_t>()});
  return metrics;
}

}  // namespace minillm::lab
