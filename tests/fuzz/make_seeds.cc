// make_seeds DIRECTORY [PUBLIC_DATA]: writes the seeds, DIRECTORY/<target>/<number>.

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/fuzz/seeds.h"

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  for (const auto& [target, seeds] : minillm_testing::make_seeds(argc > 2 ? argv[2] : "")) {
    const std::filesystem::path folder = std::filesystem::path(argv[1]) / target;
    std::filesystem::create_directories(folder);
    for (size_t i = 0; i < seeds.size(); ++i)
      std::ofstream(folder / std::to_string(i), std::ios::binary) << seeds[i];
  }
}
