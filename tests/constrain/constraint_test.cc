#include "libminillm/constrain/constraint.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "libminillm/constrain/constraint_cache.h"
#include "tests/data/control_pieces.h"
#include "tests/data/test_tokenizer.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

using minillm_testing::test_tokenizer;

const std::shared_ptr<const TokenTrie>& trie() {
  static const auto shared = std::make_shared<const TokenTrie>(test_tokenizer());
  return shared;
}

TokenConstraint schema(const std::string& text) {
  return {CompiledConstraint::of_json_schema(text, trie()), test_tokenizer().end_tokens()};
}
TokenConstraint regex(const std::string& expression, bool after_space = false) {
  return {CompiledConstraint::of_regex(expression, trie()), test_tokenizer().end_tokens(),
          after_space};
}

Token byte_token(uint8_t byte) {
  for (Token id = 0; id < test_tokenizer().vocab_size(); ++id)
    if (test_tokenizer().pieces()[static_cast<size_t>(id)].type == PieceType::kByte &&
        test_tokenizer().token_bytes(id) == std::string(1, static_cast<char>(byte)))
      return id;
  throw Error("no such byte");
}

void accept_bytes(TokenConstraint& constraint, const std::string& bytes) {
  for (const char c : bytes) {
    const Token token = byte_token(static_cast<uint8_t>(c));
    ASSERT_TRUE(constraint.allowed().contains(token)) << bytes << " at " << c;
    constraint.accept(token);
  }
}

// What is allowed, by trying: each token's bytes one after another.
TokenMask tried(const CompiledConstraint& compiled, const std::string& before) {
  StackPool pool(compiled.grammar());
  Stacks start = pool.start(compiled.grammar().start());
  bool overflow = false;
  for (const char c : before) start = pool.after(start, static_cast<uint8_t>(c), &overflow);
  const Tokenizer& tokenizer = test_tokenizer();
  TokenMask mask(tokenizer.vocab_size());
  for (Token id = 0; id < tokenizer.vocab_size(); ++id) {
    if (tokenizer.is_control(id) || id == tokenizer.unk()) continue;
    Stacks stacks = start;
    for (const char c : tokenizer.token_bytes(id))
      stacks = pool.after(stacks, static_cast<uint8_t>(c), &overflow);
    if (!stacks.empty()) mask.add(id);
  }
  return mask;
}

TEST(TokenTrie, HasEveryPieceOfTextOnce) {
  const Tokenizer& tokenizer = test_tokenizer();
  std::vector<int> seen(static_cast<size_t>(tokenizer.vocab_size()));
  std::string path;
  const auto nodes = trie()->nodes();
  for (size_t i = 0; i < nodes.size(); ++i) {
    ASSERT_GT(nodes[i].end, i);
    ASSERT_LE(nodes[i].depth, path.size() + 1);
    path.resize(nodes[i].depth - size_t{1});
    path += static_cast<char>(nodes[i].byte);
    for (const Token token : trie()->tokens(nodes[i])) {
      EXPECT_EQ(tokenizer.token_bytes(token), path);
      ++seen[static_cast<size_t>(token)];
    }
  }
  for (Token id = 0; id < tokenizer.vocab_size(); ++id) {
    const bool is_text = !tokenizer.is_control(id) && id != tokenizer.unk() &&
                         tokenizer.token_bytes(id) != "\xff";  // which begins marks
    EXPECT_EQ(seen[static_cast<size_t>(id)], is_text ? 1 : 0) << tokenizer.piece(id);
  }
}

