"""Writes fixtures/pair_losses.txt: every pair loss and its derivatives by PyTorch, float64, from formulas as the papers
write them (autograd does the rest). A line: name beta label_smoothing gamma desirable undesirable, then L_w L_l ref_w
ref_l n_w n_l z, then loss dL_w dL_l.

    python3 tests/objectives/make_pair_loss_fixtures.py      (torch 1.13 made the stored file)
"""

import pathlib

import torch
from torch.nn.functional import logsigmoid, relu

torch.manual_seed(1)


def log_odds(mean):
    return mean - torch.log1p(-torch.exp(mean))


def loss_of(name, c, w, l, ref_w, ref_l, n_w, n_l, z):
    s_w, s_l = w - ref_w, l - ref_l
    margin = c["beta"] * (s_w - s_l)
    e = c["label_smoothing"]
    if name == "dpo":
        return -(1 - e) * logsigmoid(margin) - e * logsigmoid(-margin)
    if name == "robust":
        return (-(1 - e) * logsigmoid(margin) + e * logsigmoid(-margin)) / (1 - 2 * e)
    if name == "ipo":
        return (s_w / n_w - s_l / n_l - 1 / (2 * c["beta"])) ** 2
    if name == "hinge":
        return relu(1 - margin)
    if name == "dpo_norm":
        return -logsigmoid(c["beta"] * (s_w / n_w - s_l / n_l))
    if name == "simpo":
        return -logsigmoid(c["beta"] * (w / n_w - l / n_l) - c["gamma"])
    if name == "orpo":
        return -c["beta"] * logsigmoid(log_odds(w / n_w) - log_odds(l / n_l))
    if name == "apo_zero":
        return 1 - torch.sigmoid(c["beta"] * s_w) + torch.sigmoid(c["beta"] * s_l)
    if name == "apo_down":
        return torch.sigmoid(c["beta"] * s_w) + 1 - torch.sigmoid(margin)
    assert name == "kto"
    good = c["desirable"] * (1 - torch.sigmoid(c["beta"] * (s_w - z)))
    bad = c["undesirable"] * (1 - torch.sigmoid(c["beta"] * (z - s_l)))
    return (good if n_w > 0 else 0) + (bad if n_l > 0 else 0)


NAMES = ["dpo", "ipo", "robust", "hinge", "dpo_norm", "simpo", "orpo", "apo_zero", "apo_down", "kto"]
lines = []
for name in NAMES:
    for case in range(6):
        c = dict(beta=[0.1, 0.5, 2.0][case % 3], label_smoothing=0, gamma=0.5, desirable=1, undesirable=1)
        if name in ("dpo", "robust") and case >= 3:
            c["label_smoothing"] = 0.2
        if name == "simpo" and case >= 3:
            c["gamma"] = 1.25
        if name == "kto" and case >= 3:
            c["desirable"], c["undesirable"] = 1.5, 0.75
        n = torch.randint(1, 12, (2,)).double()
        logps = -torch.rand(4, dtype=torch.float64) * n.repeat(2) * 2 - 0.01
        z = torch.rand(1).item()
        if name == "kto" and case % 3 > 0:
            n[case % 3 - 1] = 0  # only one of the answers
        w, l = (logps[i].clone().requires_grad_() for i in (0, 1))
        loss = loss_of(name, c, w, l, logps[2], logps[3], n[0], n[1], z)
        dw, dl = torch.autograd.grad(loss, (w, l), allow_unused=True)
        values = [*c.values(), *logps.tolist(), *n.tolist(), z, loss.item()]
        values += [0.0 if d is None else d.item() for d in (dw, dl)]
        lines.append(" ".join([name] + [repr(float(v)) for v in values]))
path = pathlib.Path(__file__).parent / "fixtures" / "pair_losses.txt"
path.write_text("\n".join(lines) + "\n")
