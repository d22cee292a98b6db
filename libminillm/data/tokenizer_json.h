// tokenizer.json: Hugging Face's file of a tokenizer, as far as it holds byte-pair encoding.
//
// What is read: models of type BPE, over bytes (GPT-2, Llama 3, Qwen, SmolLM) or over characters
// with byte fallback (Llama 2); normalizers NFC, Prepend and Replace of spaces; pre-tokenizers
// Split, Digits, ByteLevel and Metaspace; the decoders that undo these; and of the post-processor
// whether it adds BOS and EOS. Everything else is refused by name, for ids that are almost right
// are wrong. Format: https://github.com/huggingface/tokenizers.

#ifndef LIBMINILLM_DATA_TOKENIZER_JSON_H_
#define LIBMINILLM_DATA_TOKENIZER_JSON_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libminillm/data/byte_bpe.h"
#include "libminillm/data/pre_tokenizer.h"
#include "libminillm/data/sentencepiece_check.h"
#include "libminillm/data/special_tokens.h"

namespace minillm {

// Where the symbol of a space, U+2581, is put before a text whose words begin with it.
enum class SpacePrefix {
  kNone,
  kEveryPart,     // each run of text between added tokens (normalizer Prepend)
  kUnlessSpaced,  // the same, but where a space is there already (Metaspace, "always")
  kFirstPart,     // the same, only at the beginning of a text (Metaspace, "first")
};

struct JsonAddedToken {
  AddedToken token;
  bool normalized = false;                         // matched after normalization
  bool strips_left = false, strips_right = false;  // takes the white space beside it
};

struct TokenizerJson {
  // By id, as the file spells them: bytes as letters (byte_letter) or U+2581 for a space. Empty: no
  // token has this id.
  std::vector<std::string> tokens;
  std::vector<JsonAddedToken> added;  // in the order of their ids
  std::vector<BpeMerge> merges;       // by rank
  bool byte_level = true;             // else over characters, with byte fallback
  bool ignore_merges = false;         // a word that is a token is not merged together
  bool nfc = false;
  std::vector<WordCut> cuts;  // one after the other
  bool adds_space = false;    // ByteLevel's add_prefix_space: before a word that begins with none
  SpacePrefix space_prefix = SpacePrefix::kNone;  // over characters only; likewise below
  bool strips_space = false;                      // decoding takes the first space away
  Token bos = -1, eos = -1;                       // that the post-processor adds; -1: none
};

// By id. A hole is unused, and called [PAD<id>].
std::vector<SentencePieceInfo> pieces_of(const TokenizerJson& file);

// Whether the bytes are meant to be JSON rather than a sentencepiece model.
bool is_tokenizer_json(std::string_view bytes);

// Throws Error `tokenizer '<name>': <what is wrong>`.
TokenizerJson parse_tokenizer_json(std::string_view bytes, const std::string& name);

// A byte-level tokenizer as its parts, of which a file is written.
struct ByteBpeSpec {
  std::vector<std::string> tokens;  // by id, bytes as letters; empty where only `added` has the id
  std::vector<std::pair<std::string, std::string>> merges;  // by rank, likewise
  std::string pre;                // how words are cut: a name that known_pre_tokenizer knows
  std::vector<AddedToken> added;  // by id, their texts as they are
  Token bos = -1, eos = -1;       // of those, what stands around every text; -1: nothing
};
// The text of a tokenizer.json, always the same one for the same parts. Throws Error if `pre` is
// not known.
std::string write_tokenizer_json(const ByteBpeSpec& spec);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_TOKENIZER_JSON_H_
