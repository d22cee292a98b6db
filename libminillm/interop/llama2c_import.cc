#include "libminillm/interop/llama2c_import.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "libminillm/core/check.h"
#include "libminillm/core/file.h"
#include "libminillm/interop/llama2c.h"
#include "libminillm/interop/rope_order.h"
#include "libminillm/interop/sentencepiece_writer.h"

namespace minillm {
namespace {

constexpr uint32_t kMagic = 0x616b3432;  // "ak42": version 1 and later
constexpr size_t kVersion1Header = 256;  // with padding

// Takes little-endian numbers and bytes from the front of a file. The caller has checked the size,
// or asks `left`.
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : rest_(bytes) {}
  size_t left() const { return rest_.size(); }
  std::string_view take(size_t size) {
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  uint32_t u32() {
    uint32_t value = 0;
    for (const char c : take(4))
      value = value >> 8 | static_cast<uint32_t>(static_cast<uint8_t>(c)) << 24;
    return value;
  }
  int32_t i32() { return static_cast<int32_t>(u32()); }
  float f32() { return std::bit_cast<float>(u32()); }

 private:
  std::string_view rest_;
};

Llama2cHeader read_header(Bytes& file) {
  Llama2cHeader h;
  for (int32_t* number :
       {&h.dim, &h.hidden_dim, &h.n_layers, &h.n_heads, &h.n_kv_heads, &h.vocab_size, &h.seq_len})
    *number = file.i32();
  return h;
}

ModelConfig config_of(const Llama2cHeader& h, bool tied, const std::string& subject) {
  MINILLM_CHECK(
      h.n_heads > 0 && h.dim % h.n_heads == 0,
      "{}: not a llama2.c model: expected a width that its heads divide, got width {} and "
      "{} heads",
      subject, h.dim, h.n_heads);
  // The legacy layout has tables of this length; version 1 merely claims it.
  constexpr int32_t kLongest = 1 << 17;
  MINILLM_CHECK(h.seq_len <= kLongest,
                "{}: not a llama2.c model: expected a context of at most {} tokens, got {}",
                subject, kLongest, h.seq_len);
  ModelConfig config;
  config.vocab_size = std::abs(int64_t{h.vocab_size});
  config.hidden_size = h.dim;
  config.intermediate_size = h.hidden_dim;
  config.num_hidden_layers = h.n_layers;
  config.num_attention_heads = h.n_heads;
  config.num_key_value_heads = h.n_kv_heads;
  config.head_dim = h.dim / h.n_heads;
  config.max_position_embeddings = h.seq_len;
  config.rope_theta = kLlama2cTheta;
  config.rms_norm_eps = kLlama2cEpsilon;
  config.tie_word_embeddings = tied;
  try {
    config.validate();
  } catch (const Error& e) {  // its errors name the key, but not the file
    throw Error(fmt::format("{}: not a llama2.c model: {}", subject, e.what()));
  }
  return config;
}

// Version 1 has all norms first, and no tables.
std::vector<Llama2cPart> version_1_order(std::vector<Llama2cPart> parts) {
  std::erase_if(parts, [](const Llama2cPart& part) { return part.name.empty(); });
  std::stable_partition(parts.begin(), parts.end(), [](const Llama2cPart& part) {
    return part.name.find("norm") != std::string::npos;
  });
  return parts;
}

// Reads `part` into its tensor, taking q and k from interleaved pairs to halves.
void read_part(Bytes& file, const Llama2cPart& part, Model& model, const std::string& subject) {
  const auto row_bytes = static_cast<size_t>(part.cols) * sizeof(float);
  if (part.name.empty()) {
    file.take(static_cast<size_t>(part.rows) * row_bytes);
    return;
  }
  const TensorInfo* tensor = model.tensors().find(part.name);
  MINILLM_DCHECK(tensor != nullptr);
  const std::span<Real> values = tensor_span(model.parameters(), *tensor);
  MINILLM_DCHECK(std::ssize(values) == part.rows * part.cols);
  for (Index row = 0; row < part.rows; ++row) {
    Bytes numbers(file.take(row_bytes));
    const Index to = part.interleaved ? half_split_row(row, model.config().head_dim) : row;
    for (Real& value :
         values.subspan(static_cast<size_t>(to * part.cols), static_cast<size_t>(part.cols))) {
      value = numbers.f32();
      MINILLM_CHECK(std::isfinite(value), "{}: '{}' holds {}: expected finite numbers", subject,
                    part.name, value);
    }
  }
}

// --- the tokenizer

// Of id `id`, whose text is `text`.
SentencePieceInfo piece_of(Index id, std::string_view text, float score) {
  SentencePieceInfo piece{"", score, PieceType::kNormal};
  if (id == 0) return {"<unk>", score, PieceType::kUnknown};
  if (id == 1) return {"<s>", score, PieceType::kControl};
  if (id == 2) return {"</s>", score, PieceType::kControl};
  if (id < 3 + 256) piece.type = PieceType::kByte;
  for (const char c : text) {
    if (c == ' ')
      piece.text += "\xe2\x96\x81";
    else
      piece.text += c;
  }
  return piece;
}

}  // namespace

Model import_llama2c(const std::string& path) {
  const MappedFile mapped(path);
  const std::string subject = fmt::format("file '{}'", path);
  Bytes file(mapped.text());
  MINILLM_CHECK(file.left() >= Llama2cHeader::kBytes,
                "{}: not a llama2.c model: expected at least {} bytes, got {}", subject,
                Llama2cHeader::kBytes, file.left());
  const bool versioned = Bytes(file).u32() == kMagic;
  bool tied = true;
  Llama2cHeader header;
  if (versioned) {
    MINILLM_CHECK(file.left() >= kVersion1Header,
                  "{}: not a llama2.c model: its header is cut off after {} bytes", subject,
                  file.left());
    Bytes begin(file.take(kVersion1Header));
    begin.u32();
    const int32_t version = begin.i32();
    MINILLM_CHECK(version == 1,
                  "{}: llama2.c version {}: expected the legacy layout or version 1 (float "
                  "weights; quantised ones cannot be taken over)",
                  subject, version);
    header = read_header(begin);
    tied = begin.take(1) != std::string_view("\0", 1);
  } else {
    header = read_header(file);
    tied = header.vocab_size > 0;
  }
  const ModelConfig config = config_of(header, tied, subject);

  std::vector<Llama2cPart> parts = llama2c_layout(config);
  if (versioned) parts = version_1_order(std::move(parts));
  uint64_t expected = 0;
  for (const Llama2cPart& part : parts)
    expected += static_cast<uint64_t>(part.rows * part.cols) * sizeof(float);
  MINILLM_CHECK(file.left() == expected,
                "{}: its size does not fit its header: expected {} bytes of numbers, got {}",
                subject, expected, file.left());
  Model model(config);
  for (const Llama2cPart& part : parts) read_part(file, part, model, subject);
  mapped.expect_whole();
  return model;
}

std::string import_llama2c_tokenizer(std::string_view bytes, Index vocab_size,
                                     const std::string& name) {
  Bytes file(bytes);
  file.u32();  // the longest piece: a buffer size of run.c
  std::vector<SentencePieceInfo> pieces;
  for (Index id = 0; id < vocab_size; ++id) {
    const bool has_head = file.left() >= 8;
    const float score = has_head ? file.f32() : 0;
    const uint32_t size = has_head ? file.u32() : 0;
    MINILLM_CHECK(has_head && size <= file.left(),
                  "tokenizer '{}': cut off at id {}: expected {} ids, as the model has", name, id,
                  vocab_size);
    pieces.push_back(piece_of(id, file.take(size), score));
  }
  MINILLM_CHECK(file.left() == 0,
                "tokenizer '{}': {} bytes after the last id: expected {} ids, as the model has "
                "(is it another model's?)",
                name, file.left(), vocab_size);
  return sentencepiece_model(pieces, /*add_dummy_prefix=*/true, name);
}

}  // namespace minillm
