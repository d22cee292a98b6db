// A tokenizer.json as a TokenModel.

#include <algorithm>
#include <array>
#include <unordered_map>

#include "libminillm/core/check.h"
#include "libminillm/core/utf8.h"
#include "libminillm/data/added_tokens.h"
#include "libminillm/data/control_texts.h"
#include "libminillm/data/normal_form.h"
#include "libminillm/data/token_model.h"
#include "libminillm/data/tokenizer_json.h"
#include "libminillm/data/word_cache.h"

namespace minillm {
namespace {

constexpr std::string_view kSpaceSymbol = "\xe2\x96\x81";  // U+2581
constexpr size_t kMaxTextBytes = size_t{1} << 30;

// Bytes of the symbols that the text begins with.
size_t space_symbols(std::string_view text) {
  size_t end = 0;
  while (text.substr(end).starts_with(kSpaceSymbol)) end += kSpaceSymbol.size();
  return end;
}

std::string with_space_symbols(std::string_view text, bool prefix) {
  std::string result(prefix ? kSpaceSymbol : "");
  for (const char c : text) {
    if (c == ' ')
      result += kSpaceSymbol;
    else
      result += c;
  }
  return result;
}

class TokenizerJsonModel final : public TokenModel {
 public:
  TokenizerJsonModel(TokenizerJson file, const std::string& name, const SpecialTokens& special)
      : byte_level_(file.byte_level),
        ignore_merges_(file.ignore_merges),
        nfc_(file.nfc),
        adds_space_(file.adds_space),
        space_prefix_(file.space_prefix),
        subject_(fmt::format("tokenizer '{}'", name)),
        words_(file.cuts),
        merges_({}) {
    pieces = pieces_of(file);
    reinterpreted = !take_special(special).empty();
    adds_leading_space = file.strips_space;
    bos = file.bos;
    eos = file.eos;
    for (size_t id = 0; id < pieces.size() && eos < 0; ++id)  // it is the usual name
      if (is_control(static_cast<Token>(id)) && pieces[id].text == kEndOfText)
        eos = static_cast<Token>(id);
    std::vector<bool> is_added(pieces.size());
    for (const JsonAddedToken& added : file.added) is_added[as_index(added.token.id)] = true;
    index_pieces(is_added);
    for (const JsonAddedToken& added : file.added) add_to_finders(added);
    for (size_t id = own_pieces; id < pieces.size(); ++id)
      if (pieces[id].type == PieceType::kUserDefined)
        add_to_finders({{static_cast<Token>(id), pieces[id].text, false}});
    // No text leads to a control piece, even where merges would.
    std::erase_if(file.merges, [&](const BpeMerge& merge) { return is_control(merge.result); });
    words_are_separate_ = !byte_level_ && !ignore_merges_ &&
                          std::ranges::all_of(file.merges, [&](const BpeMerge& merge) {
                            const std::string& text = pieces[as_index(merge.result)].text;
                            return text.find(kSpaceSymbol, space_symbols(text)) == text.npos;
                          });
    merges_ = BpeMerges(std::move(file.merges));
  }

  std::vector<Token> encode(std::string_view text, bool continuing) const override {
    MINILLM_CHECK(text.size() <= kMaxTextBytes,
                  "tokenizer: text is too long: expected at most {} bytes, got {}", kMaxTextBytes,
                  text.size());
    std::vector<Token> tokens;
    tokens.reserve(text.size() / 4);
    const auto add_token = [&](Token token) { tokens.push_back(token); };
    WordCaches::Lease cache(caches_);
    const auto encode_words = [&](std::string_view run, bool prefixed) {
      std::string spaced;
      if (prefixed && adds_space_ && !run.starts_with(' ')) run = spaced = ' ' + std::string(run);
      if (words_are_separate_) return encode_spaced_words(run, *cache, tokens);
      words_.for_each_word(run, [&](std::string_view word) { encode_word(word, *cache, tokens); });
    };
    raw_.split(
        text,
        [&](std::string_view run) {
          const bool first = run.data() == text.data();
          std::string changed;
          if (!byte_level_)
            run = changed = with_symbols(run, continuing && first, first);
          else if (nfc_)
            run = changed = normalize_nfc(run);
          normalized_.split(
              run, [&](std::string_view part) { encode_words(part, !(continuing && first)); },
              add_token);
        },
        add_token);
    return tokens;
  }

 private:
  static size_t as_index(Token id) { return static_cast<size_t>(id); }
  bool is_control(Token id) const { return pieces[as_index(id)].type == PieceType::kControl; }

