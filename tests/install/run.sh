#!/usr/bin/env bash
# Installs the library into a fresh prefix, builds a separate project against it with find_package(minillm),
# and runs the program that minillm.h begins with, on a model that the installed tools have just made.
#   run.sh <source folder> <build folder>
set -euo pipefail
source_folder=$1
build_folder=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build_folder" --prefix "$work/prefix" >/dev/null

# The program is the comment itself: what the header shows is what is compiled.
mkdir "$work/project"
sed -n 's|^//   \?||p' "$source_folder/libminillm/minillm.h" |
  sed -n '/^#include "libminillm\/minillm.h"/,/^}$/p' >"$work/project/main.cc"
[[ $(wc -l <"$work/project/main.cc") -ge 20 ]] || { echo "the program was not found in minillm.h"; exit 1; }
cat >"$work/project/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES CXX)
find_package(minillm REQUIRED)
add_executable(user main.cc)
target_link_libraries(user PRIVATE minillm::minillm)
CMAKE
cmake -S "$work/project" -B "$work/project/build" -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_BUILD_TYPE=Debug >/dev/null
cmake --build "$work/project/build" -- --no-print-directory --quiet

bin=$work/prefix/bin
"$bin/minillm-world" --out "$work/world" --stories 200 --sft-rows 60 --pairs 20 --replay-facts 10 2>/dev/null
"$bin/minillm-pretrain" --train "$work/world/pretrain.jsonl" --out "$work/base" --set model.vocab_size=600 \
  --set model.hidden_size=32 --set model.intermediate_size=64 --set model.num_attention_heads=4 \
  --set model.num_key_value_heads=2 --set model.head_dim=8 --set train.steps=3 --set train.batch_tokens=256 2>/dev/null
"$work/project/build/user" "$work/base" "Where does anybody live?" >"$work/answer"
[[ $(wc -l <"$work/answer") -ge 1 ]] || { echo "the program said nothing"; exit 1; }

# A mistake is an error line and an exit code, not a crash.
status=0
"$work/project/build/user" "$work/nowhere" 2>"$work/error" || status=$?
[[ $status -eq 1 ]] && grep -q "^error: .*nowhere" "$work/error" || { echo "status $status: $(cat "$work/error")"; exit 1; }
echo "installed, linked and run"
