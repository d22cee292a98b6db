// tokenizer.json: small files made by hand, whose ids are known.

#include "libminillm/data/tokenizer_json.h"

#include <gtest/gtest.h>

#include "libminillm/core/rng.h"
#include "libminillm/data/normal_form.h"
#include "libminillm/data/tokenizer.h"
#include "tests/data/small_tokenizer_json.h"
#include "tests/data/test_tokenizer.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

using minillm_testing::small_byte_bpe;
using minillm_testing::small_llama2_json;
using minillm_testing::small_tokenizer_json;
using nlohmann::json;
using Ids = std::vector<Token>;

Tokenizer tokenizer_of(const json& file, std::optional<Token> eos = std::nullopt) {
  SpecialTokens special;
  special.eos = eos;
  return Tokenizer::from_bytes(file.dump(), "t", special);
}

void expect_streams_like_decode(const Tokenizer& tokenizer, const Ids& ids) {
  StreamDecoder decoder(tokenizer);
  std::string streamed;
  for (const Token id : ids) {
    const std::string part = decoder.push(id);
    EXPECT_TRUE(is_valid_utf8(part));
    streamed += part;
  }
  EXPECT_EQ(streamed + decoder.finish(), tokenizer.decode(ids));
}

TEST(TokenizerJson, IdsAreThoseOfTheMerges) {
  const Tokenizer tokenizer = tokenizer_of(small_tokenizer_json());
  EXPECT_EQ(tokenizer.file_name(), "tokenizer.json");
  EXPECT_EQ(tokenizer.vocab_size(), 265);
  EXPECT_EQ(tokenizer.encode("the the"), (Ids{'t', 257, 258}));
  EXPECT_EQ(tokenizer.encode("1234"), (Ids{260, '4'}));
  EXPECT_EQ(tokenizer.encode("\xc3\xa9\n"), (Ids{0xc3, 0xa9, '\n'}));
  EXPECT_EQ(tokenizer.encode(""), Ids());
  EXPECT_EQ(tokenizer.decode(Ids{258, 260, 264}), " the123<think>");
  EXPECT_EQ(tokenizer.piece(258), "\xc4\xa0the");
  EXPECT_EQ(tokenizer.token_bytes(258), " the");
  EXPECT_EQ(tokenizer.bos(), 261);
  EXPECT_FALSE(tokenizer.adds_leading_space());
  EXPECT_ERROR(tokenizer.encode("a\xff"), "byte 1 is 0xFF");
}

TEST(TokenizerJson, TheWayOfCuttingDecidesTheIds) {
  EXPECT_EQ(tokenizer_of(small_tokenizer_json("qwen2")).encode("1234"), (Ids{'1', '2', '3', '4'}));
  EXPECT_EQ(tokenizer_of(small_tokenizer_json("gpt-2")).encode("1234"), (Ids{260, '4'}));
  EXPECT_EQ(tokenizer_of(small_tokenizer_json("smollm")).encode(" 12 the"),
            (Ids{' ', '1', '2', 258}));
}

TEST(TokenizerJson, NoTextLeadsToASpecialToken) {
  const Tokenizer tokenizer = tokenizer_of(small_tokenizer_json());
  const Ids ids = tokenizer.encode("<|im_end|><s>");
  EXPECT_EQ(ids.size(), std::string("<|im_end|><s>").size());
  EXPECT_EQ(tokenizer.decode(ids), "<|im_end|><s>");
  EXPECT_TRUE(tokenizer.is_control(263));
  EXPECT_EQ(tokenizer.decode(Ids{262, 'a', 263}), "a");
  EXPECT_NE(tokenizer.chat_template(), nullptr);
  // Nor do merges, even if a directory makes their result special.
  const Tokenizer retyped = tokenizer_of(small_tokenizer_json(), 258);
  EXPECT_EQ(retyped.encode(" the"), (Ids{256, 257}));
  EXPECT_NE(retyped.hash(), tokenizer.hash());
  EXPECT_ERROR(
      tokenizer_of(small_tokenizer_json(), 'M'),
      "tokenizer 't': it cannot spell every text: expected a token for each byte, got none "
      "for 0x4D");
}

