#!/usr/bin/env python3
"""What a step costs on n machines, on paper: the tables of libminillm/doc/scaleout.md.

  scaleout_model.py            prints them
  scaleout_model.py --check    exits with 1 where the document has other numbers

P parameters, b tokens a rank and step, R FLOP/s that a machine sustains, W bytes/s of its line (.9 of the nominal rate):
computing takes 6 P b / R; reduce-scatter and all-gather of fp32 numbers 8 P (n-1)/n / W, and a message 50 us. The
first half hides behind the backward pass, two thirds of the computing, the second behind the next forward pass.
"""
import math
import pathlib
import sys

MACHINES = {"2 cores, 0.3 TFLOP/s": 3e11, "64 cores, 5 TFLOP/s": 5e12, "a GPU, 400 TFLOP/s": 4e14}
MODELS = {"30M": (3e7, 2**17), "110M": (1.1e8, 2**18), "1B": (1e9, 2**20), "7B": (7e9, 2**22)}
RANKS = (2, 8, 64, 512, 4096, 10000)


def line(gbit):
    return gbit * 1e9 / 8 * 0.9


def efficiency(parameters, tokens, n, flops, gbit, overlap):
    computing = 6 * parameters * tokens / n / flops
    messages = math.log2(n) if n > 64 else (n - 1) * 0.2
    sending = 8 * parameters * (n - 1) / n / line(gbit) + 2 * 50e-6 * messages
    hidden = min(sending / 2, computing * 2 / 3) + min(sending / 2, computing / 3) if overlap else 0
    return 100 * computing / (computing + sending - hidden)


def rows():
    yield "| break-even tokens a rank and step | 0.1 Gbit/s | 1 | 10 | 100 | 400 |", None
    for name, flops in MACHINES.items():
        cells = [f"{8 / 6 * flops / line(g):,.0f}" for g in (0.1, 1, 10, 100, 400)]
        yield f"| {name} | " + " | ".join(cells) + " |", name
    for machine, models, lines in (("64 cores, 5 TFLOP/s", MODELS, (1, 10, 100, 400)),
                                   ("2 cores, 0.3 TFLOP/s", ("30M", "110M"), (1, 10))):
        yield f"| {machine} | " + " | ".join(f"n = {n:,}" for n in RANKS) + " |", None
        for name in models:
            parameters, tokens = MODELS[name]
            for gbit in lines:
                cells = ["/".join(f"{efficiency(parameters, tokens, n, MACHINES[machine], gbit, o):.0f}" for o in (False, True))
                         for n in RANKS]
                yield f"| {name}, {gbit} Gbit/s | " + " | ".join(cells) + " |", name
    yield "| parameters | n = 1 | 2 | 8 | 64 |", None
    for name, (parameters, _) in MODELS.items():
        yield f"| {name} | " + " | ".join(f"{(8 + 8 / n) * parameters / 1e9:.2f} GB" for n in (1, 2, 8, 64)) + " |", name
    yield "| machines | " + " | ".join(f"{n:,}" for n in (64, 512, 1000, 4096, 10000)) + " |", None
    lost = [f"{min(100, 100 * n * (180 + 300) / (2000 * 3600)):.1f} %" for n in (64, 512, 1000, 4096, 10000)]
    yield "| time lost to failures | " + " | ".join(lost) + " |", "lost"
    yield "| break-even tokens a replica and inner step | 0.1 Gbit/s | 1 | 10 |", None
    for name, flops in list(MACHINES.items())[:2]:
        for every in (100, 500):
            cells = [f"{8 / 6 * flops / line(g) / every:,.0f}" for g in (0.1, 1, 10)]
            yield f"| {name}, every {every} steps | " + " | ".join(cells) + " |", name


def main():
    if "--check" not in sys.argv:
        for row, _ in rows():
            print(row)
        return 0
    document = pathlib.Path(__file__).parent.parent / "libminillm" / "doc" / "scaleout.md"
    text = document.read_text().splitlines()
    missing = [row for row, kind in rows() if kind is not None and row not in text]
    for row in missing:
        print(f"{document}: expected the row: {row}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