TEST(Constraint, ControlPiecesAreNeverAllowedAndEndsOnlyWhereItMayEnd) {
  const Tokenizer& tokenizer = test_tokenizer();
  const std::vector<Token> ends = tokenizer.end_tokens();
  ASSERT_FALSE(ends.empty());
  TokenConstraint constraint = regex("ab(cd)?");
  for (const std::string step : {"a", "b", "c", "d"}) {
    for (Token id = 0; id < tokenizer.vocab_size(); ++id)
      if (tokenizer.is_control(id) || id == tokenizer.unk()) {
        const bool is_end = std::ranges::find(ends, id) != ends.end();
        EXPECT_EQ(constraint.allowed().contains(id), is_end && constraint.may_end());
      }
    EXPECT_EQ(constraint.may_end(), step == "c");
    accept_bytes(constraint, step);
  }
  EXPECT_TRUE(constraint.must_end());
  EXPECT_EQ(constraint.allowed().count(), static_cast<Index>(ends.size()));
  constraint.accept(ends[0]);
  EXPECT_TRUE(constraint.must_end());
}

TEST(Constraint, MasksAreWhatTryingEveryTokenSays) {
  const auto expect_same = [](std::shared_ptr<const CompiledConstraint> compiled,
                              const std::string& text) {
    TokenConstraint constraint(compiled, {});
    for (size_t i = 0; i <= text.size(); ++i) {
      ASSERT_EQ(constraint.allowed(), tried(*compiled, text.substr(0, i)))
          << "after " << text.substr(0, i);
      if (i < text.size()) constraint.accept(byte_token(static_cast<uint8_t>(text[i])));
    }
    EXPECT_TRUE(constraint.may_end());
  };
  const char* person = R"({"type": "object", "properties": {
    "goose": {"type": "string", "maxLength": 12}, "the": {"type": "array", "minItems": 1,
    "maxItems": 3, "items": {"type": "integer", "minimum": 7, "maximum": 1930}},
    "cooper": {"enum": ["harbour", "house", "the harbour street"]}}})";
  expect_same(CompiledConstraint::of_json_schema(person, trie()),
              R"({"goose":"Marla \u00e9t","the":[7,12,1930],"cooper":"the harbour street"})");
  expect_same(CompiledConstraint::of_json_schema("{}", trie()), R"([{"a":[null,-1.5e3]},"the"])");
  expect_same(CompiledConstraint::of_regex("(the |a )?[a-z]+( \\d{1,3}){0,40}", trie()),
              "the goose 12 7 930");
}

TEST(Constraint, PiecesMayCrossTheBoundariesOfRules) {
  // One piece for `":` and what follows.
  const Tokenizer tokenizer = Tokenizer::from_bytes(
      train_tokenizer(minillm_testing::text_source({"{\"a\":{\"b\":1},\"c\":2} {\"a\":{\"b\":1},"}),
                      {.vocab_size = 281}),
      "test");
  const auto own = std::make_shared<const TokenTrie>(tokenizer);
  ASSERT_GT(own->longest(), 2u);
  const auto compiled = CompiledConstraint::of_json_schema(
      R"({"properties": {"a": {"properties": {"b": {"type": "integer"}}}, "c": {}}})", own);
  TokenConstraint constraint(compiled, tokenizer.end_tokens());
  bool crossed = false;
  for (const Token token : tokenizer.encode(R"({"a":{"b":1},"c":2})")) {
    ASSERT_TRUE(constraint.allowed().contains(token)) << tokenizer.piece(token);
    crossed = crossed || tokenizer.token_bytes(token).find(":{") != std::string::npos ||
              tokenizer.token_bytes(token).find("},") != std::string::npos;
    constraint.accept(token);
  }
  EXPECT_TRUE(crossed);
  EXPECT_TRUE(constraint.may_end());
}

TEST(Constraint, ACharacterMayBeSplitOverBytePieces) {
  TokenConstraint constraint = schema(R"({"type": "string", "maxLength": 1})");
  accept_bytes(constraint, "\"\xf0\x9f");
  EXPECT_FALSE(constraint.allowed().contains(byte_token('"')));
  accept_bytes(constraint, "\x98\x80");
  EXPECT_TRUE(constraint.allowed().contains(byte_token('"')));
  EXPECT_FALSE(constraint.allowed().contains(byte_token('a')));
  EXPECT_ERROR(constraint.accept(byte_token('a')), "constraint: token");
}

