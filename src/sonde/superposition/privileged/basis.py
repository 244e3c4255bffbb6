"""Is the basis of a space special? Activations in their own coordinates, beside the same activations turned at random.

Where a nonlinearity acts on each coordinate (the neurons of an MLP, the channels of a convolution) the basis is privileged: features have a reason to
lie along the axes. Nothing in a transformer's residual stream tells its axes from other directions, except what training does, through Adam or the
gains of norms (Elhage et al. 2023, "Privileged bases in the transformer residual stream"): so it is measured, not assumed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.access.placed import by_place
from sonde.evidence import random_rotation
from sonde.jobs import track
from sonde.results import InputError, Recipe, content_hash, shown
from sonde.superposition.privileged.measures import kurtosis, measured
from sonde.superposition.privileged.results import PrivilegedBasis

PASS = 16
"""Rows of the inputs that are run together."""
DEFAULT = ("blocks.*.resid_post", "blocks.*.mlp.post")


def privileged_basis(
    model: Model, inputs: Any, sites: str | Sequence[str] | None = None, rotations: int = 100, parts: int = 16, states: int = 8192,
    first: bool = False, seed: int = 0, progress: bool = False,
) -> PrivilegedBasis:  # fmt: skip
    """Test whether the coordinates of some places of a model are special.

    Arguments:
        model: any model.
        inputs: texts, rows of token ids, or a tensor of pictures or other items.
        sites: names or globs; by default the residual stream and the neurons after each block.
        rotations: of the activations at each site.
        parts: into which the inputs are divided, at least 8; each gives one value of a measure, and the interval is one of their mean.
        states: activations of a site that are used at most, drawn at random.
        first: whether the first token of each row counts. In many models a few of its coordinates are many times larger than all others, in any
            prompt (attention sinks): they alone would decide the test, either way.
        seed: of the draws.
        progress: show a bar.

    Returns:
        The measures at each site, beside the rotations.

    Raises:
        InputError: no input, a site without a vector for each token or place, activations that are not finite.
        UnknownSite: a name that is no place in this model.

    >>> import sonde
    >>> model = sonde.load("specimen:words-small")
    >>> texts = ["The keys on the cabinet are here.", "The dog is old."] * 4
    >>> privileged_basis(model, texts, "blocks.0.mlp.post", rotations=4, parts=8).rotated.shape
    torch.Size([1, 4, 3])
    """
    names = _named(model, sites)
    given = inputs if isinstance(inputs, Tensor) else [inputs] if isinstance(inputs, str) else list(inputs)
    if not len(given):
        raise InputError("there are no inputs: give texts, rows of token ids or a tensor of items")
    special = [] if model.tokenizer is None else sorted(model.tokenizer.special)
    read: dict[str, list[Tensor]] = {site: [] for site in names}
    rows: dict[str, list[Tensor]] = {site: [] for site in names}
    left_out = 0
    for start in track(range(0, len(given), PASS), "reading", shown=progress):
        run = model.run(given[start : start + PASS], read=names, logits=False)
        counted = None
        if run.mask is not None:
            counted = run.mask.clone()
            if special:
                counted &= ~torch.isin(run.ids, torch.tensor(special, device=run.ids.device))
            if not first:
                counted &= run.mask.cumsum(1) > 1
            left_out += int(run.mask.sum() - counted.sum())
        for site in names:
            x = by_place(run, site).detach().float().cpu()
            kept = torch.ones(x.shape[:2], dtype=torch.bool)
            if counted is not None:
                if counted.shape != x.shape[:2]:
                    raise InputError(f"{site} has {x.shape[1]} places for {counted.shape[1]} tokens: choose a site with a vector for each token")
                kept = counted.cpu()
            read[site].append(x[kept])
            rows[site].append(start + kept.nonzero()[:, 0])
    groups = {site: torch.cat(numbers) for site, numbers in rows.items()}
    notes = [f"{left_out} tokens left out: special ones{'' if first else ', and the first of each row'}"] if left_out else []
    hashed = given if isinstance(given, Tensor) else [one.tolist() if isinstance(one, Tensor) else one for one in given]
    return privileged_basis_of(
        {site: torch.cat(values) for site, values in read.items()}, groups, rotations, parts, states, seed, progress, model.hash,
        content_hash(hashed), notes,
    )  # fmt: skip


def privileged_basis_of(
    activations: Mapping[str, Float[Tensor, "state d"]], groups: Mapping[str, Int[Tensor, " state"]] | None = None, rotations: int = 100,
    parts: int = 16, states: int = 8192, seed: int = 0, progress: bool = False, model_hash: str = "", inputs: str = "", notes: Sequence[str] = (),
) -> PrivilegedBasis:  # fmt: skip
    """Test activations that were read elsewhere.

    Arguments:
        activations: by name of the site.
        groups: of each state the text or picture that it is of: one is never divided between parts; by default each state is one of its own.
        rotations, parts, states, seed, progress: as for `privileged_basis`.
        model_hash: of the model, where it is one's.
        inputs: a hash of what the model was given.
        notes: what is to be said of them.

    Raises:
        InputError: no activations, fewer than two dimensions or as many states as parts, values that are not finite, fewer than two rotations.
    """
    if not activations or rotations < 2 or parts < 1:
        raise InputError(f"{len(activations)} sites, {rotations} rotations, {parts} parts: give a site, two rotations and a part at least")
    told = list(notes)
    values, turned, by_part, turned_by_part, spikes, chance = [], [], [], [], {}, {}
    for site, given in activations.items():
        x, own = given.detach().float().cpu(), torch.arange(len(given)) if groups is None else groups[site]
        if x.ndim != 2 or x.shape[1] < 2 or not x.isfinite().all():
            raise InputError(f"{site}: activations {tuple(x.shape)} must be finite vectors (state, dimension) of two dimensions or more")
        if len(x) > states:
            told.append(f"{site}: {states} of {len(x)} states, drawn at random")
            drawn = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:states]
            x, own = x[drawn], own[drawn]
        part, count = _divided(own, parts, seed)
        if len(x) < 2 * count:
            raise InputError(f"{site}: {len(x)} states for {count} parts: give more inputs, or fewer parts")
        order = part.argsort(stable=True)
        centred = (x - x.mean(0))[order]
        sizes = torch.bincount(part, minlength=count).tolist()
        bases = (random_rotation(x.shape[1], seed * 10_007 + k) for k in range(rotations))
        all_draws = [_both(centred @ turn, sizes) for turn in track(bases, f"turning {site}", rotations, shown=progress)]
        whole, pieces = _both(centred, sizes)
        values.append(whole)
        by_part.append(pieces)
        turned.append(torch.stack([draw[0] for draw in all_draws]))
        turned_by_part.append(torch.stack([draw[1] for draw in all_draws]))
        spikes[site] = kurtosis(centred)
        chance[site] = kurtosis(centred @ random_rotation(x.shape[1], seed * 10_007))
        if still := int(spikes[site].isnan().sum()):
            told.append(f"{site}: {still} of {x.shape[1]} coordinates never vary and have no kurtosis")
    if len({len(one) for one in by_part}) > 1:
        raise InputError("the sites have other numbers of groups: test them one by one")
    recipe = Recipe.of(
        "sonde.superposition.privileged_basis", {"sites": list(activations), "rotations": rotations, "parts": parts, "states": states},
        model_hash=model_hash, inputs=inputs or [content_hash(one) for one in activations.values()], seed=seed,
    )  # fmt: skip
    return PrivilegedBasis(
        tuple(activations), torch.stack(values), torch.stack(turned), torch.stack(by_part), torch.stack(turned_by_part), spikes, chance, tuple(told),
        recipe=recipe,
    )  # fmt: skip


def _named(model: Model, sites: str | Sequence[str] | None) -> list[str]:
    """The sites that are meant, each once."""
    if sites is None:
        if "embed" not in model.site_names or not model.n_layers:
            raise InputError(f"{model.name} has no blocks that sonde knows: name the sites to test, such as {shown(model.site_names[-1], 80)}")
        sites = [name for name in DEFAULT if name.endswith("resid_post") or "blocks.0.mlp.post" in model.site_names]
    asked = [sites] if isinstance(sites, str) else list(sites)
    return list(dict.fromkeys(str(site) for pattern in asked for site in model.sites(pattern)))


def _divided(groups: Int[Tensor, " state"], parts: int, seed: int) -> tuple[Int[Tensor, " state"], int]:
    """The part of each state, no group in two of them, and how many parts there are."""
    names, numbers = groups.unique(return_inverse=True)
    count = min(parts, len(names))
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    return order[numbers] % count, count


def _both(centred: Float[Tensor, "state d"], sizes: list[int]) -> tuple[Float[Tensor, " measure"], Float[Tensor, "part measure"]]:
    """The measures of all states, and of each part; each part's coordinates are taken from their own mean."""
    return measured(centred), torch.stack([measured(part - part.mean(0)) for part in centred.split(sizes)])
