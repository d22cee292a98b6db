// The templates there are. Each is data; chat_template.cc does the writing.

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/data/chat_template.h"

namespace minillm {
namespace {

using Part = TurnFormat::Part;

Part control(std::string piece) { return {std::move(piece), true}; }
Part text(std::string words) { return {std::move(words), false}; }

// ChatML as OpenAI described it, with `before` in front of every content.
void write_chatml(ChatTemplate& t, const std::string& before) {
  for (const Role role : kRoles)
    t.turns[static_cast<size_t>(role)] = {
        {control("<|im_start|>"), text(std::string(role_name(role)) + "\n")},
        before,
        "",
        "<|im_end|>",
        {text("\n")}};
  t.jinja =
      "{% for m in messages %}"
      "{{ '<|im_start|>' + m['role'] + '\\n" +
      before +
      "' + m['content'] + '<|im_end|>\\n' }}"
      "{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
}

ChatTemplate chatml_space() {
  ChatTemplate t;
  t.id = kChatTemplateId;
  t.start = "<s>";
  write_chatml(t, " ");
  t.jinja = "{{ bos_token }}" + t.jinja;
  return t;
}

ChatTemplate chatml() {
  ChatTemplate t;
  t.id = "chatml";
  write_chatml(t, "");
  return t;
}

// Zephyr (Hugging Face H4); also used by TinyLlama's chat models.
ChatTemplate zephyr() {
  ChatTemplate t;
  t.id = "zephyr";
  t.start = "<s>";
  for (const Role role : kRoles)
    t.turns[static_cast<size_t>(role)] = {
        {text(fmt::format("<|{}|>\n", role_name(role)))}, "", "", "</s>", {text("\n")}};
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
  t.turns[static_cast<size_t>(Role::kUser)] = {{text("[INST]")}, " ", " [/INST]", "", {}};
  t.turns[static_cast<size_t>(Role::kAssistant)] = {{}, " ", " ", "</s>", {control("<s>")}};
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
    t.turns[static_cast<size_t>(role)] = {
        {text(fmt::format("<|{}|>\n", role_name(role)))}, "", "", "", {text("\n")}};
  t.turns[static_cast<size_t>(Role::kAssistant)].end = "</s>";
  t.jinja =
      "{% for m in messages %}"
      "{{ '<|' + m['role'] + '|>\\n' + m['content'] }}"
      "{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
      "{{ '\\n' }}"
      "{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}";
  return t;
}

ChatTemplate llama3() {
  ChatTemplate t;
  t.id = "llama-3";
  t.start = "<|begin_of_text|>";
  t.trims = true;
  for (const Role role : kRoles)
    t.turns[static_cast<size_t>(role)] = {{control("<|start_header_id|>"), text(role_name(role)),
                                           control("<|end_header_id|>"), text("\n\n")},
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

std::span<const ChatTemplate> chat_templates() {
  static const ChatTemplate kTemplates[] = {chatml_space(), chatml(), zephyr(),
                                            tulu(),         llama2(), llama3()};
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
