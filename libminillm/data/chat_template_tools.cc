// The templates that write tools: this library's own, and those of models that were taught to call.

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

const ToolFormat& qwen_tools() {
  static const ToolFormat kFormat = [] {
    ToolFormat f = chatml_tools("");
    f.tools_begin =
        "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
        "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n";
    f.tools_between = "\n";
    f.tools_end =
        "\n</tools>\n\nFor each function call, return a json object with function name and "
        "arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": "
        "<function-name>, \"arguments\": <args-json-object>}\n</tool_call>";
    return f;
  }();
  return kFormat;
}

const ToolFormat& llama_tools() {
  static const ToolFormat kFormat = [] {
    ToolFormat f;
    f.spelling = ToolFormat::Spelling::kIndentedJson;
    f.place = ToolFormat::Place::kFirstUser;
    f.environment = "Environment: ipython\n";
    f.tools_begin =
        "Given the following functions, please respond with a JSON for a function call with its "
        "proper arguments that best answers the given prompt.\n\nRespond in the format {\"name\": "
        "function name, \"parameters\": dictionary of argument name and its value}.Do not use "
        "variables.\n\n";
    f.tools_between = f.tools_end = "\n\n";
    f.arguments_key = "parameters";
    f.takes_text = f.takes_many = false;
    f.quotes_results = true;
    return f;
  }();
  return kFormat;
}

const ToolFormat& mistral_tools() {
  static const ToolFormat kFormat = [] {
    ToolFormat f;
    f.marks = {"[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]",
               "[/TOOL_RESULTS]"};
    f.place = ToolFormat::Place::kBeforeLastUser;
    f.tools_begin = "[AVAILABLE_TOOLS] [";
    f.tools_between = ", ";
    f.tools_end = "][/AVAILABLE_TOOLS]";
    f.calls_begin = "[TOOL_CALLS] [";
    f.calls_between = ", ";
    f.calls_end = "]";
    f.takes_text = false;
    f.writes_ids = true;
    f.result_begin = "[TOOL_RESULTS] {\"content\": ";
    f.result_end = "[/TOOL_RESULTS]";
    return f;
  }();
  return kFormat;
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

// The jinja text of what write_chatml and chatml_tools write. `system`: what of the first message,
// `prompt` being its content or "", where there are tools; `declared` comes before, and sets ns.
std::string chatml_jinja(const std::string& before, const std::string& declared,
                         const std::string& first_system) {
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
         "{{ '<|im_start|>' + m['role'] + '\\n' }}"
         "{% if m['content'] or not m['tool_calls'] %}{{ '" +
         before +
         "' + m['content'] }}{% endif %}"
         "{% if m['tool_calls'] %}{% for c in m['tool_calls'] %}{% set f = c['function'] %}"
         "{{ '\\n' if m['content'] or not loop.first else '' }}"
         "{{ '<tool_call>\\n{\"name\": \"' + f['name'] + '\", \"arguments\": ' }}"
         "{{ f['arguments'] if f['arguments'] is string else f['arguments'] | tojson }}"
         "{{ '}\\n</tool_call>' }}"
         "{% endfor %}{% endif %}"
         "{{ '<|im_end|>\\n' }}"
         "{% endif %}{% endfor %}"
         "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
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
          "{% endif %}");
  return t;
}

// Qwen 2.5 (Alibaba).
ChatTemplate qwen25() {
  ChatTemplate t;
  t.id = "qwen-2.5";
  t.tools = &qwen_tools();
  t.default_system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
  write_chatml(t, "");
  const auto quoted = [](std::string words) {
    for (size_t i = 0; (i = words.find('\n', i)) != words.npos;) words.replace(i, 1, "\\n");
    return "'" + words + "'";
  };
  t.jinja = chatml_jinja(
      "", "",
      "{{ '<|im_start|>system\\n' + (messages[0]['content'] if messages[0]['role'] == 'system' "
      "else " +
          quoted(*t.default_system) +
          ") }}"
          "{% if tools %}{% for tool in tools %}"
          "{{ " +
          quoted(t.tools->tools_begin) + " if loop.first else " + quoted(t.tools->tools_between) +
          " }}{{ tool | tojson }}{% endfor %}{{ " + quoted(t.tools->tools_end) +
          " }}{% endif %}{{ '<|im_end|>\\n' }}");
  return t;
}

