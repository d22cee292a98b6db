#include "libminillm/core/visible.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace minillm {
namespace {

TEST(Visible, SpellsOutWhatATerminalObeys) {
  EXPECT_EQ(visible("a\x1b[31mb\r\x07"), "a\\x1b[31mb\\x0d\\x07");
  EXPECT_EQ(visible("\x7f\xc2\x9b"
                    "31m"),
            "\\u007f\\u009b31m");  // DEL, and CSI as C1
  EXPECT_EQ(visible("\xe2\x80\xae"
                    "evil\xe2\x81\xa6"),
            "\\u202eevil\\u2066");
  EXPECT_EQ(visible("\xd8\x9c\xe2\x80\x8f\xe2\x80\xa8"), "\\u061c\\u200f\\u2028");
  EXPECT_EQ(visible(std::string_view("\0x", 2)), "\\x00x");
}

TEST(Visible, LeavesJsonWithItsMeaning) {
  const nlohmann::json value = {{"a\xc2\x9b", "\x1b[31m \x7f \xe2\x80\xae \xe2\x80\xa8 \n\t\"\\"}};
  EXPECT_NE(visible(value.dump()), value.dump());
  EXPECT_EQ(nlohmann::json::parse(visible(value.dump())), value);
}

TEST(Visible, KeepsTextOfAllScripts) {
  const std::string text =
      "a\tb \xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80 \xd7\xa9 \xd8\xb4 \xc2\xa0 \xe2\x80\x99";
  EXPECT_EQ(visible(text), text);
}

TEST(Visible, KeepsOrShowsLineEnds) {
  EXPECT_EQ(visible("a\nb"), "a\nb");
  EXPECT_EQ(visible("a\nb", LineEnds::kShown), "a\\nb");
}

TEST(Visible, MarkupIsText) {
  EXPECT_EQ(markup_text("<a href=\"x\" id='y'>&"),
            "&#60;a href=&#34;x&#34; id=&#39;y&#39;&#62;&#38;");
  EXPECT_EQ(markup_text("\x01\xff\xef\xbf\xbe"), "\\x01\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(Visible, RepairsWhatIsNoText) {
  EXPECT_EQ(visible("a\xff\xc3"), "a\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(visible("\x9b"
                    "31m"),
            "\xef\xbf\xbd"
            "31m");  // a bare C1 byte
}

}  // namespace
}  // namespace minillm
