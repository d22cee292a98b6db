#!/usr/bin/env bash
# Presses Tab: what bash and zsh offer with the scripts that the tools print.
#   completion.sh <folder of the tools>
set -euo pipefail
bin=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
touch some.toml
failed=0

# What bash offers for a line whose last word is being typed.
offered() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  "_${1//-/_}" "$1" "${*: -1}" "${*: -2:1}"
  echo "${COMPREPLY[*]}"
}
expect() { # EXPECTED WORDS...
  local got
  got=$(offered "${@:2}")
  [[ $got == "$1" ]] || { echo "bash: '${*:2}' offers '$got', expected '$1'"; failed=1; }
}
for tool in "$bin"/minillm-*; do
  name=$(basename "$tool")
  "$tool" --completion bash >"$name"
  "$tool" --completion zsh >"_$name"
  source "./$name"
  [[ $(offered "$name" --hel) == --help ]] || { echo "$name: --help is not offered"; failed=1; }
done
expect "--chat-template" minillm-sft --chat
expect "zephyr" minillm-sft --chat-template z
expect "train.steps=" minillm-sft --set train.ste
expect "dpo.beta=" minillm-dpo --out x --set dpo.be
expect "" minillm-sft --config so  # a file: bash's own completion
expect "loss logprobs" minillm-eval lo
expect "--document-split" minillm-eval loss --doc
expect "blank_line" minillm-eval loss --document-split b
expect "" minillm-eval sft --document
expect "bf16" minillm-generate --weights b
expect "bash" minillm-inspect --completion b
[[ ! -x $bin/minillm-serve ]] || expect "--slots --slot-tokens" minillm-serve --slot

# zsh, in its own terminal.
if command -v zsh >/dev/null; then
  # Ctrl-G shows the line as it was completed, and empties it.
  cat >setup.zsh <<'ZSH'
PATH=$BIN:$PATH PS1= PROMPT_EOL_MARK= KEYTIMEOUT=1
fpath=($PWD $fpath)
autoload -U compinit && compinit -u -D
unsetopt beep
show() { print -r -- "<$BUFFER>" >>shown.txt; print -r -- "line $((++shown)) seen"; zle kill-buffer }
zle -N show && bindkey '^G' show
print -r -- "rea""dy"
ZSH
  cat >drive.zsh <<'ZSH'
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'source ./setup.zsh'
zpty -r z text '*ready*'
for line in 'minillm-sft --chat-templ' 'minillm-sft --chat-template ze' 'minillm-sft --config so' \
    'minillm-eval loss --document-split bl' 'minillm-sft --set train.ste'; do
  zpty -w -n z "$line"$'\t\a'
  zpty -r z text "*line $((++n)) seen*"
done
ZSH
  BIN=$bin timeout 120 zsh -f drive.zsh >zsh.txt 2>&1 || true
  for line in 'minillm-sft --chat-template' 'minillm-sft --chat-template zephyr' 'minillm-sft --config some.toml' \
    'minillm-eval loss --document-split blank_line' 'minillm-sft --set train.steps='; do
    grep -qF -- "<$line" shown.txt || { echo "zsh: no '$line'"; cat -v shown.txt zsh.txt; failed=1; }
  done
else
  echo "not tried: zsh (not installed)"
fi
[[ $failed == 0 ]] && echo "completion works"
exit $failed
