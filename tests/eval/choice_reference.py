#!/usr/bin/env python3
"""Public benchmarks with stories260K, read, encoded, computed and judged in numpy without any code of the library, and
compared with minillm-eval item by item: the same ids scored, the same log-probabilities, the same items right.

  choice_reference.py <folder of the tools>

MINILLM_TEST_DATA names the folder with weights/ and eval/; without it, or without numpy, the test is skipped (77).
200 items of some files; of all files with MINILLM_LONG_TESTS=1.
"""
import csv
import glob
import gzip
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ITEMS = 200
TOLERANCE = 1e-3  # of a summed log-probability; the sums are of float against double

data = pathlib.Path(os.environ.get("MINILLM_TEST_DATA", ""))
if not os.environ.get("MINILLM_TEST_DATA") or not (data / "eval").is_dir():
    print("SKIPPED: set MINILLM_TEST_DATA to the folder with weights/ and eval/")
    sys.exit(77)
try:
    import numpy as np
except ModuleNotFoundError:
    if sys.executable != "/usr/bin/python3" and os.path.exists("/usr/bin/python3"):  # the one that Debian's numpy is for
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    print("SKIPPED: there is no numpy (python3-numpy)")
    sys.exit(77)


class Tokenizer:
    """tokenizer.bin as run.c of llama2.c reads and uses it."""

    def __init__(self, path, size):
        raw = pathlib.Path(path).read_bytes()
        at, self.scores, self.ids = 4, [], {}
        for token in range(size):
            score, length = struct.unpack_from("<fi", raw, at)
            self.ids.setdefault(raw[at + 8:at + 8 + length], token)
            self.scores.append(score)
            at += 8 + length
        self.texts = {token: text for text, token in self.ids.items()}
        # No piece has a space but at its beginning, so words can be encoded one by one.
        assert all(b" " not in text[1:] for text in self.ids if not text.startswith(b"<"))
        self.known = {}

    def word(self, text):
        ids = []
        for character in text:
            one = character.encode()
            ids += [self.ids[one]] if one in self.ids else [byte + 3 for byte in one]
        while True:
            best = None
            for i in range(len(ids) - 1):
                merged = self.ids.get(self.texts[ids[i]] + self.texts[ids[i + 1]])
                if merged is not None and (best is None or self.scores[merged] > best[0]):
                    best = self.scores[merged], i, merged
            if best is None:
                return ids
            ids[best[1]:best[1] + 2] = [best[2]]

    def encode(self, text):
        ids = []
        words = (" " + text if text else "").split(" ")
        for word in [words[0]] * (words[0] != "") + [" " + w for w in words[1:]]:
            if word not in self.known:
                self.known[word] = self.word(word)
            ids += self.known[word]
        return ids


