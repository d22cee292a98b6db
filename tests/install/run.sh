#!/usr/bin/env bash
# Packs a .deb, unpacks it into a separate folder (so that nothing may depend on where it was built), builds separate
# projects against it, with CMake and with pkg-config, in C++ and in C, and runs them: the program at the top of
# minillm.h, and every program of doc/examples.
#   run.sh <source folder> <build folder>
set -euo pipefail
source_folder=$1
build_folder=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$*"; exit 1; }

(cd "$work" && cpack -G DEB --config "$build_folder/CPackConfig.cmake" -B "$work/deb" >"$work/cpack.log" 2>&1) ||
  fail "cpack: $(tail -n 5 "$work/cpack.log")"
deb=$(ls "$work"/deb/*.deb)
grep -q "Depends: .*libsentencepiece0" <<<"$(dpkg-deb --info "$deb")" || fail "the package does not say what its tools need"
dpkg-deb -x "$deb" "$work/unpacked"
prefix=$work/unpacked/usr
"$prefix/bin/minillm-generate" --version >/dev/null
grep -q -- "--init-from" "$prefix/share/bash-completion/completions/minillm-sft" || fail "no completion for bash"
grep -q "#compdef minillm-sft" "$prefix/share/zsh/vendor-completions/_minillm-sft" || fail "no completion for zsh"

# The first program is the comment itself: what the header shows is what is compiled.
mkdir "$work/project"
sed -n 's|^//   \?||p' "$source_folder/libminillm/minillm.h" |
  sed -n '/^#include "libminillm\/minillm.h"/,/^}$/p' >"$work/project/main.cc"
[[ $(wc -l <"$work/project/main.cc") -ge 20 ]] || fail "the program was not found in minillm.h"
cp "$source_folder"/libminillm/doc/examples/*.cc "$work/project"
cat >"$work/project/world.cc" <<'CODE'
#include <cstdio>

#include "libminillm/eval/diagnosis.h"
#include "libminillm/world/world_files.h"

int main() {
  for (const auto& file : minillm::world::make_world_files({.seed = 1, .stories = 10}, "pretrain"))
    std::puts(file.name.c_str());
  return minillm::diagnose(minillm::Skill::kFact, {}, {}).failed;
}
CODE
cat >"$work/project/notes.cc" <<'CODE'
#include <cstdio>
#include <fstream>

#include "libminillm/retrieve/note_index.h"

int main(int, char** argv) {
  std::ofstream(argv[1]) << "Mary plays the harp.";
  const std::string path = std::string(argv[1]) + ".sqlite";
  minillm::build_note_index({argv[1]}, path);
  for (const minillm::Note& note : minillm::NoteIndex(path).query("What does Mary play?"))
    std::puts(note.text.c_str());
}
CODE
cat >"$work/project/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES CXX)
find_package(minillm REQUIRED COMPONENTS base world report retrieve pretrain sft dpo reward rl c)
foreach(program main pretrain_in_memory sft_in_memory dpo_in_memory speak_and_evaluate)
  add_executable(${program} ${program}.cc)
  target_link_libraries(${program} PRIVATE minillm::minillm)
endforeach()
# Single targets: the world's, the index of notes, and the earlier name of base, world and report.
add_executable(world world.cc)
target_link_libraries(world PRIVATE minillm::world)
add_executable(notes notes.cc)
target_link_libraries(notes PRIVATE minillm::retrieve)
find_package(minillm REQUIRED COMPONENTS core)
add_executable(main_on_core main.cc)
target_link_libraries(main_on_core PRIVATE minillm::core)
add_executable(world_on_core world.cc)
target_link_libraries(world_on_core PRIVATE minillm::core)
find_package(minillm QUIET COMPONENTS ppo)
if(minillm_FOUND)
  message(FATAL_ERROR "a component that does not exist was found")
endif()
CMAKE
cmake -S "$work/project" -B "$work/project/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Debug >/dev/null
cmake --build "$work/project/build" -j2 -- --no-print-directory --quiet
run() { "$work/project/build/$1" "${@:2}"; }

grep -q "finished after 20 steps" <<<"$(run pretrain_in_memory "$work/base" 20)" || fail "pretrain_in_memory"
grep -q "loss of the answers" <<<"$(run sft_in_memory "$work/base" "$work/chat")" || fail "sft_in_memory"
grep -q "of 4" <<<"$(run dpo_in_memory "$work/chat" "$work/aligned")" || fail "dpo_in_memory"
grep -q "nats per token" <<<"$(run speak_and_evaluate "$work/base" "$work/aligned")" || fail "speak_and_evaluate"
run main "$work/aligned" "Where does anybody live?" >"$work/answer"
[[ $(wc -l <"$work/answer") -ge 1 ]] || fail "the program said nothing"
[[ $(run world) == pretrain.jsonl ]] || fail "the program that links minillm::world"
[[ $(run notes "$work/text") == "Mary plays the harp." ]] || fail "the program that links minillm::retrieve"
run main_on_core "$work/aligned" "Where does anybody live?" | cmp - "$work/answer" || fail "the program that links minillm::core"

# A mistake is an error line and an exit code, not a crash.
status=0
run main "$work/nowhere" 2>"$work/error" || status=$?
[[ $status -eq 1 ]] && grep -q "^error: .*nowhere" "$work/error" || fail "status $status: $(cat "$work/error")"

# The same from C, without CMake.
cp "$source_folder/tests/c/c_interface_test.c" "$work/user.c"
flags=$(PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name minillm.pc)") pkg-config --cflags --libs minillm)
cc -std=c99 "$work/user.c" $flags -o "$work/user"
grep -q "the C interface works" <<<"$("$work/user" "$work/c-runs")" || fail "the C program"

# And with CMake, in a project that knows no C++.
mkdir "$work/c-project" && cp "$work/user.c" "$work/c-project"
cat >"$work/c-project/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES C)
find_package(minillm REQUIRED COMPONENTS c)
add_executable(user user.c)
target_link_libraries(user PRIVATE minillm::c)
CMAKE
cmake -S "$work/c-project" -B "$work/c-project/build" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$work/c-project/build" -- --no-print-directory --quiet
grep -q "the C interface works" <<<"$("$work/c-project/build/user" "$work/c-runs")" || fail "the C project"

# The bill of materials names every library that a tool is linked with.
sbom=$prefix/share/minillm/sbom.spdx
for library in $(readelf -d "$prefix"/bin/minillm-* | sed -n 's/.*NEEDED.*\[\(lib[a-z+_0-9]*\).*/\1/p' | sort -u); do
  case $library in libc | libm | libgcc_s) continue ;; esac
  grep -qi "^PackageName: \(lib\)\?${library#lib}" "$sbom" || [[ $library == libz && -n $(grep "^PackageName: zlib" "$sbom") ]] ||
    [[ $library == libsentencepiece_train ]] || fail "the bill of materials does not name $library"
done
[[ $(grep -c "^PackageVersion: NOASSERTION" "$sbom") -eq 0 ]] || fail "the bill of materials lacks versions"

# The tools are hardened: position-independent, bound at the start, with checked stacks.
for tool in "$prefix"/bin/minillm-*; do
  readelf -hld "$tool" >"$work/elf"
  grep -q "Type: *DYN" "$work/elf" && grep -q GNU_RELRO "$work/elf" && grep -q "BIND_NOW\|NOW" "$work/elf" || fail "$tool is not hardened"
  grep -q __stack_chk_fail <<<"$(readelf -W --dyn-syms "$tool")" || fail "$tool has no stack protector"
done
# A shared library may hold all of it: the code is position-independent.
libdir=$(dirname "$(find "$prefix" -name libminillm_c.a)")
c++ -shared -Wl,--whole-archive "$libdir"/libminillm_c.a -Wl,--no-whole-archive $flags -o "$work/user.so" || fail "a shared library"
echo "packed, installed, linked and run"
