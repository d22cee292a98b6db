#include "libminillm/lab/lab_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "libminillm/core/file.h"
#include "libminillm/data/tokenizer.h"
#include "libminillm/lab/keys.h"

namespace minillm::lab {

LabData::LabData(std::string directory, std::string build, world::WorldOptions sizes,
                 std::function<void(const std::string& message)> say)
    : directory_(std::move(directory)),
      build_(std::move(build)),
      sizes_(std::move(sizes)),
      say_(std::move(say)) {}

std::string LabData::file(const std::string& part, const std::string& name,
                          const world::WorldDials& dials, uint64_t seed) const {
  world::WorldOptions options = sizes_;
  options.seed = seed;
  options.dials = dials;
  nlohmann::ordered_json what = {
      "data", build_, part, seed, dials_json(dials), sizes_text(options)};
  if (part == "open_book") what.push_back(options.open_book_rows);
  const std::string directory = join_path(directory_, key_of(what));
  const std::string path = join_path(directory, name);
  if (file_exists(path)) return path;
  create_directories(directory);
  for (const world::WorldFile& written : world::make_world_files(options, part))
    write_file_atomic(join_path(directory, written.name), written.content);
  return path;
}

std::string LabData::first_rows(const std::string& path, int64_t rows) {
  const std::string first = fmt::format("{}.first_{}", path, rows);
  if (file_exists(first)) return first;
  const std::string all = read_file(path);
  size_t end = 0;
  for (int64_t row = 0; row < rows && end < all.size(); ++row)
    end = std::min(all.find('\n', end), all.size() - 1) + 1;
  write_file_atomic(first, all.substr(0, end));
  return first;
}

LabData LabData::without_polite_facts() const {
  LabData plain = *this;
  plain.sizes_.replay_facts = 0;
  return plain;
}

std::string LabData::tokenizer(uint64_t seed, int64_t vocab_size) const {
  const std::string text = file("tokenizer", "tokenizer.txt", {}, seed);
  const std::string path = fmt::format("{}.{}.model", text, vocab_size);
  if (file_exists(path)) return path;
  if (say_) say_(fmt::format("seed {}: training the tokenizer", seed));
  const std::string all = read_file(text);
  size_t at = 0;
  const auto next_line = [&](std::string& line) {
    if (at >= all.size()) return false;
    const size_t end = std::min(all.find('\n', at), all.size());
    line = all.substr(at, end - at);
    at = end + 1;
    return true;
  };
  write_file_atomic(path, train_tokenizer(next_line, {.vocab_size = vocab_size}));
  return path;
}

}  // namespace minillm::lab