class Model:
    """A Llama of llama2.c's version 0, in double."""

    def __init__(self, path):
        raw = pathlib.Path(path).read_bytes()
        C, F, L, H, K, V, T = struct.unpack_from("<7i", raw)
        floats = np.frombuffer(raw, np.float32, offset=28).astype(np.float64)
        at = 0

        def take(*shape):
            nonlocal at
            size = int(np.prod(shape))
            at += size
            return floats[at - size:at].reshape(shape)

        D = C // H
        self.C, self.H, self.K, self.V, self.T, self.D, self.L = C, H, K, abs(V), T, D, L
        self.embedding = take(self.V, C)
        self.norm_attention = take(L, C)
        self.q, self.k, self.v, self.o = take(L, C, C), take(L, K * D, C), take(L, K * D, C), take(L, C, C)
        self.norm_feed = take(L, C)
        self.gate, self.down, self.up = take(L, F, C), take(L, C, F), take(L, F, C)
        self.norm_last = take(C)
        angles = np.arange(T)[:, None] * 10000.0 ** (-np.arange(0, D, 2) / D)[None, :]
        self.turn = np.exp(1j * angles)  # [T, D/2]: pairs are (2i, 2i + 1)

    @staticmethod
    def norm(x, weight):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * weight

    def rotate(self, x):  # [T, heads, D]
        pairs = np.ascontiguousarray(x).view(np.complex128) * self.turn[:len(x), None, :]
        return pairs.view(np.float64)

    def log_probabilities(self, ids, count):
        """Of what follows each of the last `count` ids: [count, V]."""
        n = len(ids)
        x = self.embedding[ids]
        hidden = np.triu(np.full((n, n), -np.inf), 1)
        for layer in range(self.L):
            a = self.norm(x, self.norm_attention[layer])
            q = self.rotate((a @ self.q[layer].T).reshape(n, self.H, self.D))
            k = self.rotate((a @ self.k[layer].T).reshape(n, self.K, self.D))
            v = (a @ self.v[layer].T).reshape(n, self.K, self.D)
            k, v = (np.repeat(t, self.H // self.K, axis=1) for t in (k, v))
            s = np.matmul(q.transpose(1, 0, 2), k.transpose(1, 2, 0)) / np.sqrt(self.D) + hidden
            s = np.exp(s - s.max(-1, keepdims=True))
            s /= s.sum(-1, keepdims=True)
            x = x + np.matmul(s, v.transpose(1, 0, 2)).transpose(1, 0, 2).reshape(n, self.C) @ self.o[layer].T
            b = self.norm(x, self.norm_feed[layer])
            g = b @ self.gate[layer].T
            x = x + (g / (1 + np.exp(-g)) * (b @ self.up[layer].T)) @ self.down[layer].T
        z = self.norm(x[n - count:], self.norm_last) @ self.embedding.T
        z -= z.max(-1, keepdims=True)
        return z - np.log(np.exp(z).sum(-1, keepdims=True))


def read_items(path):
    """[(contexts and continuations, right)], by what the files' makers say of them."""
    name = path.name
    if name == "TruthfulQA.csv":
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            answers = [row["Best Answer"]] + row["Incorrect Answers"].split(";")
            answers = [a.strip() for a in answers if a.strip()]
            yield [(f"Q: {row['Question']}\nA:", " " + a) for a in answers], 0
    elif name.endswith(".requests.jsonl.gz"):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            item, doc = [], None
            for line in file:
                record = json.loads(line)
                if record["doc_id"] >= 1000000:
                    continue  # without its question
                if item and record["doc_id"] != doc:
                    yield item, right
                    item = []
                doc, right = record["doc_id"], record["label"]
                item.append((record["request"]["context"], record["request"]["continuation"]))
            yield item, right
    elif path.parent.name == "blimp":
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            yield [("", record["sentence_good"]), ("", record["sentence_bad"])], 0
    else:  # LAMBADA
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.split(" ")
            yield [(" ".join(words[:-1]), " " + words[-1])], 0


def score(model, tokenizer, context, continuation):
    """The log-probability, how many ids it is of, and whether all are the most probable ones."""
    kept = context.rstrip()
    context, continuation = kept, context[len(kept):] + continuation
    before = [1] + tokenizer.encode(context)
    whole = [1] + tokenizer.encode(context + continuation)
    assert whole[:len(before)] == before, (context, continuation)
    count = len(whole) - len(before)
    whole = whole[-(model.T + 1):]
    logp = model.log_probabilities(whole[:-1], count)
    wanted = whole[-count:]
    return logp[np.arange(count), wanted].sum(), count, bool((logp.argmax(-1) == wanted).all())


def compare(model, tokenizer, path, lines):
    worst, right = 0.0, 0
    items = [item for _, item in zip(range(ITEMS), read_items(path))]
    if [line["item"] for line in lines] != list(range(len(items))):
        sys.exit(f"{path}: expected items 0 to {len(items) - 1}, got {len(lines)} lines")
    for (choices, answer), line in zip(items, lines):
        scores = [score(model, tokenizer, *choice) for choice in choices]
        sums = np.array([s[0] for s in scores])
        where = f"{path}, item {line['item']}"
        if [s[1] for s in scores] != line["tokens"]:
            sys.exit(f"{where}: tokens: expected {[s[1] for s in scores]}, got {line['tokens']}")
        worst = max(worst, np.abs(sums - line["logp"]).max())
        if len(choices) == 1:
            mine, theirs = [scores[0][2]], [line["greedy"]]
            right += scores[0][2]
        else:
            texts = [choice[1].removeprefix(" ") for choice in choices]
            lengths = [np.ones(len(texts)), np.array([len(t) for t in texts]),
                       np.array([len(t.encode()) for t in texts]), np.array([s[1] for s in scores])]
            mine = [bool(np.argmax(sums / length) == answer) for length in lengths]
            theirs = [line[name] == line["right"]
                      for name in ("best", "best_per_character", "best_per_byte", "best_per_token")]
            right += mine[0]
            if line["right"] != answer:
                sys.exit(f"{where}: expected choice {answer} to be right, got {line['right']}")
        if mine != theirs:
            sys.exit(f"{where}: expected {mine}, got {theirs}; {sums.tolist()} against {line['logp']}")
    if worst > TOLERANCE:
        sys.exit(f"{path}: log-probabilities differ by {worst:.2g}: expected at most {TOLERANCE}")
    print(f"{path.name}: {len(items)} items alike, {right} right, log-probabilities differ by at most {worst:.1e}",
          flush=True)


def main():
    tools = pathlib.Path(sys.argv[1])
    weights, folder = data / "weights", data / "eval"
    tokenizer, model = Tokenizer(weights / "tok512.bin", 512), Model(weights / "stories260K.bin")
    blimp = sorted(pathlib.Path(p) for p in glob.glob(str(folder / "blimp" / "*.jsonl")))
    choice = [folder / "olmo_arc_easy_rc_0shot.requests.jsonl.gz", folder / "blimp" / "passive_1.jsonl"]
    if os.environ.get("MINILLM_LONG_TESTS"):
        choice = [folder / "TruthfulQA.csv"] + sorted(folder.glob("olmo_*.requests.jsonl.gz")) + blimp
    with tempfile.TemporaryDirectory() as scratch:
        def run(*arguments):
            done = subprocess.run([str(a) for a in arguments] + ["--threads", "1"], capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"{arguments}: exit code {done.returncode}: {done.stderr}")
        checkpoint, log = scratch + "/stories", scratch + "/items.jsonl"
        run(tools / "minillm-import", "--llama2c", weights / "stories260K.bin",
            "--llama2c-tokenizer", weights / "tok512.bin", "--out", checkpoint)
        for kind, files in (("choice", choice), ("continuation", [folder / "lambada_dev_plain.txt"])):
            run(tools / "minillm-eval", kind, "--checkpoint", checkpoint, "--limit", ITEMS, "--items", log,
                "--data", *files)
        tasks = {}
        with open(log, encoding="utf-8") as file:
            for line in map(json.loads, file):
                if "task" in line:
                    lines = tasks.setdefault(line["file"], [])
                else:
                    lines.append(line)
        if len(tasks) != len(choice) + 1:
            sys.exit(f"expected items of {len(choice) + 1} files, got {len(tasks)}")
        for path, lines in tasks.items():
            compare(model, tokenizer, pathlib.Path(path), lines)


main()
