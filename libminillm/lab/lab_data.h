// LabData: the world's files that cells are trained on and asked from, each written once.

#ifndef LIBMINILLM_LAB_LAB_DATA_H_
#define LIBMINILLM_LAB_LAB_DATA_H_

#include <cstdint>
#include <functional>
#include <string>

#include "libminillm/world/world_files.h"

namespace minillm::lab {

class LabData {
 public:
  // Files are kept in `directory`/<key>. `sizes`: seeds and dials are given with each file.
  LabData(std::string directory, std::string build, world::WorldOptions sizes,
          std::function<void(const std::string& message)> say = {});

  // The path of a file of a part of the world (world/world_files.h).
  std::string file(const std::string& part, const std::string& name, const world::WorldDials& dials,
                   uint64_t seed) const;
  // The path of the first rows of a file of lines, beside it.
  static std::string first_rows(const std::string& path, int64_t rows);
  // The same world, in whose replayed conversations nobody is polite: where style is not to come
  // from them.
  LabData without_polite_facts() const;
  // The path of a tokenizer that is trained on the world's text.
  std::string tokenizer(uint64_t seed, int64_t vocab_size) const;
  const world::WorldOptions& sizes() const { return sizes_; }

 private:
  std::string directory_, build_;
  world::WorldOptions sizes_;
  std::function<void(const std::string& message)> say_;
};

}  // namespace minillm::lab

#endif  // LIBMINILLM_LAB_LAB_DATA_H_
