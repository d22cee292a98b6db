#!/usr/bin/env bash
# Writes what the built programs are made of as a bill of materials (SPDX 2.3, tag-value form): every library that they
# are linked with, its version on this machine, and its licence.
#   tools/sbom.sh VERSION [mpi]     mpi: they are linked with Open MPI
set -euo pipefail
version=$1

# name, licence, Debian's packages (the first that is installed says the version)
libraries=(
  "fmt|MIT|libfmt9 libfmt-dev"
  "nlohmann-json|MIT|nlohmann-json3-dev"
  "tomlplusplus|MIT|libtomlplusplus-dev"
  "sentencepiece|Apache-2.0|libsentencepiece0 libsentencepiece-dev"
  "zlib|Zlib|zlib1g"
  "zstd|BSD-3-Clause|libzstd1"
  "pcre2|BSD-3-Clause|libpcre2-8-0"
  "utf8proc|MIT|libutf8proc2"
  "sqlite3|blessing|libsqlite3-0"
  "CLI11|BSD-3-Clause|libcli11-dev"
  "spdlog|MIT|libspdlog1.10 libspdlog-dev"
  "Boost|BSL-1.0|libboost1.81-dev libboost1.74-dev"
  "libedit|BSD-3-Clause|libedit2"
  "libstdc++|GPL-3.0-or-later WITH GCC-exception-3.1|libstdc++6"
)
[[ ${2:-} == mpi ]] && libraries+=("libmpi|BSD-3-Clause|libopenmpi3")

version_of() { # PACKAGES...
  local package found
  for package in "$@"; do
    if found=$(dpkg-query -W -f '${Version}' "$package" 2>/dev/null) && [[ -n $found ]]; then
      echo "$found"
      return
    fi
  done
  echo NOASSERTION
}

cat <<HEADER
SPDXVersion: SPDX-2.3
DataLicense: CC0-1.0
SPDXID: SPDXRef-DOCUMENT
DocumentName: libminillm-$version
DocumentNamespace: urn:libminillm:sbom:$version
Creator: Tool: libminillm-tools/sbom.sh
Created: $(date -u -d "@${SOURCE_DATE_EPOCH:-0}" +%Y-%m-%dT%H:%M:%SZ)

PackageName: libminillm
SPDXID: SPDXRef-libminillm
PackageVersion: $version
PackageDownloadLocation: NOASSERTION
FilesAnalyzed: false
PackageLicenseDeclared: $(head -n 1 "$(dirname "$0")/../LICENSE" | grep MIT >/dev/null && echo MIT || echo NOASSERTION)
Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-libminillm
HEADER
for library in "${libraries[@]}"; do
  IFS='|' read -r name licence packages <<<"$library"
  # shellcheck disable=SC2086 # several packages
  cat <<PACKAGE

PackageName: $name
SPDXID: SPDXRef-${name//[^A-Za-z0-9.]/-}
PackageVersion: $(version_of $packages)
PackageDownloadLocation: NOASSERTION
FilesAnalyzed: false
PackageLicenseDeclared: $licence
Relationship: SPDXRef-libminillm DEPENDS_ON SPDXRef-${name//[^A-Za-z0-9.]/-}
PACKAGE
done