TEST(Constraint, ASpaceInFrontIsNoPartOfTheText) {
  for (const bool space : {false, true}) {
    TokenConstraint constraint = regex("a ?b", true);
    accept_bytes(constraint, std::string(space ? " " : "") + "a b");
    EXPECT_TRUE(constraint.must_end());
  }
  TokenConstraint spaced = regex(" *x", true);  // the first one is taken away, whatever is allowed
  accept_bytes(spaced, " x");
  EXPECT_TRUE(spaced.must_end());
  TokenConstraint plain = regex("a", false);
  EXPECT_FALSE(plain.allowed().contains(byte_token(' ')));
  TokenConstraint one = regex(" x", true);
  accept_bytes(one, " ");  // taken away: now the text's own is due
  EXPECT_FALSE(one.allowed().contains(byte_token('x')));
  accept_bytes(one, " x");
}

TEST(Constraint, WhatIsNotAllowedIsAnError) {
  TokenConstraint constraint = regex("ab");
  EXPECT_ERROR(constraint.accept(byte_token('b')), "not allowed here");
  TokenConstraint other = regex("ab");
  EXPECT_ERROR(other.accept(test_tokenizer().end_tokens()[0]), "the text cannot end here");
  EXPECT_ERROR(other.accept(test_tokenizer().bos()), "not a piece of text");
}

TEST(Constraint, MasksDoNotDependOnWhatElseWasAsked) {
  const auto compiled = CompiledConstraint::of_regex("[a-z]{0,900}( [a-z]{3,700}){2}", trie());
  const std::string text = "thegoose walked andthecooper";
  const auto masks = [&](const CompiledConstraint& of) {
    TokenConstraint constraint({std::shared_ptr<const CompiledConstraint>(), &of}, {});
    std::vector<TokenMask> all;
    for (const char c : text) {
      all.push_back(constraint.allowed());
      constraint.accept(byte_token(static_cast<uint8_t>(c)));
    }
    return all;
  };
  const std::vector<TokenMask> first = masks(*compiled);
  std::vector<std::vector<TokenMask>> others(4);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < others.size(); ++i)
    threads.emplace_back([&, i] { others[i] = masks(*compiled); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& other : others) EXPECT_EQ(other, first);
}

// Thousands of states, so that the kept ones are thrown away in between.
TEST(Constraint, LongTextsStayWithinMemory) {
  const auto compiled = CompiledConstraint::of_json_schema(
      R"({"items": {"type": "array", "items": {"$ref": "#"}}})", trie());
  TokenConstraint constraint(compiled, {});
  accept_bytes(constraint, std::string(3000, '['));
  accept_bytes(constraint, std::string(3000, ']'));
  EXPECT_TRUE(constraint.must_end());
}

TEST(Constraint, ATokenizerThatCannotSpellEveryTextIsRefused) {
  std::string bytes = test_tokenizer().bytes();
  for (int byte = 0; byte < 256; ++byte) {
    const size_t at = bytes.find(fmt::format("<0x{:02X}>", byte));
    bytes[bytes.find('\x18', at + 11) + 1] = 5;  // the piece's type: unused
  }
  bytes += std::string("\x12\x03\x98\x02\x00", 5);  // trainer_spec { byte_fallback: false }
  EXPECT_ERROR(TokenTrie(Tokenizer::from_bytes(bytes, "test")), "got none for 0x00");
}

TEST(ConstraintCache, GivesTheSameOneForTheSameTextAndForgetsTheOldest) {
  ConstraintCache cache(test_tokenizer(), 2);
  const auto a = cache.regex("a");
  EXPECT_EQ(cache.regex("a"), a);
  const auto number = cache.json_schema("{}");
  EXPECT_NE(cache.regex("\\{\\}"), number);  // another kind and text: a and {} are the older ones
  EXPECT_NE(cache.regex("a"), a);
  EXPECT_ERROR(cache.regex("("), "regex");
}

}  // namespace
}  // namespace minillm
