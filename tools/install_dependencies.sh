#!/usr/bin/env bash
# Installs what is missing of Debian 12's packages. With sudo when not root; does nothing when all is there.
#   tools/install_dependencies.sh [--check] [PACKAGES...]    further packages; --check: only say what is missing, and fail
set -euo pipefail

check=false
if [[ ${1:-} == --check ]]; then
  check=true
  shift
  command -v dpkg-query >/dev/null || exit 0  # not Debian: the build will tell
fi

packages=(
  g++ make cmake                                   # the compiler and its build system
  libfmt-dev nlohmann-json3-dev libtomlplusplus-dev libsentencepiece-dev   # the library
  zlib1g-dev libzstd-dev                           # compressed data files
  libpcre2-dev libutf8proc-dev                     # a tokenizer.json
  libsqlite3-dev                                   # an index of notes
  libcli11-dev libspdlog-dev libedit-dev           # the tools
  libboost1.81-dev                                 # the server: headers only
)
packages+=("$@")

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [[ $status == *"install ok installed"* ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0
if $check; then
  echo "error: Debian packages are missing (install them: tools/install_dependencies.sh ${missing[*]})" >&2
  exit 1
fi

echo "installing: ${missing[*]}" >&2
as_root=()
if [[ $(id -u) -ne 0 ]]; then
  command -v sudo >/dev/null || { echo "error: '${missing[*]}' are missing and there is no sudo (install them as root)" >&2; exit 1; }
  as_root=(sudo)
fi
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
