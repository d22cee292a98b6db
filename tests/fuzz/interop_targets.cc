#include "tests/fuzz/interop_targets.h"

#include <vector>

#include "libminillm/interop/gguf_import.h"
#include "libminillm/interop/gguf_reader.h"
#include "libminillm/interop/llama2c_import.h"
#include "tests/fuzz/helpers.h"

namespace minillm_testing {

using namespace minillm;

void gguf(std::string_view bytes) {
  // An exact copy on the heap: a byte read beyond it is noticed.
  const std::vector<char> copy(bytes.begin(), bytes.end());
  accepted([&] {
    const GgufContents contents = parse_gguf({copy.data(), copy.size()}, "f");
    for (const GgufTensor& tensor : contents.tensors)
      require(tensor.begin <= tensor.end && tensor.end <= copy.size());
  });
  accepted([&] {
    const GgufModel read = import_gguf(input_file(bytes));
    require(read.model.parameters().size_bytes() <= 8 * bytes.size() + (size_t{1} << 20));
    if (read.tokenizer) read.tokenizer->decode(read.tokenizer->encode("hello world"));
  });
}

void llama2c(std::string_view bytes) {
  accepted([&] {
    const Model model = import_llama2c(input_file(bytes));
    require(model.parameters().size_bytes() <= bytes.size() + (size_t{1} << 20));
  });
}

}  // namespace minillm_testing
