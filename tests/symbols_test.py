#!/usr/bin/env python3
"""What the documents name exists: run by ctest as symbols_test.py SOURCE_FOLDER [DOCUMENT...].

Looked at is every span in backticks:

  `append_pair`, `Model::forward`     a name: it occurs in the code, comments excepted; and where the text says
                                      "`a`, `b` in [file](path)", in that file or in the header beside it
  `Rope.BackwardIsTheInverse`         a test: there is TEST(Rope, BackwardIsTheInverse); `Rope.*`: there is a suite
  `train.precision = "bf16"`          a config key: it is listed
  `--init-from`, `minillm-sft --json` options of the tools
  `tests/run.sh`                      a path in the project

Names of two words or more are looked for in the code blocks of mathematics, too. Short symbols of such blocks,
commands, files that a run writes and formats of others are left alone. README.md's program is compared with the one in
minillm.h, which the install test compiles.
"""
import functools
import pathlib
import re
import sys

DOCUMENTS = ["libminillm/doc/tour.md", "libminillm/doc/backward.md", "libminillm/doc/products.md",
             "libminillm/doc/reliability.md", "libminillm/doc/library.md", "libminillm/doc/tools.md", "README.md",
             "CONTRIBUTING.md"]
CODE = {".h", ".cc", ".inc", ".in", ".cmake", ".sh", ".py", ".toml", ".json", ".c", ".html", ".txt", ""}
# Words of other programs, of mathematics and of patterns ("`name_forward`") that look like names of ours.
FOREIGN = {"VDPBF16PS", "onehot", "softmax", "name_forward", "name_backward", "x_forward", "x_backward", "snake_case"}

root = pathlib.Path(sys.argv[1]).resolve()


def code_files():
    for folder in ["libminillm", "tools", "tests", "configs", "benchmarks"]:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.suffix in CODE and path.name != "symbols_test.py":
                yield path
    yield from [root / "CMakeLists.txt", root / "CMakePresets.json"]


@functools.cache
def code_of(path):
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix in {".h", ".cc", ".inc", ".c"}:
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        text = re.sub(r"(?m)(?:^|\s)//.*$|^#include.*$", "", text)
    elif path.suffix in {".cmake", ".sh", ".py", ".toml", ".txt"}:
        text = re.sub(r"(?m)(?:^|\s)#.*$", "", text)
    return re.sub(r"[\w/]+\.(?:cc|h|inc)\b", "", text)  # files: their names are no names of the code


@functools.cache
def words_of(path):
    return set(re.findall(r"[A-Za-z_]\w*", code_of(path)))


ALL = "\n".join(code_of(path) for path in code_files())
WORDS = set(re.findall(r"[A-Za-z_]\w*", ALL))
TESTS = set(re.findall(r"TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", ALL))
TOOLS = "\n".join(code_of(path) for path in code_files() if path.parent in {root / "tools", root / "tests", root / "tests/fuzz"})


def is_snake(word):
    """Two words or more, of which the last is one: `sum_log_probs`, not the subscripts `dx_i` or `lr_t` of mathematics."""
    parts = [part for part in word.split("_") if part]
    return len(parts) > 1 and len(parts[-1]) >= 3 and max(map(len, parts)) >= 3


def is_name(word):
    """Snake case or camel case: what mathematics and prose do not look like."""
    camel = len(word) > 3 and re.search(r"[a-z][A-Z]|^[A-Z][a-z]+$", word)
    return word not in FOREIGN and (is_snake(word) or bool(camel))


