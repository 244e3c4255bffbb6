"""Does lateral inhibition make neurons interpretable, and at which price? GELU, SoLU and LN-SoLU side by side, at several sizes."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from jaxtyping import Float
from tokenizers import Tokenizer
from torch import Tensor

from sonde.access import Model
from sonde.jobs import place_for, track
from sonde.loading import load
from sonde.results import InputError, Recipe
from sonde.specimens import registry
from sonde.specimens.words import documents, labelled
from sonde.specimens.words.evaluate import SKILLS
from sonde.specimens.words.examiner import Examiner
from sonde.superposition.solu.inconsistency import Inconsistency, inconsistency
from sonde.superposition.solu.properties import properties_of
from sonde.superposition.solu.rater import rate_neurons
from sonde.superposition.solu.study_results import SoluStudy, Trained
from sonde.superposition.solu.training import ACTIVATIONS, LanguageTraining, Size, refused, train_language_model

SIZES = (Size(1, 32), Size(2, 32), Size(2, 64))
DOWNSTREAM = ("agreement across a distractor of the other number", "tense")
TOKENIZER = ("tokenizer.json", "tokenizer_config.json")
ASKED = 100
"""Documents of each downstream skill, of combinations that training never shows."""


def solu_study(
    sizes: Sequence[Size] = SIZES, activations: Sequence[str] = ACTIVATIONS, config: LanguageTraining | None = None, texts: int = 400,
    seed: int = 0, folder: str | Path | None = None, progress: bool = False,
) -> SoluStudy:  # fmt: skip
    """Train language models that differ in their neurons alone; rate every neuron, and measure the loss and two skills.

    Arguments:
        sizes: of the models.
        activations: of "gelu", "solu" and "ln_solu".
        config: of the training.
        texts: held-out documents on which neurons are rated.
        seed: of weights, documents, and of the rater's halves.
        folder: where each model's checkpoint is kept (the same call goes on from there), and its finished weights with their tokenizer.
        progress: show bars.

    Returns:
        The figures of each model, the ratings of its neurons, and, of SoLU with a norm, what the norm does to weak firings.

    Raises:
        InputError: sizes, activations or a training that make no sense; a folder that can't be written.
    """
    config = config or LanguageTraining()
    if why := refused(sizes, activations, config):
        raise InputError(why)
    kept = None if folder is None else place_for(folder)
    tokenizer = load("specimen:words-small").tokenizer
    assert tokenizer is not None
    raw = Tokenizer.from_file(str(registry.path("words-small") / "tokenizer.json"))
    drawn = documents(n=texts, seed=seed + 1)
    known = labelled(drawn, tokenizer)
    rows = [row[1:] for row in known.rows]  # the token that begins every document is none
    labels = {name: [row[1:] for row in own] for name, own in known.labels.items()}
    properties = properties_of(rows, tokenizer.strings(range(tokenizer.vocab_size)), labels)
    found, curve = [], None
    for size in sizes:
        for activation in activations:
            place = None if kept is None else kept / f"{activation}-{size.n_layers}-{size.d_model}"
            checkpoint = None if place is None else place.with_name(place.name + ".checkpoint")
            net, losses = train_language_model(size, activation, raw, config, seed, checkpoint, progress)
            if place is not None:
                net.save(place)
                for name in TOKENIZER:
                    shutil.copy(registry.path("words-small") / name, place / name)
            examiner = Examiner(net, raw)
            asked = {skill.name: skill for skill in SKILLS}
            measured = [asked[name].measure(examiner, ASKED, seed) for name in DOWNSTREAM]
            skills = {one.name: (one.value, one.low, one.high) for one in measured}
            model = load(net)
            sites = [f"blocks.{layer}.mlp.post" for layer in range(size.n_layers)]
            inner = [f"blocks.{layer}.mlp.act.solu:out" for layer in range(size.n_layers)] if activation == "ln_solu" else []
            tables = _read(model, known.rows, [*sites, *inner], progress)
            ratings = tuple(rate_neurons(tables[site], properties, seed=seed) for site in sites)
            if inner:
                holds = torch.cat([properties.holds[:, rated.chosen] for rated in ratings], dim=1)
                before, after = (torch.cat([tables[site] for site in group], dim=1) for group in (inner, sites))
                curve = _of_rated(before, after, holds, torch.cat([rated.sought >= 0.8 for rated in ratings]))
            found.append(Trained(activation, size, losses, skills, ratings))
    arguments = {"sizes": [str(size) for size in sizes], "activations": list(activations), "texts": texts, **asdict(config)}
    recipe = Recipe.of("sonde.superposition.solu_study", arguments, model_hash="", inputs=known.rows, seed=seed)
    return SoluStudy(tuple(found), curve, recipe=recipe)


def _read(model: Model, rows: Sequence[Sequence[int]], sites: Sequence[str], progress: bool) -> dict[str, Float[Tensor, "token neuron"]]:
    """Activations on all tokens but the first of each row, row after row."""
    parts: dict[str, list[Tensor]] = {site: [] for site in sites}
    for start in track(range(0, len(rows), 32), "reading neurons", shown=progress):
        run = model.run([list(row) for row in rows[start : start + 32]], read=list(sites), logits=False)
        assert run.mask is not None
        for i, row in enumerate(rows[start : start + 32]):
            for site in sites:
                parts[site].append(run[site][i, run.mask[i]][1 : len(row)])
    return {site: torch.cat(own) for site, own in parts.items()}


def _of_rated(before: Tensor, after: Tensor, holds: Tensor, sure: Tensor) -> Inconsistency | None:
    """The curves of the neurons that have a hypothesis at all."""
    return inconsistency(before[:, sure], after[:, sure], holds[:, sure]) if bool(sure.any()) else None
