#include "tools/option_names.h"

#include <gtest/gtest.h>

namespace minillm {
namespace {

TEST(OptionNames, FieldsAndFunctionsAreShownAsOptionsAndTools) {
  EXPECT_EQ(in_flags("options.init_from: expected a checkpoint"),
            "--init-from: expected a checkpoint");
  EXPECT_EQ(in_flags("'a.jsonl': wrong kind of data set (which the sft stage takes)"),
            "'a.jsonl': wrong kind of data set (which minillm-sft takes)");
  EXPECT_EQ(in_flags("leave out options.tokenizer or options.out)"),
            "leave out --tokenizer or --out)");
  EXPECT_EQ(in_flags("setting 'train.steps=many': key 'train.steps' has a wrong value"),
            "--set 'train.steps=many': key 'train.steps' has a wrong value");
}

TEST(OptionNames, OtherTextStaysAsItIs) {
  for (const char* text : {"", "file 'options.out': no such file", "options.output",
                           "my_options.out", "a setting of 'train.steps'", "options.out_of"})
    EXPECT_EQ(in_flags(text), text);
}

TEST(OptionNames, EveryNameOfTheTableIsFound) {
  for (const OptionName& name : kOptionNames)
    EXPECT_EQ(in_flags(name.library), name.tool) << name.library;
}

}  // namespace
}  // namespace minillm