  // What each token adds to a text, and which tokens words begin with.
  void index_pieces(const std::vector<bool>& is_added) {
    byte_ids_.fill(-1);
    for (size_t id = 0; id < pieces.size(); ++id) {
      const SentencePieceInfo& piece = pieces[id];
      const Token token = static_cast<Token>(id);
      const bool own = piece.type == PieceType::kNormal && id < own_pieces && !is_added[id];
      std::optional<std::string> letters;
      if (own && byte_level_) letters = bytes_of_letters(piece.text);
      if (piece.type == PieceType::kUnused || piece.type == PieceType::kControl)
        token_bytes.emplace_back();
      else if (byte_level_)
        token_bytes.push_back(letters ? *letters : piece.text);
      else
        token_bytes.push_back(piece_bytes(piece, ""));
      if (piece.type == PieceType::kByte || (letters && letters->size() == 1))
        byte_ids_[static_cast<uint8_t>(token_bytes.back()[0])] = token;
      if (letters) ids_.emplace(*letters, token);
      if (own && !byte_level_) ids_.emplace(piece.text, token);
    }
    for (size_t byte = 0; byte < 0xf5; ++byte)  // UTF-8 has no others, nor these two
      MINILLM_CHECK(byte_ids_[byte] >= 0 || byte == 0xc0 || byte == 0xc1,
                    "{}: it cannot spell every text: expected a token for each byte, got none for "
                    "0x{:02X}",
                    subject_, byte);
  }

  void add_to_finders(const JsonAddedToken& added) {
    if (is_control(added.token.id)) return;
    const AddedTokenFinder::Found found = {added.token.id, added.strips_left, added.strips_right};
    if (added.normalized && nfc_)
      normalized_.add(normalize_nfc(added.token.text), found);
    else
      (added.normalized ? normalized_ : raw_).add(added.token.text, found);
  }

  std::string with_symbols(std::string_view run, bool continues, bool first) const {
    const std::string normal = nfc_ ? normalize_nfc(run) : std::string(run);
    const bool spaced = normal.starts_with(' ') || normal.starts_with(kSpaceSymbol);
    const bool prefix =
        !continues && (space_prefix_ == SpacePrefix::kEveryPart ||
                       (space_prefix_ == SpacePrefix::kUnlessSpaced && !spaced) ||
                       (space_prefix_ == SpacePrefix::kFirstPart && first && !spaced));
    return with_space_symbols(normal, prefix);
  }

  // Words that begin with spaces, where merges lead to no others.
  void encode_spaced_words(std::string_view run, WordCache& cache,
                           std::vector<Token>& tokens) const {
    while (!run.empty()) {
      const size_t spaces = space_symbols(run);
      const std::string_view word = run.substr(0, run.find(kSpaceSymbol, spaces));
      encode_word(word, cache, tokens);
      run.remove_prefix(word.size());
    }
  }

  void encode_word(std::string_view word, WordCache& cache, std::vector<Token>& tokens) const {
    const size_t hash = std::hash<std::string_view>()(word);
    if (const auto known = cache.find(word, hash); !known.empty()) {
      tokens.insert(tokens.end(), known.begin(), known.end());
      return;
    }
    const std::vector<Token> made = merged(word);
    cache.keep(word, hash, made);
    tokens.insert(tokens.end(), made.begin(), made.end());
  }

  std::vector<Token> merged(std::string_view word) const {
    if (ignore_merges_)
      if (const auto whole = ids_.find(word); whole != ids_.end()) return {whole->second};
    std::vector<Token> symbols;
    symbols.reserve(word.size());
    while (!word.empty()) {
      const size_t length = byte_level_ ? 1 : utf8_character_length(word);
      const auto character = byte_level_ ? ids_.end() : ids_.find(word.substr(0, length));
      if (character != ids_.end())
        symbols.push_back(character->second);
      else
        for (const char c : word.substr(0, length))
          symbols.push_back(byte_ids_[static_cast<uint8_t>(c)]);
      word.remove_prefix(length);
    }
    merges_.merge(symbols);
    return symbols;
  }

  const bool byte_level_, ignore_merges_, nfc_, adds_space_;
  const SpacePrefix space_prefix_;
  const std::string subject_;
  const PreTokenizer words_;
  BpeMerges merges_;
  std::array<Token, 256> byte_ids_;
  // Whether merges lead to U+2581 at the beginning only, so that words can be encoded one by one.
  bool words_are_separate_ = false;
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_map<std::string, Token, Hash, std::equal_to<>>
      ids_;                            // of the bytes that they spell
  AddedTokenFinder raw_, normalized_;  // before normalization, and after it
  mutable WordCaches caches_;
};

}  // namespace

std::unique_ptr<TokenModel> load_tokenizer_json(const std::string& bytes, const std::string& name,
                                                const SpecialTokens& special) {
  try {
    return std::make_unique<TokenizerJsonModel>(parse_tokenizer_json(bytes, name), name, special);
  } catch (const Error& e) {
    const std::string subject = fmt::format("tokenizer '{}'", name);
    if (std::string_view(e.what()).starts_with(subject)) throw;
    throw Error(fmt::format("{}: {}", subject, e.what()), e.exit_code());
  }
}

}  // namespace minillm
