"""Causal tracing: at which token and after which block does a model hold the fact that it is asked for?

The subject's token embeddings get Gaussian noise, so that the answer is lost; then the clean value is put back at one token and one block, and the
metric m says how much of the answer comes back (Meng et al. 2022, ROME, section 2):

    total effect = m(clean) - m(corrupted)          indirect effect of (token, block) = m(corrupted, restored there) - m(corrupted)

Every prompt has the same draws of noise under every restoration. What MLPs or attention add is restored over a window of blocks, since one of them
changes little; severed, what MLPs or attention add at that token afterwards is held at its corrupted value.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from sonde.access import Edit, Model, Noise, Patch, PerRow, Run, Set, Site
from sonde.access.forward import logits_for
from sonde.jobs import track
from sonde.patching.subjects import Asked, asked_of_task, asked_of_texts
from sonde.patching.traces import Kind, Trace
from sonde.results import InputError, Recipe, shown
from sonde.tasks import Task
from sonde.tasks.metrics import unit_of

SITES: dict[Kind, str] = {"state": "resid_post", "mlp": "mlp.out", "attn": "attn.out"}
WIDEST, SHARE = 10, 5  # blocks in a window: ten of GPT-2 XL's 48, and of smaller models as large a share
TIMES = 3.0  # the noise is so many times as wide as the subjects' embeddings


def causal_tracing(
    model: Model, prompts: Task | str | Sequence[str], subject: str | Sequence[str] = "subject", answers: str | Sequence[str] | None = None,
    restored: Kind = "state", window: int | None = None, severed: Literal["mlp", "attn"] | None = None, metric: str | None = "probability",
    std: float | None = None, samples: int = 10, seed: int = 0, batch_size: int | Literal["auto"] = "auto", bos: bool | None = None,
    progress: bool = True,
) -> Trace:  # fmt: skip
    """How much of an answer comes back when one place of a run with a corrupted subject is as it was.

    Arguments:
        model: a causal language model of a known family.
        prompts: texts; or a task, whose counterfactuals are not used.
        subject: of a task: the name of the span that is corrupted; of texts: the words, the same in every text or one for each.
        answers: of texts: the token that is asked for, one for each or one for all; by default what the model itself says next.
        restored: the "state", which is the residual stream leaving a block; what "mlp" adds; or what "attn" adds.
        window: over how many blocks, centred, MLPs or attention are restored; by default a fifth of them, at most 10.
        severed: what cannot answer to the restored place: "mlp" or "attn" at the same token, from there on.
        metric: "probability", "log_probability" or, of a task, another of its metrics by name; `None` for the task's own.
        std: of the noise; by default three times that of all embeddings of the subjects' tokens.
        samples: draws of noise for each prompt.
        seed: of the noise.
        batch_size: rows per pass.
        bos: of texts: whether the beginning-of-sequence token comes first.
        progress: whether a bar is shown.

    Returns:
        The metric at every token and block of every prompt, with both unrestored runs. Texts that cannot be traced are named in its notes.

    Raises:
        InputError: a span or subject that is not there in any prompt; words, windows or numbers that make no sense. SiteUnavailable: a model that
            lacks the places.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> found = causal_tracing(model, "The capital of France is", "France", samples=4)
    >>> found.answers, tuple(found.values.shape)
    ([' Paris'], (1, 4, 6))
    """
    _refuse(model, restored, window, severed, std, samples)
    if isinstance(prompts, Task):
        if answers is not None:
            raise InputError("a task says itself what is right: leave answers out")
        asked, notes = asked_of_task(model, prompts, subject, metric)
    else:
        asked, notes = asked_of_texts(model, [prompts] if isinstance(prompts, str) else prompts, subject, answers, metric, bos)
    width = 1 if restored == "state" else window or max(1, min(WIDEST, round(model.n_layers / SHARE)))
    std = TIMES * _spread(model, asked) if std is None else float(std)
    found = [_one(model, one, restored, width, severed, std, samples, seed, batch_size) for one in track(asked, "tracing", shown=progress)]
    longest = max(len(one.ids) for one in asked)
    values = torch.full((len(asked), model.n_layers, longest), torch.nan)
    for i, (_, _, grid) in enumerate(found):
        values[i, :, : grid.shape[1]] = grid
    return Trace(
        texts=[one.text for one in asked], tokens=[list(one.tokens) for one in asked], subjects=[list(one.subject) for one in asked],
        answers=[one.answer for one in asked], values=values, clean=torch.stack([clean for clean, _, _ in found]),
        corrupt=torch.stack([corrupt for _, corrupt, _ in found]), restored=restored, window=width, severed=severed, std=std, seed=seed,
        unit=unit_of(asked[0].metric), notes=notes,
        recipe=Recipe.of(
            "sonde.patching.causal_tracing",
            {"restored": restored, "window": width, "severed": severed, "metric": metric, "std": std, "samples": samples},
            model_hash=model.hash, inputs=[[one.ids, one.subject, one.answer] for one in asked], seed=seed,
        ),
    )  # fmt: skip


def _one(
    model: Model, asked: Asked, restored: Kind, width: int, severed: Literal["mlp", "attn"] | None, std: float, samples: int, seed: int,
    batch_size: int | Literal["auto"],
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """The metric of a prompt as it is, under each draw of noise, and under each restoration: [block pos], the mean over the draws."""
    rows, length = [list(asked.ids)] * samples, len(asked.ids)
    layers = range(model.n_layers)
    clean = model.run([list(asked.ids)], read=[f"blocks.{i}.{SITES[restored]}" for i in layers], logits=logits_for(asked.metric))
    place = Site("embed").at(pos=asked.subject)
    noise = PerRow([Noise(place, std, seed * samples + draw) for draw in range(samples)])
    noisy = model.run(rows, read="embed", edits=noise, logits=False)["embed"]
    # the noise is in the module itself, so that it is in the run that the sweep begins from, and is not made again for every place
    with model.edited(Set("embed", noisy)):
        held = model.run(rows, read=[f"blocks.{i}.{SITES[severed]}" for i in layers], logits=False) if severed else None
        cells = [_cell(model, clean, held, layer, pos, restored, width, severed) for layer in layers for pos in range(length)]
        sweep = model.sweep(rows, cells, asked.metric, batch_size)
    return asked.metric(clean)[0].cpu(), sweep.base.cpu(), sweep.values.mean(1).view(len(layers), length).cpu()


def _cell(
    model: Model, clean: Run, held: Run | None, layer: int, pos: int, restored: Kind, width: int, severed: Literal["mlp", "attn"] | None
) -> list[Edit]:  # fmt: skip
    """What is restored at one place, and what is kept from answering to it."""
    around = window_of(layer, width, model.n_layers)
    edits: list[Edit] = [Patch(Site(f"blocks.{i}.{SITES[restored]}").at(pos=pos), clean) for i in around]
    if severed and held is not None:
        behind = range(layer + 1 if restored == "state" else around[0], model.n_layers)
        edits += [Patch(Site(f"blocks.{i}.{SITES[severed]}").at(pos=pos), held) for i in behind]
    return edits


def window_of(layer: int, width: int, layers: int) -> range:
    """The blocks of a window around one, cut at both ends of the model.

    Arguments:
        layer: its centre; of an even number of blocks the later one of the two.
        width: how many.
        layers: of the model.

    >>> window_of(5, 4, 12), window_of(0, 4, 12)
    (range(3, 7), range(0, 2))
    """
    first = layer - width // 2
    return range(max(0, first), min(layers, first + width))


def _spread(model: Model, asked: Sequence[Asked]) -> float:
    """The standard deviation of all numbers in the embeddings of the subjects' tokens."""
    ids = torch.tensor([one.ids[i] for one in asked for i in one.subject], device=model.device)
    with torch.no_grad():
        return float(model.embed(ids).float().std())


def _refuse(model: Model, restored: str, window: int | None, severed: str | None, std: float | None, samples: int) -> None:
    if restored not in SITES:
        raise InputError(f"restored={shown(restored)}: use {', '.join(map(repr, SITES))}")
    if severed not in (None, "mlp", "attn") or severed == restored:
        others = [kind for kind in ("mlp", "attn") if kind != restored]
        raise InputError(f"severed={shown(severed)}: of a restored {restored!r} can be severed {' or '.join(map(repr, others))}")
    if window is not None and (restored == "state" or not 1 <= window <= model.n_layers):
        raise InputError(f"window={window}: give 1 to {model.n_layers} blocks, for a restored 'mlp' or 'attn'; a state is that of one block")
    if std is not None and not std > 0:
        raise InputError(f"std={std} is no standard deviation: give a positive number")
    if samples < 1:
        raise InputError(f"samples={samples}: give at least one draw of noise")