TEST(TokenizerJson, AddedTokensAreFoundBeforeWords) {
  json file = small_tokenizer_json();
  const auto add = [&](int id, const char* text, const char* flag) {
    file["added_tokens"].push_back({{"id", id}, {"content", text}, {"special", false}});
    file["added_tokens"].back()["normalized"] = false;
    if (*flag != '\0') file["added_tokens"].back()[flag] = true;
  };
  add(265, "<think>12", "");
  add(266, "<left>", "lstrip");
  add(267, "<right>", "rstrip");
  const Tokenizer tokenizer = tokenizer_of(file);
  EXPECT_EQ(tokenizer.encode("a<think>123"), (Ids{'a', 265, '3'}));  // the longest
  EXPECT_EQ(tokenizer.encode("<think>1"), (Ids{264, '1'}));
  EXPECT_EQ(tokenizer.encode("a \xe3\x80\x80<left> b"), (Ids{'a', 266, ' ', 'b'}));
  EXPECT_EQ(tokenizer.encode("a <right> \n<left>b"), (Ids{'a', ' ', 267, 266, 'b'}));
  EXPECT_EQ(tokenizer.encode("<think"), (Ids{'<', 't', 'h', 'i', 'n', 'k'}));
}

TEST(TokenizerJson, NormalFormCIsOfTextButNotOfAddedTokens) {
  if (!can_normalize()) GTEST_SKIP() << "built without utf8proc";
  json file = small_tokenizer_json("qwen2");
  const std::string apart = "e\xcc\x81", joined = "\xc3\xa9";
  for (const bool normalized : {false, true})
    file["added_tokens"].push_back({{"id", 265 + normalized},
                                    {"content", (normalized ? "[" : "{") + apart},
                                    {"special", false},
                                    {"normalized", normalized}});
  const Tokenizer tokenizer = tokenizer_of(file);
  EXPECT_EQ(tokenizer.encode(apart), (Ids{0xc3, 0xa9}));
  EXPECT_EQ(tokenizer.encode("{" + apart), Ids{265});
  EXPECT_EQ(tokenizer.encode("{" + joined), (Ids{'{', 0xc3, 0xa9}));
  EXPECT_EQ(tokenizer.encode("[" + apart), Ids{266});
  EXPECT_EQ(tokenizer.encode("[" + joined), Ids{266});
}

TEST(TokenizerJson, AWholeWordMayGoBeforeMerges) {
  json file = small_tokenizer_json();
  file["model"]["vocab"]["xyz"] = 265;  // reached by no merge
  EXPECT_EQ(tokenizer_of(file).encode("xyz xyz"), (Ids{265, ' ', 'x', 'y', 'z'}));
  file["model"]["ignore_merges"] = false;
  EXPECT_EQ(tokenizer_of(file).encode("xyz"), (Ids{'x', 'y', 'z'}));
}

TEST(TokenizerJson, MergesMayBePairs) {
  json file = small_tokenizer_json();
  const Ids ids = tokenizer_of(file).encode(" the 123");
  for (json& merge : file["model"]["merges"]) {
    const std::string text = merge.get<std::string>();
    const size_t space = text.find(' ');
    merge = json{text.substr(0, space), text.substr(space + 1)};
  }
  EXPECT_EQ(tokenizer_of(file).encode(" the 123"), ids);
}

TEST(TokenizerJson, ASpaceMayBeAddedBeforeAText) {
  json file = small_tokenizer_json("gpt-2");
  file["pre_tokenizer"]["add_prefix_space"] = true;
  const Tokenizer tokenizer = tokenizer_of(file);
  EXPECT_EQ(tokenizer.encode("the"), Ids{258});
  EXPECT_EQ(tokenizer.encode(" the"), Ids{258});
  EXPECT_EQ(tokenizer.encode_continuing("the"), (Ids{'t', 257}));
}

