// The templates there are. Each is data; chat_template.cc does the writing.

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/data/chat_template_formats.h"

namespace minillm {
namespace {

// ChatML as OpenAI described it.
ChatTemplate chatml() {
  ChatTemplate t;
  t.id = "chatml";
  for (const Role role : kRoles)
    turn_of(t, role) = {
        {control_part("<|im_start|>"), text_part(std::string(role_name(role)) + "\n")},
        "",
        "",
        "<|im_end|>",
        {text_part("\n")}};
  t.jinja =
      "{% for m in messages %}"
      "{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}"
      "{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  return t;
}

// SmolLM 2 (Hugging Face): ChatML with a system prompt of its own.
ChatTemplate smollm2() {
  ChatTemplate t = chatml();
  t.id = "smollm-2";
  t.default_system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
  t.jinja =
      "{% if messages[0]['role'] != 'system' %}"
      "{{ '<|im_start|>system\\n" +
      *t.default_system + "<|im_end|>\\n' }}{% endif %}" + t.jinja;
  return t;
}

// Zephyr (Hugging Face H4); also used by TinyLlama's chat models.
ChatTemplate zephyr() {
  ChatTemplate t;
  t.id = "zephyr";
  t.start = "<s>";
  for (const Role role : kRoles)
    turn_of(t, role) = {
        {text_part(fmt::format("<|{}|>\n", role_name(role)))}, "", "", "</s>", {text_part("\n")}};
  t.jinja =
      "{{ bos_token }}"
      "{% for m in messages %}"
      "{{ '<|' + m['role'] + '|>\\n' + m['content'] + eos_token + '\\n' }}"
      "{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}";
  return t;
}

// Llama 2 chat: a sequence per question and answer, the system prompt inside the first question.
ChatTemplate llama2() {
  ChatTemplate t;
  t.id = "llama-2";
  t.start = "<s>";
  t.trims = true;
  t.system_begin = "<<SYS>>\n";
  t.system_end = "\n<</SYS>>\n\n";
  turn_of(t, Role::kUser) = {{text_part("[INST]")}, " ", " [/INST]", "", {}};
  turn_of(t, Role::kAssistant) = {{}, " ", " ", "</s>", {control_part("<s>")}};
  t.jinja =
      "{% set ns = namespace(system=none) %}"
      "{% for m in messages %}"
      "{% if m['role'] == 'system' %}"
      "{% set ns.system = m['content'] if ns.system is none else ns.system + '\\n\\n' + "
      "m['content'] %}"
      "{% else %}"
      "{% set system = '<<SYS>>\\n' + ns.system + '\\n<</SYS>>\\n\\n' if ns.system is not none "
      "else '' %}"
      "{% set ns.system = none %}"
      "{% set content = m['content'] %}"
      "{% if m['role'] == 'user' %}"
      "{% set content = system + content %}"
      "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
      "{% else %}"
      "{% if system %}{{ bos_token + '[INST] ' + system.strip() + ' [/INST]' }}{% endif %}"
      "{{ ' ' + content.strip() + ' ' + eos_token }}"
      "{% endif %}{% endif %}{% endfor %}";
  return t;
}

// Tulu 2 and 3 (Allen AI): as Zephyr, but only answers end with a control piece.
ChatTemplate tulu() {
  ChatTemplate t;
  t.id = "tulu";
  for (const Role role : kRoles)
    turn_of(t, role) = {
        {text_part(fmt::format("<|{}|>\n", role_name(role)))}, "", "", "", {text_part("\n")}};
  turn_of(t, Role::kAssistant).end = "</s>";
  t.jinja =
      "{% for m in messages %}"
      "{{ '<|' + m['role'] + '|>\\n' + m['content'] }}"
      "{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
      "{{ '\\n' }}"
      "{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}";
  return t;
}

// OLMo 2 (Allen AI): Tulu's after BOS.
ChatTemplate olmo2() {
  ChatTemplate t = tulu();
  t.id = "olmo-2";
  t.start = "<s>";
  t.jinja.insert(0, "{{ bos_token }}");
  return t;
}

// Gemma 2 and 3 (Google): the system prompt is the beginning of the first question.
ChatTemplate gemma() {
  ChatTemplate t;
  t.id = "gemma";
  t.start = "<bos>";
  t.trims_questions = t.trims_answers = true;
  t.system_end = "\n\n";
  for (const Role role : kRoles)
    turn_of(t, role) = {{control_part("<start_of_turn>"),
                         text_part(role == Role::kAssistant ? "model\n" : "user\n")},
                        "",
                        "",
                        "<end_of_turn>",
                        {text_part("\n")}};
  t.jinja =
      "{{ bos_token }}"
      "{% set ns = namespace(system='') %}"
      "{% for m in messages %}"
      "{% if m['role'] == 'system' %}{% set ns.system = ns.system + m['content'] + '\\n\\n' %}"
      "{% else %}"
      "{% if m['role'] == 'assistant' and ns.system %}"
      "{{ '<start_of_turn>user\\n' + ns.system + '<end_of_turn>\\n' }}{% set ns.system = '' %}"
      "{% endif %}"
      "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else 'user') + '\\n' + "
      "ns.system "
      "+ m['content'] | trim + '<end_of_turn>\\n' }}"
      "{% set ns.system = '' %}"
      "{% endif %}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}";
  return t;
}

ChatTemplate llama3() {
  ChatTemplate t;
  t.id = "llama-3";
  t.start = "<|begin_of_text|>";
  t.trims = true;
  for (const Role role : kRoles)
    turn_of(t, role) = {{control_part("<|start_header_id|>"), text_part(role_name(role)),
                         control_part("<|end_header_id|>"), text_part("\n\n")},
                        "",
                        "",
                        "<|eot_id|>",
                        {}};
  t.jinja =
      "{{ bos_token }}"
      "{% for m in messages %}"
      "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] | trim + "
      "'<|eot_id|>' }}"
      "{% endfor %}"
      "{% if add_generation_prompt %}"
      "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
      "{% endif %}";
  return t;
}

}  // namespace

std::string jinja_quoted(std::string words) {
  for (size_t i = 0; (i = words.find('\n', i)) != words.npos;) words.replace(i, 1, "\\n");
  return "'" + words + "'";
}

std::span<const ChatTemplate> chat_templates() {
  static const ChatTemplate kTemplates[] = {
      chatml_space(), chatml(),  zephyr(),       tulu(),    llama2(),          llama3(),
      qwen25(),       llama31(), mistral_v3(),   smollm2(), qwen3(),           qwen3_no_think(),
      olmo2(),        gemma(),   mistral_nemo(), smollm3(), smollm3_no_think()};
  return kTemplates;
}

const ChatTemplate& chat_template_named(std::string_view id) {
  std::vector<std::string> names;
  for (const ChatTemplate& t : chat_templates()) {
    if (t.id == id) return t;
    names.push_back(t.id);
  }
  throw Error(
      fmt::format("chat template: expected one of {}, got '{}'", fmt::join(names, ", "), id),
      ExitCode::kUsage);
}

}  // namespace minillm