// Llama 3.1 (Meta) with the date that its template has where it is not told another.
ChatTemplate llama31() {
  ChatTemplate t;
  t.id = "llama-3.1";
  t.start = "<|begin_of_text|>";
  t.trims = true;
  t.tools = &llama_tools();
  t.default_system = "";
  for (const Role role : kRoles)
    turn_of(t, role) = {{control_part("<|start_header_id|>"),
                         text_part(role == Role::kTool ? "ipython" : role_name(role)),
                         control_part("<|end_header_id|>"), text_part("\n\n")},
                        role == Role::kSystem
                            ? "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
                            : "",
                        "",
                        "<|eot_id|>",
                        {}};
  const std::string header = "'<|start_header_id|>' + ", close = " + '<|end_header_id|>\\n\\n'";
  t.jinja =
      "{{ bos_token }}"
      "{% set has_system = messages[0]['role'] == 'system' %}"
      "{% set system = messages[0]['content'] | trim if has_system else '' %}"
      "{{ " +
      header + "'system'" + close +
      " + ('Environment: ipython\\n' if tools else '') + "
      "'Cutting Knowledge Date: December 2023\\nToday Date: 26 Jul 2024\\n\\n' + system + "
      "'<|eot_id|>' }}"
      "{% for m in (messages[1:] if has_system else messages) %}"
      "{% if m['role'] == 'tool' %}"
      "{{ " +
      header + "'ipython'" + close +
      " + (m['content'] | tojson) + '<|eot_id|>' }}"
      "{% elif m['tool_calls'] %}{% set f = m['tool_calls'][0]['function'] %}"
      "{{ " +
      header + "'assistant'" + close +
      " + '{\"name\": \"' + f['name'] + '\", \"parameters\": ' }}"
      "{{ f['arguments'] if f['arguments'] is string else f['arguments'] | tojson }}"
      "{{ '}<|eot_id|>' }}"
      "{% else %}"
      "{{ " +
      header + "m['role']" + close +
      " }}"
      "{% if loop.first and tools %}{{ 'Given the following functions, please respond with a JSON "
      "for a function call with its proper arguments that best answers the given prompt.\\n\\n"
      "Respond in the format {\"name\": function name, \"parameters\": dictionary of argument name "
      "and its value}.Do not use variables.\\n\\n' }}"
      "{% for tool in tools %}{{ tool | tojson(indent=4) + '\\n\\n' }}{% endfor %}{% endif %}"
      "{{ m['content'] | trim + '<|eot_id|>' }}"
      "{% endif %}{% endfor %}"
      "{% if add_generation_prompt %}{{ " +
      header + "'assistant'" + close + " }}{% endif %}";
  return t;
}

// Mistral 7B Instruct v0.3.
ChatTemplate mistral_v3() {
  ChatTemplate t;
  t.id = "mistral-v3";
  t.start = "<s>";
  t.system_end = "\n\n";
  t.system_last = t.trims_answers = true;
  t.tools = &mistral_tools();
  turn_of(t, Role::kUser) = {{control_part("[INST]")}, " ", "", "[/INST]", {}};
  turn_of(t, Role::kAssistant) = {{}, " ", "", "</s>", {}};
  t.jinja =
      "{{ bos_token }}"
      "{% set ns = namespace(system='', last=0, calls=0, results=0) %}"
      "{% for m in messages %}"
      "{% if m['role'] == 'user' %}{% set ns.last = loop.index0 %}{% endif %}"
      "{% if m['role'] == 'system' %}{% set ns.system = ns.system + m['content'] + '\\n\\n' %}"
      "{% endif %}{% endfor %}"
      "{% for m in messages %}"
      "{% if m['role'] == 'user' %}"
      "{% if loop.index0 == ns.last and tools %}"
      "{% for tool in tools %}{{ '[AVAILABLE_TOOLS] [' if loop.first else ', ' }}"
      "{{ tool | tojson }}{% endfor %}{{ '][/AVAILABLE_TOOLS]' }}"
      "{% endif %}"
      "{{ '[INST] ' + (ns.system if loop.index0 == ns.last else '') + m['content'] + '[/INST]' }}"
      "{% elif m['role'] == 'assistant' and m['tool_calls'] %}"
      "{% for c in m['tool_calls'] %}{% set f = c['function'] %}"
      "{{ '[TOOL_CALLS] [' if loop.first else ', ' }}"
      "{{ '{\"name\": \"' + f['name'] + '\", \"arguments\": ' }}"
      "{{ f['arguments'] if f['arguments'] is string else f['arguments'] | tojson }}"
      "{{ ', \"id\": \"' + c['id'] + '\"}' }}"
      "{% endfor %}{{ ']' + eos_token }}"
      "{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] | trim + eos_token }}"
      "{% elif m['role'] == 'tool' %}"
      "{{ '[TOOL_RESULTS] {\"content\": ' + m['content'] + ', \"call_id\": \"' + "
      "m['tool_call_id'] + '\"}[/TOOL_RESULTS]' }}"
      "{% endif %}{% endfor %}";
  return t;
}

}  // namespace minillm
