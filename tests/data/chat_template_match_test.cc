// Which template a jinja text is: the one that writes the same.

#include <gtest/gtest.h>

#include "libminillm/data/chat_template.h"
#include "libminillm/data/jinja.h"

namespace minillm {
namespace {

TEST(ChatTemplateMatch, AreRecognisedByTheirJinjaText) {
  for (const ChatTemplate& format : chat_templates())
    EXPECT_EQ(recognise_chat_template(format.jinja), &format) << format.id;
  const auto name = [](const std::string& jinja) {
    const ChatTemplate* found = recognise_chat_template(jinja);
    return found == nullptr ? "" : found->id;
  };
  EXPECT_EQ(name(""), "");
  EXPECT_EQ(name("{{ messages }}"), "");
}

// Published templates, each of which writes exactly what one of ours does.
TEST(ChatTemplateMatch, PublishedTextsAreRecognised) {
  const std::pair<const char*, const char*> kPublished[] = {
      // OpenHermes, Dolphin, SmolLM
      {"chatml",
       "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "
       "message['content'] + "
       "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ "
       "'<|im_start|>assistant\n' }}"
       "{% endif %}"},
      // Yi
      {"chatml",
       "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% "
       "endif %}"
       "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "
       "message['content'] + "
       "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ "
       "'<|im_start|>assistant\n' }}"
       "{% endif %}"},
      // Qwen 1.5's base models
      {"chatml",
       "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "
       "message['content']}}"
       "{% if (loop.last and add_generation_prompt) or not loop.last %}{{ '<|im_end|>' + '\n'}}"
       "{% else %}{{ '<|im_end|>' }}{% endif %}{% endfor %}\n"
       "{% if add_generation_prompt and messages[-1]['role'] != 'assistant' %}"
       "{{ '<|im_start|>assistant\n' }}{% endif %}"},
      {"chatml",
       "{%- for message in messages -%}\n    {{- '<|im_start|>' + message.role }}\n"
       "    {{- '\\n' + message.content + '<|im_end|>\\n' }}\n{%- endfor -%}\n"
       "{# the answer #}{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- "
       "endif -%}"},
      // Zephyr, TinyLlama
      {"zephyr",
       "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + "
       "message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n{{ "
       "'<|system|>\n' + "
       "message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n{{ "
       "'<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and "
       "add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}"},
      // Tulu 3
      {"tulu",
       "{% for message in messages %}{% if message['role'] == 'system' %}{{ '<|system|>\n' + "
       "message['content'] + '\n' }}{% elif message['role'] == 'user' %}{{ '<|user|>\n' + "
       "message['content'] + '\n' }}{% elif message['role'] == 'assistant' %}{% if not loop.last "
       "%}{{ "
       "'<|assistant|>\n'  + message['content'] + eos_token + '\n' }}{% else %}{{ "
       "'<|assistant|>\n'  + "
       "message['content'] + eos_token }}{% endif %}{% endif %}{% if loop.last and "
       "add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}"},
      // Gemma 2, which refuses system prompts
      {"gemma",
       "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not "
       "supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != "
       "(loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate "
       "user/assistant/user/assistant/...') }}{% endif %}{% if (message['role'] == 'assistant') %}"
       "{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ "
       "'<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% "
       "endfor "
       "%}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"},
      // Llama 2
      {"llama-2",
       "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set "
       "system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% "
       "set "
       "system_message = false %}{% endif %}{% for message in loop_messages %}{% if "
       "(message['role'] == "
       "'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate "
       "user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message "
       "!= "
       "false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + "
       "message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if "
       "message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% "
       "elif "
       "message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}"
       "{% endfor %}"},
      // Llama 3
      {"llama-3",
       "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = "
       "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | "
       "trim + "
       "'<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif "
       "%}{{ "
       "content }}{% endfor %}{% if add_generation_prompt %}{{ "
       "'<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"}};
  for (const auto& [id, jinja] : kPublished) {
    const ChatTemplate* found = recognise_chat_template(jinja);
    ASSERT_NE(found, nullptr) << jinja;
    EXPECT_EQ(found->id, id) << jinja;
  }
}

TEST(ChatTemplateMatch, WhatWritesSomethingElseIsNotRecognised) {
  const std::string turn =
      "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}";
  const std::string loop = "{% for m in messages %}", end = "{% endfor %}",
                    open =
                        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
  ASSERT_NE(recognise_chat_template(loop + turn + end + open), nullptr);
  for (const std::string& jinja :
       {// a system prompt of its own
        loop +
            "{% if loop.first and m['role'] != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n"
            "{% endif %}" +
            turn + end + open,
        "{{ bos_token }}" + loop + turn + end + open,  // another start
        loop + "{{ '<|im_start|>' + m['role'] + '\n' + m['content']|trim + '<|im_end|>\n' }}" +
            end + open,
        loop + "{{ '<|im_start|>' + m['role'] + ' ' + m['content'] + '<|im_end|>\n' }}" + end +
            open,
        loop + turn + end,  // no answer begins
        loop + "{% if m['role'] != 'system' %}" + turn + "{% endif %}" + end + open,  // drops one
        loop + turn.substr(0, turn.size() - 10) + "}}" + end + open,                  // no line end
        loop + turn + "{% if m.tool_calls is defined %}x{% endif %}{{ '' }} " + end + open,
        "{% for m in messages[1:] %}" + turn + end + open,
        "{% macro f() %}{% endmacro %}" + loop + turn + end + open,
        loop + turn +
            "{% for x in messages %}{% for y in messages %}{% for z in messages %}{{ '' }}" + end +
            end + end + end + open + "{{ strftime_now('%Y') }}",
        std::string("{% for m in messages %}{{ m }}"), std::string("{{"),
        std::string("{% endfor %}"), std::string("{% if %}"), std::string("{{ 'a' * 3 }}"),
        std::string("<|im_start|><|im_end|>"),
        // Mistral v3 as others have put it: blanks around the marks; none before an answer. Neither
        // says a system prompt.
        std::string("{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}"
                    "{{ ' [INST] ' + m['content'] + ' [/INST]' }}"
                    "{% elif m['role'] == 'assistant' %}"
                    "{{ ' ' + m['content'] + ' ' + eos_token }}{% endif %}{% endfor %}"),
        std::string("{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}"
                    "{{ '[INST] ' + m['content'] + '[/INST]' }}"
                    "{% elif m['role'] == 'assistant' %}"
                    "{{ m['content'] + eos_token }}{% endif %}{% endfor %}")})
    EXPECT_EQ(recognise_chat_template(jinja), nullptr) << jinja;
}

std::string rendered(const std::string& jinja) {
  try {
    return render_jinja(jinja, {{"n", 2}, {"list", {"a", "b", "c"}}, {"word", " x "}});
  } catch (const JinjaError& error) {
    return std::string("refused: ") + error.what();
  }
}

// What Jinja2 writes, with trim_blocks and lstrip_blocks.
TEST(Jinja, WritesWhatJinjaWrites) {
  for (const auto& [jinja, expected] : std::vector<std::pair<std::string, std::string>>{
           {"a\n", "a"},
           {"a{% if n == 2 %}\n b\n  {% endif %}\nc", "a b\nc"},
           {"a \n {%- if n %}  b{%- endif -%} \n c", "a  bc"},
           {"{# note #}a {{- ' b' -}} c", "a bc"},
           {"{% for x in list %}{{ loop.index0 ~ x }}{% if not loop.last %},{% endif %}{% endfor "
            "%}",
            "0a,1b,2c"},
           {"{% for x in list[1:] %}{{ x }}{% endfor %}{{ list[-1] }}{{ list[9] }}", "bcc"},
           {"{% set a = 1 %}{% for x in list %}{% set a = 5 %}{% endfor %}{{ a }}", "1"},
           {"{% set s = namespace(a=1) %}{% for x in list %}{% set s.a = s.a + 1 %}{% endfor %}{{ "
            "s.a }}",
            "4"},
           {"{{ word|trim + word.strip() }}|{{ (word if n > 3 else 'no') }}", "xx|no"},
           {"{% if n is defined and m is not defined and 'b' in list and 'z' not in list %}y{% "
            "endif %}",
            "y"},
           {"{% if n % 2 == 0 and not n == 3 or x %}even{% else %}odd{% endif %}", "even"},
           {"{% for x in list[::-1] %}{{ x }}{% endfor %}{{ 'a--b'.split('-') | length }}"
            "{{ 'x</t>\\n y'.split('</t>')[-1].lstrip('\\n') }}|{{ '--a-'.strip('-') }}",
            "cba3 y|a"},
           {"{% if m is not true and (n == 2) is true %}{{ 'a/b/'.replace('/', '') }}{% endif %}",
            "ab"},
           {"{{ list | string }}{{ [n, 'it\\'s', none] | string }}{{ word | string }}",
            "['a', 'b', 'c'][2, \"it's\", None] x "},
           {"{{ 'it\\'s\\n' }}{{ \"%}\" }}{ % {", "it's\n%}{ % {"},
           {"{% if false %}{% for x in unknown.thing() %}{% endfor %}{% elif n < 1 %}a{% endif %}b",
            "b"}})
    EXPECT_EQ(rendered(jinja), expected) << jinja;
}

TEST(Jinja, RefusesWhatItDoesNotUnderstand) {
  for (const char* jinja : {"{{ word|upper }}",
                            "{{ word.upper() }}",
                            "{{ word.split('') }}",
                            "{{ list[::2] }}",
                            "{{ word.replace('x', 'xx') }}",
                            "{{ strftime_now('%Y') }}",
                            "{{ f(1) }}",
                            "{% include 'x' %}",
                            "{{ list }}",
                            "{{ raise_exception('no') }}",
                            "{{ 1 +",
                            "{{ 'a }}",
                            "{% for x in n %}{% endfor %}",
                            "{% endif %}",
                            "{{ n % 0 }}",
                            "{{ -word }}",
                            "{% for a in list %}",
                            "{{ n n }}",
                            "{{ 12345678 }}",
                            "{{ namespace( }}",
                            "{{ namespace(a=1 }}"})
    EXPECT_TRUE(rendered(jinja).starts_with("refused: ")) << jinja << ": " << rendered(jinja);
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += "{% if n %}";
  EXPECT_EQ(rendered(deep), "refused: nested too deeply");
  EXPECT_EQ(rendered("{{ " + std::string(500, '(') + " }}"), "refused: nested too deeply");
  std::string slow = "x";
  for (int i = 0; i < 12; ++i) slow = "{% for x in list %}" + slow + "{% endfor %}";
  EXPECT_EQ(rendered(slow), "refused: too many steps");
}

}  // namespace
}  // namespace minillm
