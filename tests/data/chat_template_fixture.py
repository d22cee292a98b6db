#!/usr/bin/env python3
"""What Jinja2 makes of the chat templates' jinja texts, ours and published ones (published_templates.json), for
chat_template_formats_test.cc.

    build/release/bin/data_tests --gtest_also_run_disabled_tests \
        --gtest_filter='*ChatTemplateFormats.DISABLED_WriteFixture' > fixture.json
    tests/data/chat_template_fixture.py fixture.json      # Debian's python3-jinja2; fills in "text"

Rendered as Hugging Face's apply_chat_template does: an immutable sandbox, trim_blocks, lstrip_blocks; but today is
always 26 July 2024, as it is for data/jinja.h.
"""
import datetime
import json
import os
import sys

from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(Extension):
    """{% generation %}, with which Hugging Face marks what an answer is: it writes what stands inside."""

    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(["name:endgeneration"], drop_needle=True)


path = sys.argv[1]
with open(path, encoding="utf-8") as file:
    rows = json.load(file)
environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation])
environment.globals["strftime_now"] = datetime.date(2024, 7, 26).strftime
environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
with open(os.path.join(os.path.dirname(__file__), "published_templates.json"), encoding="utf-8") as file:
    published = {row["model"]: row["jinja"] for row in json.load(file)}
for row in rows:
    switches = {"enable_thinking": row["enable_thinking"]} if "enable_thinking" in row else {}
    row["text"] = environment.from_string(row.get("jinja") or published[row["published"]]).render(
        messages=row["messages"],
        tools=row["tools"],
        add_generation_prompt=row["add_generation_prompt"],
        bos_token=row["bos_token"],
        eos_token=row["eos_token"],
        **switches,
    )
with open(path, "w", encoding="utf-8") as file:
    json.dump(rows, file, indent=1, ensure_ascii=False)
    file.write("\n")
