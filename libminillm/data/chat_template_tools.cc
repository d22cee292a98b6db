// The templates that write tools as Meta's and Mistral's models were taught to call them.

#include "libminillm/core/check.h"
#include "libminillm/data/chat_template_formats.h"

namespace minillm {
namespace {

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

// `space`: after a mark.
ToolFormat mistral_tools(const std::string& space) {
  ToolFormat f;
  f.marks = {"[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]",
             "[/TOOL_RESULTS]"};
  f.place = ToolFormat::Place::kBeforeLastUser;
  f.tools_begin = "[AVAILABLE_TOOLS]" + space + "[";
  f.tools_between = ", ";
  f.tools_end = "][/AVAILABLE_TOOLS]";
  f.calls_begin = "[TOOL_CALLS]" + space + "[";
  f.calls_between = ", ";
  f.calls_end = "]";
  f.takes_text = false;
  f.writes_ids = true;
  f.result_begin = "[TOOL_RESULTS]" + space + "{\"content\": ";
  f.result_end = "[/TOOL_RESULTS]";
  return f;
}

}  // namespace

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

namespace {

// `space`: after marks, and before contents.
ChatTemplate mistral(const std::string& id, const ToolFormat& tools, const std::string& space) {
  ChatTemplate t;
  t.id = id;
  t.start = "<s>";
  t.system_end = "\n\n";
  t.system_last = true;
  t.trims_answers = !space.empty();
  t.tools = &tools;
  turn_of(t, Role::kUser) = {{control_part("[INST]")}, space, "", "[/INST]", {}};
  turn_of(t, Role::kAssistant) = {{}, space, "", "</s>", {}};
  const std::string answer = space.empty() ? "m['content']" : "' ' + m['content'] | trim";
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
      "{% for tool in tools %}{{ '[AVAILABLE_TOOLS]" +
      space +
      "[' if loop.first else ', ' }}"
      "{{ tool | tojson }}{% endfor %}{{ '][/AVAILABLE_TOOLS]' }}"
      "{% endif %}"
      "{{ '[INST]" +
      space +
      "' + (ns.system if loop.index0 == ns.last else '') + m['content'] + '[/INST]' }}"
      "{% elif m['role'] == 'assistant' and m['tool_calls'] %}"
      "{% for c in m['tool_calls'] %}{% set f = c['function'] %}"
      "{{ '[TOOL_CALLS]" +
      space +
      "[' if loop.first else ', ' }}"
      "{{ '{\"name\": \"' + f['name'] + '\", \"arguments\": ' }}"
      "{{ f['arguments'] if f['arguments'] is string else f['arguments'] | tojson }}"
      "{{ ', \"id\": \"' + c['id'] + '\"}' }}"
      "{% endfor %}{{ ']' + eos_token }}"
      "{% elif m['role'] == 'assistant' %}{{ " +
      answer +
      " + eos_token }}"
      "{% elif m['role'] == 'tool' %}"
      "{{ '[TOOL_RESULTS]" +
      space +
      "{\"content\": ' + m['content'] + ', \"call_id\": \"' + "
      "m['tool_call_id'] + '\"}[/TOOL_RESULTS]' }}"
      "{% endif %}{% endfor %}";
  return t;
}

}  // namespace

// Mistral 7B Instruct v0.3.
ChatTemplate mistral_v3() {
  static const ToolFormat kTools = mistral_tools(" ");
  return mistral("mistral-v3", kTools, " ");
}

// Mistral Nemo Instruct 2407.
ChatTemplate mistral_nemo() {
  static const ToolFormat kTools = mistral_tools("");
  return mistral("mistral-nemo", kTools, "");
}

}  // namespace minillm