def problems_of_span(span, files, symbols):
    """What is wrong with a span in backticks; `files`: where the text says that its names are; `symbols`: of the
    page's mathematics."""
    if "NAME" in span:
        return
    if re.fullmatch(r"[\w.-]+(/[\w.{},-]*)+", span) and not span.startswith(("build/", "runs/", "//")):
        top = span.split("/")[0]
        if (root / top).is_dir() and "{" not in span and not (root / span).exists():
            yield f"there is no '{span}'"
        return
    test = re.fullmatch(r"([A-Z]\w+)\.(\w+|\*)", span)
    if test and test[1] in {suite for suite, _ in TESTS} | {""} or test and test[1].endswith("Test"):
        if test[2] == "*":
            return
        if (test[1], test[2]) not in TESTS:
            yield f"there is no test {span}"
        return
    if test and test[2] != "*" and re.search(r"[a-z][A-Z]", test[2]):
        yield f"there is no test {span}"
        return
    for key in re.findall(r"\b((?:model|data|train|sft|dpo|reward|rl)\.[a-z_]\w+)", span):
        if f'"{key}"' not in ALL:
            yield f"there is no config key {key}"
    if re.match(r"(minillm-[a-z]+ )?-", span):
        for option in re.findall(r"(?<![\w-])--([a-z][a-z0-9-]+)", span):
            if f"--{option}" not in TOOLS:
                yield f"no tool has the option --{option}"
        return
    if re.match(r"(cmake|ctest|pkg-config|cpack|git|doxygen|source|llama-cli|find_package|std::|-)", span):
        return
    if re.search(r"\.(md|json|jsonl|toml|txt|safetensors|model|bin|gguf|html|cc|h|sh|py|png)\b", span):
        return
    if re.fullmatch(r"(\w+::)*~?\w+(\(\))?", span):  # a name by itself
        words = re.findall(r"\w+", span)
        plain = len(words) == 1 and not is_name(words[0]) and "()" not in span
        if words[-1] in FOREIGN or plain and (len(words[0]) < 4 or not words[0].islower()):
            return
    else:  # an expression: the names in it
        words = [w for w in re.findall(r"[A-Za-z_]\w*", re.sub(r'"[^"]*"', "", span)) if is_name(w)]
    for word in words:
        if word in symbols:
            continue
        if files and not any(word in words_of(file) for file in files):
            yield f"{word} is not in {' or '.join(str(f.relative_to(root)) for f in files)}"
        elif word not in WORDS:
            yield f"{word} is nowhere in the code"


def with_header(path):
    """The file and the one beside it of the same name."""
    pair = [path.with_suffix(suffix) for suffix in (".h", ".cc", ".inc")]
    return [file for file in {path, *pair} if file.is_file()]


def problems_of(page, text):
    """Every problem of a page as (line, what is wrong)."""
    symbols = set()
    for block in re.finditer(r"(?ms)^ *```\n(.*?)^ *```", text):
        if re.search(r"minillm-|[\w.]+/[\w.]|--|\[\w*\]\{", block[1]):
            continue  # commands
        for word in re.findall(r"[A-Za-z_]\w*", block[1]):
            if is_snake(word) and word not in WORDS:
                yield text.count("\n", 0, block.start()) + 1, f"{word} is nowhere in the code"
            if len(word) <= 5:
                symbols.add(word)
    text = re.sub(r"(?ms)^ *```.*?^ *```", lambda block: "\n" * block[0].count("\n"), text)
    for paragraph in re.finditer(r"(?:[^\n]*\S[^\n]*\n)+", text):
        # Spans wait for the "in [file](path)" or ", [file](path)" after them, or the end of the sentence.
        waiting = []
        for token in re.finditer(r"\[[^\]]*\]\(([^)#]+)[^)]*\)|(`[^`]+`)|[.;:(](?=\s)|\)|\n$", paragraph[0]):
            if token[2]:
                line = text.count("\n", 0, paragraph.start() + token.start()) + 1
                waiting.append((line, " ".join(token[2][1:-1].split())))
                continue
            files = []
            if token[1]:
                path = (page.parent / token[1]).resolve()
                said = re.search(r"`( and)? in\s+(\S+ of\s+)?$|`,\s+$", paragraph[0][:token.start()])
                files = with_header(path) if said and path.suffix in {".h", ".cc", ".inc"} else []
            for line, span in waiting:
                yield from ((line, f"`{span}`: {problem}") for problem in problems_of_span(span, files, symbols))
            waiting = []


def check(document):
    found = list(problems_of(root / document, (root / document).read_text(encoding="utf-8")))
    for line, problem in found:
        print(f"{document}:{line}: {problem}")
    return len(found)


def check_itself():
    """A mistake of each kind is noticed."""
    page = root / "libminillm/doc/tour.md"
    mistakes = ["`gather_everything`", "`Tokenizer::harvest`", "`train_step` in [error.h](../core/error.h)",
                "`Rope.TurnsTwice`", "`train.no_such_key`", "`--no-such-option`", "`tests/no_such_file.sh`",
                "```\nx = gather_everything(y)\n```"]
    return sum(not list(problems_of(page, mistake + "\n")) and (print(f"not noticed: {mistake}"), 1)[1]
               for mistake in mistakes)


def check_program():
    shown = re.search(r"```cpp\n(.*?)```", (root / "README.md").read_text(), re.S)
    header = re.search(r'(?m)^//   #include "libminillm/minillm.h"\n(?://.*\n)*?//   }\n(?!//   \S)',
                       (root / "libminillm/minillm.h").read_text())
    program = re.sub(r"(?m)^//(?:   )?", "", header[0]) if header else ""
    if shown and shown[1] == program:
        return 0
    print("README.md: its program is not the one that libminillm/minillm.h begins with")
    return 1


problems = sum(check(document) for document in sys.argv[2:] or DOCUMENTS)
if not sys.argv[2:]:
    problems += check_program() + check_itself()
sys.exit(f"{problems} problems" if problems else 0)
