"""One pass over a model for all its layers: the states that every probe of a sweep is trained on."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Edit, Model, Run
from sonde.access.placed import PLACES, by_place
from sonde.jobs import available, track
from sonde.probing.baselines import told
from sonde.probing.division import divide
from sonde.probing.judging import rightness
from sonde.probing.labelled import Labelled
from sonde.probing.passes import TO_THE_END, Pass, of_items, of_texts
from sonde.probing.pooling import Pooling, pooled, refuse_unknown
from sonde.probing.states import States
from sonde.results import InputError, SondeError, shown


def read_states(
    model: Model, data: Labelled, sites: str | Sequence[str] | None = None, pooling: Pooling = "last",
    batch_size: int | Literal["auto"] = "auto", progress: bool = False, edits: Sequence[Edit] = (),
) -> States:  # fmt: skip
    """The vectors of every example at every site, in one pass over the model.

    Arguments:
        model: its forward ends after the last of the sites.
        data: examples; texts that it can't take are left out and named.
        sites: names or globs; coordinates of an attached basis too. By default the embedding and what every block leaves behind.
        pooling: what is read of a word or text of several tokens: its last token, its first, the mean, or the largest of each entry. Special tokens
            are no part of a text: name one by a selection, such as `blocks.3.resid_post[pos=0]` for an encoder's first.
        batch_size: texts per pass.
        progress: show a bar.
        edits: what to write where, at every pass.

    Raises:
        InputError: a site without a vector for each token; no example that the model can take; activations that are not finite.
        UnknownSite: a name that is no place in this model. SondeError: more than the memory holds.

    >>> import sonde
    >>> model = sonde.load("specimen:words-small")
    >>> data = Labelled.of(["The key", "The keys"], ["singular", "plural"], spans=[[(4, 7)], [(4, 8)]])
    >>> read_states(model, data)["blocks.0.resid_post"].shape
    torch.Size([2, 72])
    """
    refuse_unknown(pooling)
    if batch_size != "auto" and (not isinstance(batch_size, int) or batch_size < 1):
        raise InputError(f"batch_size={shown(batch_size, 40)}: give 1 or more texts per pass, or 'auto'")
    names = named(model, sites)
    rows = 0 if batch_size == "auto" else batch_size
    planned = of_items(model, data, rows) if isinstance(data.texts, Tensor) else of_texts(model, data, rows)
    kept = data.select(planned.kept) if len(planned.kept) < len(data) else data
    values: dict[str, Tensor] = {}
    for one in track(planned.passes, f"reading {data.name}", shown=progress):
        run = model.run(one.given, read=names, edits=list(edits), logits=False)
        for site in names:
            x = _vectors(run, site, one, pooling, data)
            if site not in values:
                _refuse_large(len(kept) * len(names) * x.shape[1])
                values[site] = torch.empty(len(kept), x.shape[1])
            values[site][one.examples] = x
    notes = (*data.notes, *planned.notes, *_told_by_position(kept, planned.positions))
    return States(values, kept, planned.positions, pooling, model.hash, notes)


def read_together(
    model: Model, properties: Sequence[Labelled], sites: str | Sequence[str] | None = None, pooling: Pooling = "last",
    batch_size: int | Literal["auto"] = "auto", progress: bool = False,
) -> list[States]:  # fmt: skip
    """The states of several properties, each as `read_states` gives them: what is asked of the same texts is read in one pass.

    Arguments:
        model, sites, pooling, batch_size, progress: as for `read_states`.
        properties: examples of each.

    Raises:
        InputError: a property without an example that the model can take; what `read_states` raises.
    """
    sharing: dict[object, list[int]] = {}
    for i, data in enumerate(properties):
        sharing.setdefault((id(data.texts) if isinstance(data.texts, Tensor) else data.texts, len(data.spans[0])), []).append(i)
    found: dict[int, States] = {}
    for numbers in sharing.values():
        own = [properties[i] for i in numbers]
        if len(own) == 1:
            found[numbers[0]] = read_states(model, own[0], sites, pooling, batch_size, progress)
        else:
            found |= zip(numbers, _apart(read_states(model, _joined(own), sites, pooling, batch_size, progress), own, model), strict=True)
    return [found[i] for i in range(len(properties))]


def _joined(properties: Sequence[Labelled]) -> Labelled:
    """The examples of all, one after the other, with their numbers as targets: who reads them needs no labels."""
    first = properties[0]
    spans, types = (tuple(part for one in properties for part in getattr(one, field)) for field in ("spans", "types"))
    text, groups = (torch.cat([getattr(one, field) for one in properties]) for field in ("text", "groups"))
    return Labelled(f"{len(properties)} properties", first.texts, text, spans, torch.arange(len(types)).double(), (), types, groups)


def _apart(joint: States, properties: Sequence[Labelled], model: Model) -> list[States]:
    """What was read of each property."""
    kept, start, found = joint.y.long(), 0, []
    notes = [f"of {len(properties)} properties together: {note}" for note in joint.notes]
    for data in properties:
        rows = slice(*torch.searchsorted(kept, torch.tensor([start, start + len(data)])).tolist())
        if rows.start == rows.stop:
            raise InputError(f"{data.name!r} has no example that {model.name} can take: {'; '.join(joint.notes)}")
        own, positions = data.select(kept[rows] - start), joint.positions[rows]
        said = (*data.notes, *notes, *_told_by_position(own, positions))
        found.append(States({site: x[rows] for site, x in joint.values.items()}, own, positions, joint.pooling, joint.model_hash, said))
        start += len(data)
    return found


def named(model: Model, sites: str | Sequence[str] | None) -> list[str]:
    """The names of the sites that are read.

    Arguments:
        model: has them.
        sites: names or globs; by default the embedding and what every block leaves behind.

    Raises:
        InputError: no site; a model that has no embedding or no blocks that are known. UnknownSite: a name that is no place in this model.
    """
    if sites is None:
        if "embed" not in model.site_names or not model.n_layers:
            raise InputError(f"{model.name} has no blocks that sonde knows: name the sites to read, such as {shown(model.site_names[-1], 80)}")
        sites = ["embed", "blocks.*.resid_post"]
    found = [str(site) for pattern in ([sites] if isinstance(sites, str) else sites) for site in model.sites(pattern)]
    if not found:
        raise InputError("sites=[] names no site: give at least one")
    return list(dict.fromkeys(found))


def _vectors(run: Run, site: str, one: Pass, pooling: Pooling, data: Labelled) -> Float[Tensor, "example entry"]:
    """The vectors of the examples of a pass; those of a pair side by side."""
    values, axes = by_place(run, site).detach().float().cpu(), run.axes(site)
    starts, stops = one.starts, one.stops
    if not set(PLACES) & set(axes):
        if data.spans[0]:
            raise InputError(f"{site!r} has one vector for a whole text ({' '.join(axes)}), and the examples are parts of one: choose another site")
        starts, stops = torch.zeros_like(starts), torch.ones_like(stops)
    elif one.length and values.shape[1] != one.length:
        raise InputError(f"{site!r} has {values.shape[1]} places for {one.length} tokens: choose a site with one vector for each token")
    elif not one.length:
        if pooling in ("last", "first") and not data.spans[0]:
            raise InputError(f"{site!r} has the axes {' '.join(axes)}, and the {pooling} place of an item says little: take pooling 'mean' or 'max'")
        stops = torch.where(stops == TO_THE_END, values.shape[1], stops)
        if int(stops.max()) > values.shape[1]:
            raise InputError(f"{site!r} has {values.shape[1]} places, and a span ends at {int(stops.max())}: spans of items count places of the site")
    return pooled(values, one.rows, starts, stops, pooling).reshape(len(one.examples), -1)


def _refuse_large(numbers: int) -> None:
    """Raise `SondeError` where so many numbers in float32 are more than half of the free memory."""
    if 8 * numbers > available():
        raise SondeError(f"the states take {4 * numbers / 1e9:.1f} GB, more than half of the free memory: read fewer sites or examples at a time")


def _told_by_position(data: Labelled, positions: Int[Tensor, " example"]) -> list[str]:
    """A warning where the position alone tells most of what is to be told: of classes beyond the commonest one, of numbers beyond their mean."""
    if any(len(one.unique()) < 2 for one in (data.groups, positions, data.targets)):
        return []
    train, test = divide(data.groups, share=0.5)
    shares = []
    for keys in (positions.tolist(), [0] * len(data)):
        said = told(keys, data.targets, train, test)
        shares.append(float(rightness(said, data.targets[test], data.targets[train]).mean()))
    by_position, by_nothing = shares if data.classes else (shares[0], 0.0)
    if 1 - by_position >= (1 - by_nothing) / 2:
        return []
    beside = (
        f"{by_position:.0%} of {data.name!r} (the commonest class {by_nothing:.0%})" if data.classes else f"{data.name!r} with R^2 {by_position:.2f}"
    )
    return [f"the position alone tells {beside}: a probe may read where a word stands, not what it is; compare with the position's own accuracy"]
