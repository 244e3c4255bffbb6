"""Training the translators of a tuned lens, in the pattern of its paper: all layers at once, each against what the model says in the end.

The model runs once for a batch; then each layer's reading is judged by KL(final || lens), or by the cross-entropy of the next token in the text, as
the configuration says. The gradient goes through the unembedding by hand
(`divergence`) and from there, through the final norm and the translator, by autograd.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from sonde.access import Model
from sonde.jobs import track
from sonde.lens.divergence import Divergence
from sonde.lens.reading import layer_sites, readable
from sonde.lens.translators import Translators, TunedTraining
from sonde.lens.tuned import TunedLens, unembedding_hash
from sonde.results import InputError, Recipe, SondeError, content_hash, shown

LOOKS = 100  # numbers that the log has for each layer


def train(
    model: Model, rows: Sequence[str | Sequence[int]], config: TunedTraining | None = None, folder: str | Path | None = None,
    every: int = 25, bos: bool | None = None, progress: bool = False,
) -> TunedLens:  # fmt: skip
    """Train a tuned lens on text of the kind that the model was trained on.

    Arguments:
        model: a language model of a known family.
        rows: texts or token ids; those that the model cannot take are left out and named.
        config: how; by default `TunedTraining()`.
        folder: where checkpoints are kept; a training that was interrupted goes on from there. `None` keeps nothing.
        every: updates between two checkpoints.
        bos: as for `Model.run`.
        progress: show a progress bar in a terminal.

    Returns:
        The lens; in its notes the rows that were left out.

    Raises:
        InputError: no rows, no language model. SiteUnavailable: a model without unembedding. SondeError: a folder of another training, or a
            rate so high that the loss is no number any more.
    """
    readable(model)
    config = config or TunedTraining()
    taken, notes = encoded(model, rows, bos)
    if config.loss == "cross_entropy":
        taken, notes = _followed(model, taken, notes)
    if config.rank is not None and config.rank > model.d_model:
        raise InputError(f"rank={config.rank}: {model.name} is {model.d_model} wide; give a rank up to that, or none")
    sites = layer_sites(model)
    sites.pop("model")
    translators = Translators(len(sites), model.d_model, config, model.device)
    batches = list(_batches([len(row) for row in taken], config))
    read = [torch.tensor([len(row) for row in taken]), torch.tensor([i for row in taken for i in row])]
    key = content_hash([model.hash, *read, asdict(config)])
    place = None if folder is None else Path(folder) / "checkpoint"
    log: dict[str, list[float]] = {name: [] for name in ("tokens", *sites)}
    begun = translators.resume(place, key, log) if place is not None and place.exists() else 0
    divergence, seen = Divergence(model), sum(len(taken[i]) for batch in batches[:begun] for i in batch)
    for step in track(range(begun, config.steps), "training a lens", shown=progress):
        batch = [taken[i] for i in batches[step]]
        losses = translators.update(model, batch, list(sites.values()), divergence, step)
        if not bool(losses.isfinite().all()):
            layer = next(name for name, loss in zip(sites, losses, strict=True) if not bool(loss.isfinite()))
            raise SondeError(f"the training ran away after {step} steps (the loss of layer {layer} is no number): choose a lower lr")
        seen += sum(map(len, batch))
        if step == begun or step * LOOKS // config.steps != (step - 1) * LOOKS // config.steps:
            for name, value in zip(log, [float(seen), *losses.tolist()], strict=True):
                log[name].append(value)
        if place is not None and ((step + 1) % every == 0 or step + 1 == config.steps):
            translators.keep(place, key, log, step + 1)
    arguments = {**asdict(config), "bos": bos}
    recipe = Recipe.of("sonde.lens.train", arguments, model_hash=model.hash, inputs=read, seed=config.seed)
    weight, bias = translators.matrices()
    if not bool(weight.isfinite().all() and bias.isfinite().all()):
        raise SondeError(f"the training ran away in its last step, of {config.steps}: choose a lower lr")
    return TunedLens(list(sites), weight.cpu(), bias.cpu(), unembedding_hash(model), log, notes, recipe=recipe)


def _followed(model: Model, rows: list[list[int]], notes: list[str]) -> tuple[list[list[int]], list[str]]:
    """The rows in which a token has a next one."""
    if not model.architecture.causal:
        raise InputError(f"loss='cross_entropy': {model.name} fills in words, so there is no next one that a lens could learn: use 'kl'")
    longer = [row for row in rows if len(row) > 1]
    if not longer:
        raise InputError("loss='cross_entropy': no row has a second token, which the first could be taught to say: give longer ones")
    alone = len(rows) - len(longer)
    return longer, [*notes, f"{alone} rows of one token were left out: it has no next one"] if alone else notes


def encoded(model: Model, rows: Sequence[str | Sequence[int]], bos: bool | None) -> tuple[list[list[int]], list[str]]:
    """The rows as token ids, and what is wrong with those that are left out.

    Arguments:
        model: that reads them.
        rows: texts or token ids.
        bos: as for `Model.run`.

    Raises:
        InputError: one text in the place of a list of them, or no row that can be read.
    """
    if isinstance(rows, str):
        raise InputError(f"rows={shown(rows)}: give a list of texts, not one")
    taken: list[list[int]] = []
    notes: list[str] = []
    for number, row in enumerate(rows):
        try:
            if isinstance(row, str) and model.tokenizer is None:
                raise InputError(f"it is a text, and {model.name} has no tokenizer")
            ids = model.tokenizer.encode(row, bos) if isinstance(row, str) and model.tokenizer is not None else [int(i) for i in row]
            if not ids:
                raise InputError("it is empty")
            if model.context and len(ids) > model.context:
                raise InputError(f"it has {len(ids)} tokens, and the context {model.context}")
            if not 0 <= min(ids) <= max(ids) < (model.architecture.d_vocab or max(ids) + 1):
                raise InputError(f"it holds a token beyond 0 to {model.architecture.d_vocab - 1}")
            taken.append(ids)
        except InputError as error:
            notes.append(f"row {number} was left out: {error}")
    if not taken:
        raise InputError(f"there is no row to read{f'; {notes[0]}' if notes else ''}: give texts or token ids")
    return taken, notes


def _batches(lengths: list[int], config: TunedTraining) -> Iterator[list[int]]:
    """For each step the rows, in an order of their own in every epoch; a row is not cut."""
    generator = torch.Generator().manual_seed(config.seed)
    waiting: list[int] = []
    for _ in range(config.steps):
        batch: list[int] = []
        while sum(lengths[i] for i in batch) < config.tokens and len(batch) < config.tokens:
            if not waiting:
                waiting = torch.randperm(len(lengths), generator=generator).tolist()
            batch.append(waiting.pop())
        yield batch
