#!/usr/bin/env python3
"""Makes libminillm/doc/tree.md: one line for every source file, which is the first sentence of its first comment.

  tests/tree_document.py --write     writes it: after a file was added, renamed or described anew
  tests/tree_document.py             fails if it is not what --write would write (ctest: DocumentTree)
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "libminillm/doc/tree.md"
LAYERS = ("core ops ops/gemm nn objectives data data/unpack constrain policy optim dist world checkpoint retrieve interop train generate eval rewards stage pretrain sft "
          "dpo reward rl constitution report serve serve/page pipeline lab lab/experiments c").split()
SOURCES = {".h", ".cc", ".c", ".inc", ".js", ".py", ".sh", ".cmake", ".toml", ".md", ".html", ".awk"}
DATA_FOLDERS = {"golden", "golden_runs", "found", "fixtures", "__pycache__"}  # not source
ORDER = [".h", ".cc", ".c", ".inc"]


def first_comment(path):
    """The first paragraph of the comment, docstring or page that a file begins with; "" if there is none."""
    lines = path.read_text(encoding="utf-8").splitlines()
    while lines and (lines[0].startswith(("#!", "<!DOCTYPE")) or not lines[0].strip()):
        lines.pop(0)
    text = "\n".join(lines)
    if path.suffix == ".md":
        return re.match(r"# (.*)", text)[1]
    quoted = re.match(r'"""(.*?)("""|\n\n)|/\*(.*?)(\*/|\n \*\n)|<!--(.*?)-->', text, re.S)
    if quoted:
        return re.sub(r"\n \* ?", " ", next(part for part in quoted.groups() if part))
    mark = "//" if path.suffix in {".h", ".cc", ".c", ".inc", ".js"} else "#"
    paragraph = []
    for line in lines:
        if not line.startswith(mark) or not line[len(mark):].strip() or line.startswith("#include"):
            break  # the paragraph ends
        if line.startswith(mark + "  "):
            break  # a formula, a table, a command
        paragraph.append(line[len(mark):])
    return " ".join(paragraph)


def described(path):
    """What tree.md says of a file."""
    sentence = re.match(r"(.*?(?<!\.)(?<!et al)[.!?])(?=\s|$)|.*", " ".join(first_comment(path).split()))[0]
    if sentence:
        return sentence.rstrip(".:").replace("|", "\\|").replace("<", "&lt;")
    tested = re.search(r'(?m)^#include "((?:libminillm|tools)/[^"]+)"', path.read_text(encoding="utf-8"))
    if path.name.endswith("_test.cc") and tested:
        return f"tests of {tested[1]}"
    sys.exit(f"{path.relative_to(ROOT)}: it begins with no comment that says what it is")


def table_of(folder):
    """The lines of a folder's files; a header and the source beside it share one."""
    groups = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in SOURCES and path != DOCUMENT:
            key = path.stem if path.suffix in ORDER else path.name
            groups.setdefault(key, []).append(path)
    lines = []
    for stem, paths in groups.items():
        paths.sort(key=lambda path: ORDER.index(path.suffix) if path.suffix in ORDER else 0)
        suffixes = ",".join(path.suffix[1:] for path in paths)
        name = f"{stem}.{{{suffixes}}}" if len(paths) > 1 else paths[0].name
        target = pathlib.PurePath(*[".."] * 2, paths[0].relative_to(ROOT))
        lines.append(f"| [{name}]({target}) | {described(paths[0])} |\n")
    return "".join(lines)


def folders():
    library = ROOT / "libminillm"
    yield library
    yield from (library / layer for layer in LAYERS)
    others = [library / "doc", ROOT / "tools", ROOT / "configs", ROOT / "tests", ROOT / "benchmarks"]
    for top in others:
        yield from sorted(folder for folder in [top, *top.rglob("*")]
                          if folder.is_dir() and not DATA_FOLDERS & set(folder.parts))


def document():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    seen = set(folders())
    for folder in sorted((ROOT / "libminillm").rglob("*")):
        if folder.is_dir() and not DATA_FOLDERS & set(folder.parts) and folder not in seen:
            sys.exit(f"{folder.relative_to(ROOT)}: this folder is not known to tests/tree_document.py")
        if folder.is_dir() and folder.parent.name == "libminillm" and f"`{folder.name}/`" not in readme:
            sys.exit(f"README.md: its tree has no line for {folder.relative_to(ROOT)}/")
    text = ("# Every file\n\nThe library comes lowest layer first; what a folder is for is in the "
            "[README](../../README.md#the-tree). Each line is the\nfirst sentence of the file itself: this page is "
            "written by `tests/tree_document.py --write`.\n")
    for folder in folders():
        table = table_of(folder)
        if table:
            text += f"\n## {folder.relative_to(ROOT)}/\n\n| file | |\n|---|---|\n{table}"
    return text


if sys.argv[1:] == ["--write"]:
    DOCUMENT.write_text(document(), encoding="utf-8")
elif not DOCUMENT.exists() or DOCUMENT.read_text(encoding="utf-8") != document():
    sys.exit(f"{DOCUMENT.relative_to(ROOT)} is not what the files say: run tests/tree_document.py --write")
