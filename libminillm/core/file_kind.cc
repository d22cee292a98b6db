#include "libminillm/core/file_kind.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::string_view bytes;
  const char* what;
};

constexpr std::array kSignatures = {
    Signature{"version https://git-lfs.github.com/"sv,
              "a Git LFS pointer, not the file itself (fetch it: git lfs pull)"},
    Signature{"\x1f\x8b"sv, "gzip-compressed (unpack it: gunzip FILE)"},
    Signature{"\x28\xb5\x2f\xfd"sv, "zstd-compressed (unpack it: unzstd FILE)"},
    Signature{"BZh"sv, "bzip2-compressed (unpack it: bunzip2 FILE)"},
    Signature{"\xfd"
              "7zXZ\0"sv,
              "xz-compressed (unpack it: unxz FILE)"},
    Signature{"\x04\x22\x4d\x18"sv, "lz4-compressed (unpack it: unlz4 FILE)"},
    Signature{"7z\xbc\xaf\x27\x1c"sv, "a 7z archive (unpack it)"},
    Signature{"PK\x03\x04"sv,
              "a zip archive, which an .xlsx, .docx, .npz or PyTorch .pt/.bin file also is (unpack "
              "it, or save it as text, .csv or .safetensors)"},
    Signature{"PAR1"sv,
              "a Parquet file (convert it: python3 -c \"import pandas, sys; "
              "pandas.read_parquet(sys.argv[1]).to_json(sys.argv[2], orient='records', "
              "lines=True)\" FILE FILE.jsonl)"},
    Signature{"ARROW1"sv,
              "an Arrow file (convert it: python3 -c \"import pandas, sys; "
              "pandas.read_feather(sys.argv[1]).to_json(sys.argv[2], orient='records', "
              "lines=True)\" FILE FILE.jsonl)"},
    Signature{"Obj\x01"sv, "an Avro file (convert it to .jsonl)"},
    Signature{"SQLite format 3\0"sv, "an SQLite database (export it: sqlite3 -csv -header)"},
    Signature{"\x89HDF\r\n\x1a\n"sv, "an HDF5 file"},
    Signature{"\x93NUMPY"sv, "a NumPy array"},
    Signature{"%PDF-"sv, "a PDF (extract its text: pdftotext FILE FILE.txt)"},
    Signature{"\x89PNG"sv, "a PNG picture"},
    Signature{"\xff\xd8\xff"sv, "a JPEG picture"},
    Signature{"GGUF"sv, "a GGUF model"},
    Signature{"\x7f"
              "ELF"sv,
              "a program"},
    Signature{"\x80\x02}"sv, "a Python pickle"},
    Signature{"\x80\x04\x95"sv, "a Python pickle"},
    Signature{"{\\rtf"sv, "a rich text document (save it as plain text)"},
    Signature{"\xff\xfe\0\0"sv, "UTF-32 text (convert it: iconv -f UTF-32 -t UTF-8)"},
    Signature{"\0\0\xfe\xff"sv, "UTF-32 text (convert it: iconv -f UTF-32 -t UTF-8)"},
    Signature{"\xff\xfe"sv, "UTF-16 text (convert it: iconv -f UTF-16 -t UTF-8)"},
    Signature{"\xfe\xff"sv, "UTF-16 text (convert it: iconv -f UTF-16 -t UTF-8)"},
};

bool is_tar(std::string_view head) { return head.size() >= 262 && head.substr(257, 5) == "ustar"; }

// UTF-16 without a byte order mark: mostly ASCII, so every other byte is zero.
const char* utf16_without_mark(std::string_view head) {
  constexpr size_t kLeast = 8;
  if (head.size() < kLeast) return nullptr;
  size_t zeros[2] = {0, 0};
  for (size_t i = 0; i < head.size(); ++i) zeros[i % 2] += head[i] == '\0';
  const size_t half = head.size() / 2, many = half * 7 / 10, few = half / 10;
  if (zeros[1] > many && zeros[0] <= few)
    return "UTF-16 text (convert it: iconv -f UTF-16LE -t UTF-8)";
  if (zeros[0] > many && zeros[1] <= few)
    return "UTF-16 text (convert it: iconv -f UTF-16BE -t UTF-8)";
  return nullptr;
}

bool is_html(std::string_view head) {
  const size_t begin = head.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return false;
  std::string start(head.substr(begin, 15));
  std::transform(start.begin(), start.end(), start.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return start.starts_with("<!doctype html") || start.starts_with("<html");
}

}  // namespace

std::optional<std::string> describe_foreign_file(std::string_view head) {
  for (const Signature& signature : kSignatures)
    if (head.starts_with(signature.bytes)) return signature.what;
  if (is_tar(head)) return "a tar archive (unpack it: tar -xf FILE)";
  if (const char* what = utf16_without_mark(head)) return what;
  if (is_html(head))
    return "an HTML page: a download that went wrong, or one whose text must be extracted first";
  return std::nullopt;
}

void expect_not_foreign(const std::string& path, std::string_view head, const char* expected) {
  const auto what = describe_foreign_file(head);
  MINILLM_CHECK(!what, "'{}': expected {}, got {}", path, expected, *what);
}

}  // namespace minillm
