#!/usr/bin/env python3
"""Writes fixtures/llama_{tied,untied}.txt: what a plain PyTorch Llama makes of a small batch.

Logits, loss, the gradient of every tensor, and the losses of ten AdamW steps, all in float64.
torch_parity_test.cc computes the same with libminillm. Weights and tokens come from a generator that both
sides compute exactly (Numbers), so they need not be stored.

Run with Debian's python3-torch:  /usr/bin/python3 tests/nn/make_torch_fixtures.py
"""
import math
import pathlib

import torch

V, C, F, L, H, K, D = 20, 16, 20, 2, 4, 2, 4
ROPE_THETA, EPSILON = 50.0, 1e-3
LENGTHS = [7, 12, 1, 4]
WEIGHTS = [1.0, 0.0, 0.5, 1.0, 2.0]  # of the targets, in turn
LEARNING_RATE, BETAS, ADAM_EPSILON, DECAY, STEPS = 1e-2, (0.9, 0.95), 1e-8, 0.1, 10


class Numbers:
    """A 64-bit linear congruential generator (Knuth's MMIX constants); its upper 31 bits."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return self.state >> 33

    def uniform(self):
        return self.next() / 2**31


def make_parameters(tied):
    shapes = {"model.embed_tokens.weight": (V, C)}
    for layer in range(L):
        p = f"model.layers.{layer}."
        shapes[p + "input_layernorm.weight"] = (C,)
        shapes[p + "self_attn.q_proj.weight"] = (H * D, C)
        shapes[p + "self_attn.k_proj.weight"] = (K * D, C)
        shapes[p + "self_attn.v_proj.weight"] = (K * D, C)
        shapes[p + "self_attn.o_proj.weight"] = (C, H * D)
        shapes[p + "post_attention_layernorm.weight"] = (C,)
        shapes[p + "mlp.gate_proj.weight"] = (F, C)
        shapes[p + "mlp.up_proj.weight"] = (F, C)
        shapes[p + "mlp.down_proj.weight"] = (C, F)
    shapes["model.norm.weight"] = (C,)
    if not tied:
        shapes["lm_head.weight"] = (V, C)

    numbers = Numbers(1)
    parameters = {}
    for name, shape in shapes.items():
        gain = len(shape) == 1
        values = [0.5 + numbers.uniform() if gain else 1.5 * (numbers.uniform() - 0.5)
                  for _ in range(math.prod(shape))]
        parameters[name] = torch.tensor(values, dtype=torch.float64).reshape(shape).requires_grad_()
    return parameters


def make_sequences():
    numbers = Numbers(2)
    return [torch.tensor([numbers.next() % V for _ in range(length)]) for length in LENGTHS]


def rms_norm(x, weight):
    return weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPSILON)


def rotate(x):  # [T, heads, D]; Hugging Face's half-split RoPE
    frequencies = ROPE_THETA ** (-torch.arange(0, D, 2, dtype=torch.float64) / D)
    angles = torch.outer(torch.arange(x.shape[0], dtype=torch.float64), frequencies)
    cos, sin = angles.cos().repeat(1, 2)[:, None], angles.sin().repeat(1, 2)[:, None]
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


def attention(w, prefix, x):
    T = x.shape[0]
    q = rotate((x @ w[prefix + "q_proj.weight"].T).view(T, H, D)).transpose(0, 1)
    k = rotate((x @ w[prefix + "k_proj.weight"].T).view(T, K, D)).transpose(0, 1)
    v = (x @ w[prefix + "v_proj.weight"].T).view(T, K, D).transpose(0, 1)
    k, v = k.repeat_interleave(H // K, 0), v.repeat_interleave(H // K, 0)
    scores = q @ k.transpose(1, 2) / math.sqrt(D)
    scores = scores.masked_fill(torch.ones(T, T).triu(1).bool(), float("-inf"))
    mixed = scores.softmax(-1) @ v
    return mixed.transpose(0, 1).reshape(T, H * D) @ w[prefix + "o_proj.weight"].T


def logits_of(w, tokens):
    x = w["model.embed_tokens.weight"][tokens]
    for layer in range(L):
        p = f"model.layers.{layer}."
        x = x + attention(w, p + "self_attn.", rms_norm(x, w[p + "input_layernorm.weight"]))
        y = rms_norm(x, w[p + "post_attention_layernorm.weight"])
        gate, up = y @ w[p + "mlp.gate_proj.weight"].T, y @ w[p + "mlp.up_proj.weight"].T
        x = x + (torch.nn.functional.silu(gate) * up) @ w[p + "mlp.down_proj.weight"].T
    head = w.get("lm_head.weight", w["model.embed_tokens.weight"])
    return rms_norm(x, w["model.norm.weight"]) @ head.T


def loss_of(w, sequences):
    total, weight_sum, count = 0.0, 0.0, 0
    for tokens in sequences:
        log_probs = logits_of(w, tokens).log_softmax(-1)
        for row in range(len(tokens) - 1):
            weight = WEIGHTS[count % len(WEIGHTS)]
            count += 1
            total = total - weight * log_probs[row, tokens[row + 1]]
            weight_sum += weight
    return total / weight_sum


def train(w, sequences):
    """The loss before each of ten steps, and after the last."""
    optimizer = torch.optim.AdamW(
        [{"params": [p for p in w.values() if p.dim() == 2], "weight_decay": DECAY},
         {"params": [p for p in w.values() if p.dim() == 1], "weight_decay": 0.0}],
        lr=LEARNING_RATE, betas=BETAS, eps=ADAM_EPSILON)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(w, sequences)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses + [loss_of(w, sequences).item()]


def write(file, name, values):
    values = list(values)
    file.write(f"{name} {len(values)}\n")
    for i in range(0, len(values), 8):
        file.write(" ".join(f"{v:.11g}" for v in values[i:i + 8]) + "\n")


def main():
    for tied in (True, False):
        w, sequences = make_parameters(tied), make_sequences()
        path = pathlib.Path(__file__).parent / "fixtures" / f"llama_{'tied' if tied else 'untied'}.txt"
        with open(path, "w") as file:
            write(file, "logits", torch.cat([logits_of(w, s) for s in sequences]).flatten().tolist())
            loss = loss_of(w, sequences)
            loss.backward()
            write(file, "loss", [loss.item()])
            for name, parameter in w.items():
                write(file, name, parameter.grad.flatten().tolist())
            write(file, "training_losses", train(w, sequences))
            write(file, "trained_norms", [p.norm().item() for p in w.values()])


main()
