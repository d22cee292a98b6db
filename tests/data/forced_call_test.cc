#include "libminillm/data/forced_call.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "libminillm/data/chat_template.h"
#include "tests/data/control_pieces.h"
#include "tests/data/test_tokenizer.h"
#include "tests/data/tool_conversation.h"
#include "tests/testing/expect_error.h"

namespace minillm {
namespace {

using minillm_testing::add_tool;
using minillm_testing::show_ids;
using minillm_testing::test_tokenizer;
using minillm_testing::tokenizer_for_all_templates;

const std::vector<Message> kQuestion = {{Role::kUser, "2 and 3?"}};

// What is put around the JSON is what the template writes there: as ids where marks are control
// pieces, as letters elsewhere.
TEST(ForcedCall, BeginsAndEndsAsTheTemplateWritesCalls) {
  for (const Tokenizer& base :
       {test_tokenizer(), tokenizer_for_all_templates(test_tokenizer(), false),
        tokenizer_for_all_templates(test_tokenizer(), true)}) {
    for (const char* id : {"chatml-space-v1", "qwen-2.5", "llama-3.1", "mistral-v3"}) {
      const ChatTemplate& format = chat_template_named(id);
      bool writable = true;
      for (const TurnFormat::Part& part : format.turn(Role::kUser).header)
        if (part.control && base.control(part.text) < 0) writable = false;
      if (!writable) continue;
      const Tokenizer tokenizer = base.with_chat_template(format);
      const ForcedCall call(tokenizer);
      Message answer{Role::kAssistant, ""};
      answer.calls = {{"add", R"({"a": 2, "b": 3})", "abcdefghi"}};
      const std::string whole = show_ids(tokenizer, render_answer(tokenizer, answer));
      const std::string begin = show_ids(tokenizer, call.beginning());
      EXPECT_TRUE(whole.starts_with(begin + "{\"name\"") || whole.starts_with(begin + " {\"name\""))
          << id << ": " << whole << " does not begin with " << begin;

      ToolCallReader reader(tokenizer);
      call.begin(reader);
      reader.push(R"({"name": "add", ")" + format.tools->arguments_key + R"(": {"a": 2, "b": 3}})");
      call.end(reader);
      reader.finish();
      EXPECT_FALSE(reader.broken()) << id;
      EXPECT_EQ(reader.text(), "") << id;
      ASSERT_EQ(reader.calls().size(), 1U) << id;
      EXPECT_EQ(reader.calls()[0].arguments, R"({"a": 2, "b": 3})");
    }
  }
}

TEST(ForcedCall, TheSchemaIsThatOfTheDeclaredParameters) {
  const Tokenizer tokenizer =
      test_tokenizer().with_chat_template(chat_template_named("chatml-space-v1"));
  const ForcedCall call(tokenizer);
  const auto one = nlohmann::ordered_json::parse(call.schema({add_tool()}));
  EXPECT_EQ(one["properties"]["name"]["const"], "add");
  EXPECT_EQ(one["properties"].begin().key(), "name") << "the name is said first";
  EXPECT_EQ(one["properties"]["arguments"]["required"].size(), 2U);
  EXPECT_EQ(one["required"].size(), 2U);
  const Tool clock = {"clock", R"({"type": "function", "function": {"name": "clock"}})"};
  const auto two = nlohmann::ordered_json::parse(call.schema({add_tool(), clock}));
  ASSERT_EQ(two["anyOf"].size(), 2U);
  EXPECT_EQ(two["anyOf"][1]["properties"]["arguments"]["additionalProperties"], false);
}

TEST(ForcedCall, NeedsATemplateWithTools) {
  const Tokenizer tokenizer = test_tokenizer().with_chat_template(chat_template_named("zephyr"));
  EXPECT_ERROR(ForcedCall{tokenizer}, "chat template 'zephyr': cannot write tools");
}

}  // namespace
}  // namespace minillm