TEST(TokenizerJson, EveryTextComesBack) {
  Rng rng(11);
  for (const char* pre : {"gpt-2", "llama-bpe", "smollm"}) {
    const Tokenizer tokenizer = tokenizer_of(small_tokenizer_json(pre));
    for (int i = 0; i < 300; ++i) {
      const std::string text = minillm_testing::random_text(rng);
      const Ids ids = tokenizer.encode(text);
      for (const Token id : ids) EXPECT_FALSE(tokenizer.is_control(id));
      EXPECT_EQ(tokenizer.decode(ids), text);
      expect_streams_like_decode(tokenizer, ids);
    }
  }
}

TEST(TokenizerJson, HolesAreUnusedTokens) {
  json file = small_tokenizer_json();
  file["added_tokens"].push_back({{"id", 270}, {"content", "<far>"}, {"special", true}});
  const Tokenizer tokenizer = tokenizer_of(file);
  EXPECT_EQ(tokenizer.vocab_size(), 271);
  EXPECT_EQ(tokenizer.piece(267), "[PAD267]");
  EXPECT_EQ(tokenizer.decode(Ids{267}), "");
}

TEST(TokenizerJson, CharactersWithByteFallback) {
  const Tokenizer tokenizer = tokenizer_of(small_llama2_json());
  EXPECT_EQ(tokenizer.encode("ab ab"), (Ids{264, 264}));
  EXPECT_EQ(tokenizer.encode("ba"), (Ids{259, 261, 260}));
  EXPECT_EQ(tokenizer.encode(" ab"), (Ids{259, 264}));
  EXPECT_EQ(tokenizer.encode("\xc3\xa9"), (Ids{259, 3 + 0xc3, 3 + 0xa9}));
  EXPECT_EQ(tokenizer.encode_continuing("ab"), Ids{263});
  EXPECT_TRUE(tokenizer.adds_leading_space());
  EXPECT_EQ(tokenizer.bos(), 1);
  EXPECT_EQ(tokenizer.eos(), 2);
  for (const char* text : {"ab ab", " ab", "\xc3\xa9 a", "<s>", "  b\n"}) {
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
    expect_streams_like_decode(tokenizer, tokenizer.encode(text));
  }
}

TEST(TokenizerJson, MetaspacePutsASpaceWhereItSays) {
  json file = small_llama2_json();
  file["normalizer"] = nullptr;
  const auto encode = [&](const char* scheme, const char* text) {
    file["pre_tokenizer"] = {{"type", "Metaspace"},
                             {"replacement", "\xe2\x96\x81"},
                             {"prepend_scheme", scheme},
                             {"split", false}};
    return tokenizer_of(file).encode(text);
  };
  EXPECT_EQ(encode("always", "ab"), Ids{264});
  EXPECT_EQ(encode("always", " ab"), Ids{264});
  EXPECT_EQ(encode("first", "ab"), Ids{264});
  EXPECT_EQ(encode("never", "ab"), Ids{263});
}

TEST(TokenizerJson, WhatIsWrittenIsRead) {
  const ByteBpeSpec spec = small_byte_bpe("qwen2");
  const std::string text = write_tokenizer_json(spec);
  EXPECT_TRUE(is_tokenizer_json(text));
  const TokenizerJson read = parse_tokenizer_json(text, "t");
  EXPECT_EQ(read.cuts, known_pre_tokenizer("qwen2")->cuts);
  EXPECT_EQ(read.merges.size(), spec.merges.size());
  EXPECT_EQ(read.added.size(), spec.added.size());
  EXPECT_TRUE(read.nfc);
  EXPECT_EQ(read.bos, -1);
  ByteBpeSpec with_bos = spec;
  with_bos.bos = 261;
  with_bos.eos = 263;
  const TokenizerJson around = parse_tokenizer_json(write_tokenizer_json(with_bos), "t");
  EXPECT_EQ(around.bos, 261);
  EXPECT_EQ(around.eos, 263);
  EXPECT_FALSE(is_tokenizer_json(std::string("\n\x0e\n\x05<unk>", 9)));
  EXPECT_FALSE(is_tokenizer_json(""));
}

