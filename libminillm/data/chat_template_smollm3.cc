// SmolLM 3's templates (Hugging Face): ChatML whose system turn says whether to think.

#include "libminillm/data/chat_template_formats.h"

namespace minillm {
namespace {

// The published text has no place for calls: as its system turn asks for them, they are what an
// answer says.
const ToolFormat& smollm3_tools() {
  static const ToolFormat kFormat = [] {
    ToolFormat f;
    f.marks = {"<tool_call>", "</tool_call>"};
    f.spelling = ToolFormat::Spelling::kPython;
    f.tools_begin =
        "### Tools\n\nYou may call one or more functions to assist with the user query.\n"
        "You are provided with function signatures within <tools></tools> XML tags:\n\n<tools>\n";
    f.tools_between = "\n";
    f.tools_end =
        "\n</tools>\n\nFor each function call, return a json object with function name and "
        "arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": "
        "<function-name>, \"arguments\": <args-json-object>}\n</tool_call>\n\n";
    f.call_begin = "<tool_call>\n";
    f.call_end = "\n</tool_call>";
    f.calls_between = f.after_text = "\n";
    f.calls_are_content = true;
    return f;
  }();
  return kFormat;
}

ReasoningModes smollm3_modes(bool thinks) {
  ReasoningModes modes;
  modes.thinks = thinks;
  modes.before =
      "## Metadata\n\nKnowledge Cutoff Date: June 2025\nToday Date: 26 July 2024\n"
      "Reasoning Mode: ";
  modes.after = "\n\n## Custom Instructions\n\n";
  modes.after_prompt = "\n\n";
  modes.silent_prompt = "You are a helpful AI assistant named SmolLM, trained by Hugging Face.";
  modes.thinking_prompt =
      modes.silent_prompt +
      " Your role as an assistant involves thoroughly exploring questions through a systematic "
      "thinking process before providing the final precise and accurate solutions. This requires "
      "engaging in a comprehensive cycle of analysis, summarizing, exploration, reassessment, "
      "reflection, backtracking, and iteration to develop well-considered thinking process. Please "
      "structure your response into two main sections: Thought and Solution using the specified "
      "format: <think> Thought section </think> Solution section. In the Thought section, detail "
      "your reasoning process in steps. Each step should include detailed considerations such as "
      "analysing questions, summarizing relevant findings, brainstorming new ideas, verifying the "
      "accuracy of the current steps, refining any errors, and revisiting previous steps. In the "
      "Solution section, based on various attempts, explorations, and reflections from the Thought "
      "section, systematically present the final solution that you deem correct. The Solution "
      "section should be logical, accurate, and concise and detail necessary steps needed to reach "
      "the conclusion.";
  return modes;
}

// What ReasoningModes and smollm3_tools() describe, and system messages after the first.
std::string smollm3_jinja(const ReasoningModes& modes, const ToolFormat& tools,
                          const std::string& no_thoughts) {
  const std::string silent = jinja_quoted(no_thoughts);
  return "{% set system = messages[0]['content'] if messages[0]['role'] == 'system' else '' %}"
         "{% set mode = '/no_think' if '/no_think' in system else ('/think' if '/think' in system "
         "else '" +
         std::string(modes.thinks ? "/think" : "/no_think") +
         "') %}"
         "{% set prompt = system.replace('/no_think', '').replace('/think', '').rstrip() %}"
         "{% set alone = '/system_override' in system %}"
         "{{ '<|im_start|>system\\n' }}"
         "{% if alone %}"
         "{% if tools %}{{ raise_exception('no tools beside /system_override') }}{% endif %}"
         "{{ prompt.replace('/system_override', '').rstrip() }}"
         "{% else %}"
         "{{ " +
         jinja_quoted(modes.before) + " + mode + " + jinja_quoted(modes.after) +
         " + (prompt if prompt else (" + jinja_quoted(modes.thinking_prompt) +
         " if mode == '/think' else " + jinja_quoted(modes.silent_prompt) + ")) + " +
         jinja_quoted(modes.after_prompt) +
         " }}"
         "{% if tools %}{% for tool in tools %}{{ " +
         jinja_quoted(tools.tools_begin) + " if loop.first else " +
         jinja_quoted(tools.tools_between) + " }}{{ tool | string }}{% endfor %}{{ " +
         jinja_quoted(tools.tools_end) +
         " }}{% endif %}"
         "{% endif %}"
         "{% if alone or tools %}{{ '<|im_end|>\\n' }}{% endif %}"
         "{% for m in messages %}"
         "{% if m['role'] == 'system' and loop.first %}"
         "{% elif m['role'] == 'assistant' %}"
         "{% set content = (m['content'] or '').lstrip('\\n') %}"
         "{{ '<|im_start|>assistant\\n' + (" +
         silent +
         " if mode == '/no_think' else '') + content }}"
         "{% if m['tool_calls'] %}{% for c in m['tool_calls'] %}{% set f = c['function'] %}"
         "{{ '\\n' if content or not loop.first else '' }}"
         "{{ '<tool_call>\\n{\"name\": \"' + f['name'] + '\", \"arguments\": ' }}"
         "{{ f['arguments'] if f['arguments'] is string else f['arguments'] | tojson }}"
         "{{ '}\\n</tool_call>' }}"
         "{% endfor %}{% endif %}"
         "{{ '<|im_end|>\\n' }}"
         "{% else %}"
         "{{ '<|im_start|>' + ('user' if m['role'] == 'tool' else m['role']) + '\\n' + "
         "m['content'] + '<|im_end|>\\n' }}"
         "{% endif %}{% endfor %}"
         "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' + (" +
         silent + " if mode == '/no_think' else '') }}{% endif %}";
}

ChatTemplate smollm3_with(const std::string& id, bool thinks) {
  ChatTemplate t;
  t.id = id;
  t.tools = &smollm3_tools();
  t.modes = smollm3_modes(thinks);
  t.no_thoughts = "<think>\n\n</think>\n";
  t.default_system = "";
  for (const Role role : kRoles) {
    const Role header = role == Role::kTool ? Role::kUser : role;
    turn_of(t, role) = {
        {control_part("<|im_start|>"), text_part(std::string(role_name(header)) + "\n")},
        "",
        "",
        "<|im_end|>",
        {text_part("\n")}};
  }
  TurnFormat& system = turn_of(t, Role::kSystem);  // ReasoningModes say how it ends
  system.end.clear();
  system.next.clear();
  t.jinja = smollm3_jinja(*t.modes, *t.tools, t.no_thoughts);
  return t;
}

}  // namespace

ChatTemplate smollm3() { return smollm3_with("smollm-3", true); }
ChatTemplate smollm3_no_think() { return smollm3_with("smollm-3-no-think", false); }

}  // namespace minillm
