"""A dictionary of a model's activations, in one call."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sonde.access import Model
from sonde.dictionaries.architectures import Architecture, TopK
from sonde.dictionaries.dictionary import Dictionary
from sonde.dictionaries.store import Live
from sonde.dictionaries.training.fitting import Watch, fit
from sonde.dictionaries.training.learner import Job


def train(
    model: Model | Mapping[str, Model], site: str | Sequence[str], corpus: Any, config: Architecture | None = None, *, writes: str | None = None,
    activations: int = 1_000_000, batch: int = 4096, seed: int = 0, folder: str | Path | None = None, every: int = 200, watch: Watch | None = None,
    buffer: int | None = None,
) -> Dictionary:  # fmt: skip
    """Train one dictionary on what a model computes while it reads.

    Several dictionaries learn from one pass over the model with `fit`, which also gives the course of the training.

    Arguments:
        model: the model; several by name for a crosscoder between models that read the same tokens.
        site: what is read; several sites make a crosscoder.
        corpus: what the model reads: texts, a file, token ids; see `sonde.dictionaries.corpus`. It is read again where it is too short.
        config: the architecture and how it learns; `TopK()` by default.
        writes: the site that should be written, where it is another one (a transcoder: `site="blocks.3.mlp.in", writes="blocks.3.mlp.out"`).
        activations: how many rows (tokens) are learned from.
        batch: rows of one update.
        seed: of the directions, and of the order of the rows.
        folder: where checkpoints are kept and from which an interrupted training goes on; `None` keeps nothing.
        every: updates between two checkpoints.
        watch: what is measured now and then, on the dictionary as it then is.
        buffer: rows of the mixing buffer; see `sonde.dictionaries.Live`.

    Returns:
        The dictionary, whose `metadata` says how it was made; `model.attach(site, dictionary)` makes its latents sites.

    Raises:
        InputError: sites, corpus or numbers that do not go together. Diverged: a loss that is no number or shot up.

    >>> import sonde
    >>> from sonde.specimens.words import documents
    >>> model = sonde.load("specimen:words")
    >>> sae = train(model, "blocks.1.resid_post", documents(n=40), TopK(k=8, size=64), activations=512, batch=128, buffer=512)
    >>> sae, model.attach("blocks.1.resid_post", sae, name="sae").run("the", read="blocks.1.resid_post.sae")["blocks.1.resid_post.sae"].shape
    (Dictionary(64 latents of 128 entries, topk 8), torch.Size([1, 3, 64]))
    """
    reads = [site] if isinstance(site, str) else list(site)
    source = Live(model, corpus, [*reads, *([writes] if writes else [])], rows=activations, buffer=buffer, seed=seed)
    names = tuple(part.site for part in source.parts)
    job = Job(config or TopK(), names[:-1] if writes else names, names[-1:] if writes else (), seed)
    (result,) = fit([job], source, activations=activations, batch=batch, folder=folder, every=every, watch=watch)
    return result.dictionary