// What each change of the small file makes wrong.
TEST(TokenizerJson, WhatIsNotSupportedIsRefusedByName) {
  const auto expect_fault = [](const char* path, const json& value, const std::string& message) {
    json file = small_tokenizer_json();
    file[json::json_pointer(path)] = value;
    EXPECT_ERROR(tokenizer_of(file), "tokenizer 't': ");
    EXPECT_ERROR(tokenizer_of(file), message);
  };
  const auto type = [](const char* name) { return json{{"type", name}}; };
  expect_fault("/model/type", "Unigram", "its model 'Unigram' is not supported: expected BPE");
  expect_fault("/model/dropout", 0.1, "its model's dropout is not supported");
  expect_fault("/model/end_of_word_suffix", "</w>", "end_of_word_suffix is not supported");
  expect_fault("/model/continuing_subword_prefix", "##", "continuing_subword_prefix is not");
  expect_fault("/normalizer", type("Lowercase"), "its normalizer 'Lowercase' is not supported");
  expect_fault("/normalizer", type("BertNormalizer"), "'BertNormalizer' is not supported");
  expect_fault("/pre_tokenizer", type("Whitespace"), "pre_tokenizer 'Whitespace' is not supported");
  expect_fault("/pre_tokenizer", nullptr, "its pre_tokenizer is not supported: expected ByteLevel");
  expect_fault("/pre_tokenizer/pretokenizers/0/behavior", "MergedWithPrevious",
               "expected behavior Isolated or Removed, got MergedWithPrevious");
  expect_fault("/pre_tokenizer/pretokenizers/0/pattern", json::object(), "expected a Regex");
  expect_fault("/pre_tokenizer/pretokenizers/0/pattern/Regex", "\\bx", "uses '\\b', which is not");
  expect_fault("/pre_tokenizer/pretokenizers/1/add_prefix_space", true, "add_prefix_space after");
  expect_fault("/pre_tokenizer/pretokenizers/2", type("Digits"), "expected nothing after");
  expect_fault("/decoder", type("WordPiece"), "its decoder 'WordPiece' is not supported");
  expect_fault("/decoder", nullptr, "it has no decoder");
  expect_fault("/post_processor", type("BertProcessing"), "'BertProcessing' is not supported");
  expect_fault("/model/vocab/a", 98, "tokens 'a' and 'b' have the same id, 98");
  expect_fault("/model/vocab/new", -1, "token 'new' has a bad id: expected 0 to 1048575, got -1");
  expect_fault("/model/vocab/new", 1 << 20, "token 'new' has a bad id");
  expect_fault("/model/vocab/new", "x", "token 'new' has a bad id");
  expect_fault("/model/vocab/", 265, "token 265 is of 0 bytes");
  expect_fault("/model/vocab", json::object(), "its vocabulary is empty");
  expect_fault("/model/merges/0", "a", "merge 0 is not of two parts");
  expect_fault("/model/merges/0", "a b c", "merge 0 is not of two parts");
  expect_fault("/model/merges/1", "a zz", "the right part of merge 1, 'zz', is not in its");
  expect_fault("/model/merges/1", "a b", "the result of merge 1, 'ab', is not in its vocabulary");
  expect_fault("/model/merges/4", "h e", "merges 1 and 4 are of the same pair");
  expect_fault("/added_tokens/3/single_word", true, "'<think>' is single_word");
  expect_fault("/added_tokens/3/id", 5, "have the same id, 5");
  expect_fault("/added_tokens/3/content", "<s>", "have the same id, 264");
  json file = small_tokenizer_json();
  file["model"]["vocab"].erase("a");
  EXPECT_ERROR(tokenizer_of(file), "expected a token for each byte, got none for 0x61");
  json llama2 = small_llama2_json();
  llama2["model"]["byte_fallback"] = false;
  EXPECT_ERROR(tokenizer_of(llama2), "cannot spell every text");
  EXPECT_ERROR(Tokenizer::from_bytes("{\"a\": 1, \"a\": 2}", "t"), "key \"a\" occurs twice");
  EXPECT_ERROR(Tokenizer::from_bytes("{\"a\": ", "t"), "not valid JSON");
  EXPECT_ERROR(Tokenizer::from_bytes("{}", "t"), "key 'model' is missing");
  EXPECT_ERROR(Tokenizer::from_bytes("{\"a\":" + std::string(100, '['), "t"), "nested deeper");
}

}  // namespace
}  // namespace minillm
