#!/usr/bin/env python3
"""Every row that doc/data_formats.md shows is one that the reader uses.

  rows_test.py <source folder> <folder of the tools>
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

source, tools = map(pathlib.Path, sys.argv[1:])
page = (source / "libminillm/doc/data_formats.md").read_text(encoding="utf-8")
rows = [row for line in page.splitlines() if line.startswith("|")
        for row in re.findall(r"`([\[{]\"?[^`]*[\]}])`", line) if "..." not in row]
if len(rows) < 20:
    sys.exit(f"only {len(rows)} rows were found in data_formats.md")
with tempfile.TemporaryDirectory() as folder:
    file = pathlib.Path(folder, "row.jsonl")
    for row in rows:
        file.write_text(row + "\n", encoding="utf-8")
        output = subprocess.run([tools / "minillm-inspect", file, "--json", "--threads", "1"], capture_output=True)
        if output.returncode != 0 or json.loads(output.stdout)["used"] != 1:
            sys.exit(f"not used: {row}\n{output.stderr.decode()}")
print(f"{len(rows)} rows are used")
