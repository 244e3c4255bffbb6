"""Proof by intervention: what an edit of queries, keys and the MLP's branches reaches.

No equation tells queries from keys, as long as the family's own rotation, norm or bias stands between them and the scores, and none tells the gate
from the branch that it multiplies. What an edit reaches does: a query reaches its own scores alone, a key those of its column, in the heads that
read it; attention reaches the MLP, unless they stand side by side; a neuron is one entry before and behind the activation, and twice the linear
branch is twice the neurons.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sonde.access.architectures import Architecture
from sonde.access.edits import Add, Edit, Scale
from sonde.access.forward import forward
from sonde.access.inputs import Inputs
from sonde.access.run import Run
from sonde.access.sites import Site
from sonde.access.views import hidden
from sonde.access.writes import Write

if TYPE_CHECKING:
    from sonde.access.model import Model

# the equation, the sites that it vouches for, and its two sides
Equation = tuple[str, Sequence[str], Tensor, Tensor]

POS = 1  # a position with one before it and some after it


def reaches(model: "Model", inputs: Inputs, base: Run, arch: Architecture) -> Iterator[Equation]:
    """What edits in each block of a stack reach.

    Arguments:
        model: the handle.
        inputs: a few tokens.
        base: the unedited run over every site.
        arch: of the stack.
    """
    for i in range(arch.n_layers if arch.law != "none" else 0):
        b = f"{arch.prefix}blocks.{i}."
        if f"{b}attn.scores" in base:
            yield from _scores(model, inputs, base, arch, b)
        if f"{b}mlp.in" in base:
            yield _between(model, inputs, base, arch, b)
        if f"{b}mlp.pre" in base:
            yield from _neurons(model, inputs, base, b)


def _scores(model: "Model", inputs: Inputs, base: Run, arch: Architecture, b: str) -> Iterator[Equation]:
    group, n = arch.n_heads // arch.n_kv_heads, arch.n_heads
    kv_axis = "head" if arch.n_kv_heads == n else "kv_head"
    for site, head, axis, n_read in (
        ("q", "head", "query", 1),
        ("q_rot", "head", "query", 1),
        ("k", kv_axis, "key", group),
        ("k_rot", kv_axis, "key", group),
    ):
        name = f"{b}attn.{site}"
        if name not in base:
            continue
        last = (n if axis == "query" else arch.n_kv_heads) - 1
        edit = Scale(Site(name).at(**{head: last, "pos": POS}), -1.0)  # norms of queries and keys keep the sign
        change = _change(model, inputs, base, edit, f"{b}attn.scores").masked_fill(hidden(base[f"{b}attn.scores"]), 0)
        within = torch.zeros_like(change)
        column = (slice(None), slice(n - n_read, n), POS) if axis == "query" else (slice(None), slice(n - n_read, n), slice(None), POS)
        within[column] = change[column]
        yield f"{site} at one position reaches the scores of that {axis} alone", [name], _if_any(within), change


def _between(model: "Model", inputs: Inputs, base: Run, arch: Architecture, b: str) -> Equation:
    """Only side by side with it the MLP reads nothing of what attention adds."""
    change = _change(model, inputs, base, Scale(Site(f"{b}attn.out"), -1.0), f"{b}mlp.in")
    if arch.law == "parallel":
        return "attn.out does not reach mlp.in", [f"{b}mlp.in"], base[f"{b}mlp.in"].float() + change, base[f"{b}mlp.in"]
    return "attn.out reaches mlp.in", [f"{b}resid_mid"], _if_any(change), change


def _neurons(model: "Model", inputs: Inputs, base: Run, b: str) -> Iterator[Equation]:
    post = f"{b}mlp.post"
    for name in (f"{b}mlp.pre", f"{b}mlp.gate"):
        if name in base:
            change = _change(model, inputs, base, Add(Site(name).at(pos=POS, d_mlp=-1), 1.0), post)
            within = torch.zeros_like(change)
            within[:, POS, -1] = change[:, POS, -1]
            yield f"{name.removeprefix(b)} at one entry reaches mlp.post at that entry alone", [name], _if_any(within), change
    if f"{b}mlp.gate" in base:
        change = _change(model, inputs, base, Scale(Site(f"{b}mlp.pre"), 2.0), post)
        yield "twice mlp.pre is twice mlp.post", [f"{b}mlp.pre", f"{b}mlp.gate"], change, base[post]


def _change(model: "Model", inputs: Inputs, base: Run, edit: Edit, name: str) -> Tensor:
    """By how much an edit changes the value at a site; the forward ends there."""
    run = forward(model, inputs, [Site(name)], [Write(edit.site, edit)], logits=False, record=base.kernel == "eager")
    return run[name].float() - base[name].float()


def _if_any(within: Tensor) -> Tensor:
    """An edit that reaches nothing proves nothing."""
    return within if within.any() else torch.ones_like(within)
