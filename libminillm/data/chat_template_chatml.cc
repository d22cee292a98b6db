// The templates of the ChatML family: this library's own, and those of Qwen's models.

#include "libminillm/core/check.h"
#include "libminillm/data/chat_template_formats.h"

namespace minillm {
namespace {

// Calls and results of ChatML, as Qwen 2.5 has them; `before` goes in front of every content.
ToolFormat chatml_tools(const std::string& before) {
  ToolFormat f;
  f.marks.assign(kToolMarks.begin(), kToolMarks.end());
  f.call_begin = "<tool_call>\n";
  f.call_end = "\n</tool_call>";
  f.calls_between = f.after_text = "\n";
  f.result_begin = "<tool_response>\n" + before;
  f.result_end = "\n</tool_response>";
  f.results_between = "\n";
  f.joins_results = true;
  return f;
}

const ToolFormat& signature_tools() {
  static const ToolFormat kFormat = [] {
    ToolFormat f = chatml_tools(" ");
    f.spelling = ToolFormat::Spelling::kSignature;
    f.tools_begin = "Tools: ";
    f.tools_between = ", ";
    f.after_prompt = "\n";
    return f;
  }();
  return kFormat;
}

// What Qwen 2.5 and 3 say of tools; between it and a system prompt comes an empty line.
ToolFormat qwen_tools() {
  ToolFormat f = chatml_tools("");
  f.tools_begin =
      "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
      "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n";
  f.tools_between = "\n";
  f.tools_end =
      "\n</tools>\n\nFor each function call, return a json object with function name and "
      "arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": "
      "<function-name>, \"arguments\": <args-json-object>}\n</tool_call>";
  return f;
}

// ChatML with tools. Calls' arguments may be objects or their texts.
void write_chatml(ChatTemplate& t, const std::string& before) {
  for (const Role role : kRoles) {
    const Role header = role == Role::kTool ? Role::kUser : role;
    turn_of(t, role) = {
        {control_part("<|im_start|>"), text_part(std::string(role_name(header)) + "\n")},
        before,
        "",
        "<|im_end|>",
        {text_part("\n")}};
  }
}

// An answer's or a question's content in jinja, and what tells whether there is some.
struct JinjaContent {
  std::string set_up;  // statements before it
  std::string written;
  std::string there;
};

// The jinja text of what write_chatml and chatml_tools write. `system`: what of the first message,
// `prompt` being its content or "", where there are tools; `declared` comes before, and sets ns.
// `prompt_end`: the end of the prompt.
std::string chatml_jinja(const std::string& before, const std::string& declared,
                         const std::string& first_system, const JinjaContent& content,
                         const std::string& prompt_end = "") {
  return declared + first_system +
         "{% for m in messages %}"
         "{% if m['role'] == 'system' and loop.first %}"
         "{% elif m['role'] == 'tool' %}"
         "{{ '\\n' if not loop.first and messages[loop.index0 - 1]['role'] == 'tool' else "
         "'<|im_start|>user\\n' }}"
         "{{ '<tool_response>\\n" +
         before +
         "' + m['content'] + '\\n</tool_response>' }}"
         "{% if loop.last or messages[loop.index0 + 1]['role'] != 'tool' %}"
         "{{ '<|im_end|>\\n' }}{% endif %}"
         "{% else %}"
         "{{ '<|im_start|>' + m['role'] + '\\n' }}" +
         content.set_up + content.written +
         "{% if m['tool_calls'] %}{% for c in m['tool_calls'] %}{% set f = c['function'] %}"
         "{{ '\\n' if " +
         content.there +
         " or not loop.first else '' }}"
         "{{ '<tool_call>\\n{\"name\": \"' + f['name'] + '\", \"arguments\": ' }}"
         "{{ f['arguments'] if f['arguments'] is string else f['arguments'] | tojson }}"
         "{{ '}\\n</tool_call>' }}"
         "{% endfor %}{% endif %}"
         "{{ '<|im_end|>\\n' }}"
         "{% endif %}{% endfor %}"
         "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n" +
         prompt_end + "' }}{% endif %}";
}

// The content as it is.
JinjaContent plain_content(const std::string& before) {
  return {"",
          "{% if m['content'] or not m['tool_calls'] %}{{ '" + before +
              "' + m['content'] }}{% endif %}",
          "m['content']"};
}

// An answer with its thoughts, as ChatTemplate::thinks describes it; q.last is the index of the
// last question. `thoughts`: those of an answer that follows it.
JinjaContent thinking_content(const std::string& thoughts) {
  return {
      "{% set content = m['content'] or '' %}{% set thoughts = '' %}"
      "{% if m['role'] == 'assistant' %}"
      "{% if m['reasoning_content'] is string %}{% set thoughts = m['reasoning_content'] %}"
      "{% elif '</think>' in content %}"
      "{% set thoughts = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1] %}"
      "{% set content = content.split('</think>')[-1].lstrip('\\n') %}"
      "{% endif %}"
      "{% set thoughts = thoughts.strip('\\n') %}"
      "{% if loop.index0 > q.last and (loop.last or thoughts) %}"
      "{{ '<think>\\n' + " +
          thoughts +
          " + '\\n</think>\\n\\n' }}"
          "{% set content = content.lstrip('\\n') %}"
          "{% endif %}{% endif %}",
      "{{ content }}", "content"};
}

// Qwen 3 (Alibaba), as its published text writes where nobody says whether to think, or as it does
// where thinking is switched off.
ChatTemplate qwen3_with(const std::string& id, bool thinks_aloud) {
  static const ToolFormat kTools = [] {
    ToolFormat f = qwen_tools();
    f.after_prompt = "\n\n";
    return f;
  }();
  ChatTemplate t;
  t.id = id;
  t.tools = &kTools;
  t.thinks = true;
  if (!thinks_aloud) t.no_thoughts = "<think>\n\n</think>\n\n";
  write_chatml(t, "");
  std::string prompt_end = jinja_quoted(t.no_thoughts);
  t.jinja = chatml_jinja(
      "",
      "{% set q = namespace(last=messages | length - 1) %}{% for m in messages %}"
      "{% if m['role'] == 'user' and not (m['content'].startswith('<tool_response>') and "
      "m['content'].endswith('</tool_response>')) %}{% set q.last = loop.index0 %}{% endif %}"
      "{% endfor %}",
      "{% set prompt = messages[0]['content'] if messages[0]['role'] == 'system' else none %}"
      "{% if prompt is not none or tools %}"
      "{{ '<|im_start|>system\\n' + (prompt or '') }}"
      "{% if tools %}{{ '\\n\\n' if prompt else '' }}{% for tool in tools %}"
      "{{ " +
          jinja_quoted(kTools.tools_begin) + " if loop.first else " +
          jinja_quoted(kTools.tools_between) + " }}{{ tool | tojson }}{% endfor %}{{ " +
          jinja_quoted(kTools.tools_end) + " }}{% endif %}{{ '<|im_end|>\\n' }}{% endif %}",
      thinking_content(thinks_aloud ? "thoughts" : "('' if loop.last else thoughts)"),
      prompt_end.substr(1, prompt_end.size() - 2));
  return t;
}

}  // namespace

ChatTemplate chatml_space() {
  ChatTemplate t;
  t.id = kChatTemplateId;
  t.start = "<s>";
  t.tools = &signature_tools();
  write_chatml(t, " ");
  t.jinja =
      "{{ bos_token }}" +
      chatml_jinja(
          " ",
          "{% set ns = namespace(tools='') %}"
          "{% if tools %}{% for tool in tools %}{% set f = tool['function'] %}"
          "{% set ns.tools = ns.tools + (', ' if not loop.first else '') + f['name'] + '(' %}"
          "{% if f['parameters'] and f['parameters']['properties'] %}"
          "{% for key, p in f['parameters']['properties'].items() %}"
          "{% set ns.tools = ns.tools + (', ' if not loop.first else '') + key + "
          "(': ' + p['type'] if p['type'] is string else '') %}"
          "{% endfor %}{% endif %}"
          "{% set ns.tools = ns.tools + ')' %}"
          "{% endfor %}{% endif %}",
          "{% set prompt = messages[0]['content'] if messages[0]['role'] == 'system' else none %}"
          "{% if prompt is not none or ns.tools %}"
          "{{ '<|im_start|>system\\n ' + (prompt if prompt is not none else '') + "
          "('\\n' if prompt and ns.tools else '') + ('Tools: ' + ns.tools if ns.tools else '') + "
          "'<|im_end|>\\n' }}"
          "{% endif %}",
          plain_content(" "));
  return t;
}

// Qwen 2.5 (Alibaba).
ChatTemplate qwen25() {
  ChatTemplate t;
  t.id = "qwen-2.5";
  static const ToolFormat kTools = [] {
    ToolFormat f = qwen_tools();
    f.tools_begin.insert(0, "\n\n");  // there always is a system prompt
    return f;
  }();
  t.tools = &kTools;
  t.default_system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
  write_chatml(t, "");
  t.jinja = chatml_jinja(
      "", "",
      "{{ '<|im_start|>system\\n' + (messages[0]['content'] if messages[0]['role'] == 'system' "
      "else " +
          jinja_quoted(*t.default_system) +
          ") }}"
          "{% if tools %}{% for tool in tools %}"
          "{{ " +
          jinja_quoted(t.tools->tools_begin) + " if loop.first else " +
          jinja_quoted(t.tools->tools_between) + " }}{{ tool | tojson }}{% endfor %}{{ " +
          jinja_quoted(t.tools->tools_end) + " }}{% endif %}{{ '<|im_end|>\\n' }}",
      plain_content(""));
  return t;
}

ChatTemplate qwen3() { return qwen3_with("qwen-3", true); }
ChatTemplate qwen3_no_think() { return qwen3_with("qwen-3-no-think", false); }

}  // namespace minillm
