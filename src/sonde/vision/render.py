"""What does a unit look for? Pictures that make an objective as large as they can, found by gradient ascent on what they are made of.

    p  <-  Adam( p,  d/dp  E_t [ objective( network( normalise( t( picture(p) ) ) ) ) ] )          one draw of t at every step

Four values meet here and know nothing of one another: what is sought (`sonde.vision.objectives`), what a picture is made of (`parameters`), what it
must survive (`transforms`), and this loop (Olah, Mordvintsev and Schubert 2017, "Feature Visualization"; lucid's defaults). Many objectives climb
side by side as one batch. A picture says what excites a unit most, not what it does on natural ones: hold data and stimuli beside it.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.jobs import Pieces, track
from sonde.results import InputError, Recipe, content_hash, shown
from sonde.results.codec import pack
from sonde.vision.answers import asked, batches, needed, valued, values
from sonde.vision.files import Pictures, pictures_of, told
from sonde.vision.layers import fitting, refuse_others, view_of
from sonde.vision.normalisation import Normalisation, normalisation
from sonde.vision.objectives import Objective
from sonde.vision.parameters import CPPN, Fourier, Parameterisation, picture, sides
from sonde.vision.reading import layout_of
from sonde.vision.redirected import Redirected
from sonde.vision.results import Visualisation
from sonde.vision.setting import Setting
from sonde.vision.transforms import Transform, chained, sampled, standard

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class Found:
    """What a batch of starts came to.

    Arguments:
        pictures: at the end.
        snapshots: on the way.
        trace: the value at every step, of the transformed pictures; the mean of each start's pictures.
        moved: whether a true gradient ever reached a start's pictures.
    """

    pictures: Float[Tensor, "picture channel row col"]
    snapshots: Float[Tensor, "snapshot picture channel row col"]
    trace: Float[Tensor, "start step"]
    moved: list[bool]


def show(
    model: Model, objectives: Objective | Sequence[Objective], *, of: Parameterisation | None = None, transforms: Sequence[Transform] | None = None,
    normalise: Normalisation | str | None = None, steps: int = 512, rate: float | None = None, restarts: int = 1, snapshots: Sequence[int] = (),
    redirect: int = 16, dataset: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path | None" = None, seed: int = 0,
    batch_size: int = 16, folder: str | Path | None = None, progress: bool = False,
) -> Visualisation:  # fmt: skip
    """Find pictures that make objectives as large as they can.

    Arguments:
        model: a network of pictures.
        objectives: one or several, each with pictures of its own; minus one seeks its minimum.
        of: what pictures are made of; by default `Fourier` of 128 pixels, or of the size that the network takes.
        transforms: what they must survive, by default `standard(size)`; () shows what ascent finds without.
        normalise: from pictures of 0 to 1 to what the network takes; by default as the model's own image processor says, and nothing else is guessed.
        steps: of ascent.
        rate: Adam's; by default 0.05, of a `CPPN` 0.005.
        restarts: starts of each objective; the one that comes highest is shown.
        snapshots: steps before which the pictures are kept, too.
        redirect: for so many steps ReLUs let a picture out of a dead start.
        dataset: pictures from 0 to 1, as a tensor, an array (.npy), or a folder of files, which are brought to the size of the sought picture and of
            which broken ones are named and left out: which share of them excites the unit less is told.
        seed: of starts and transforms.
        batch_size: pictures that climb side by side, at least those of one objective.
        folder: keep finished batches there; a search that was interrupted goes on.
        progress: show a bar.

    Raises:
        InputError: no objective, a unit that is none, or a normalisation that nobody stated. SiteUnavailable: a layer without maps.
            SondeError: the folder holds another search.

    >>> import sonde
    >>> from sonde.vision import Channel
    >>> found = show(sonde.load("specimen:digits"), Channel("blocks.0.conv", 3), of=Fourier(8, channels=1, colours="plain"), transforms=(),
    ...     normalise="none", steps=4)
    >>> found.pictures.shape, found.names
    (torch.Size([1, 1, 8, 8]), ['blocks.0.conv:3'])
    """
    sought = _objectives(objectives)
    refuse_others(model)
    of = _parameterisation(model, of)
    rate = rate if rate is not None else (0.005 if isinstance(of, CPPN) else 0.05)
    transforms = standard(of.size) if transforms is None else tuple(transforms)
    setting = Setting(of, transforms, normalisation(model, normalise), steps, rate, restarts, tuple(snapshots), redirect)
    if not isinstance(batch_size, int) or batch_size < 1:
        raise InputError(f"batch_size={shown(batch_size)}: give a number of 1 or more")
    recipe = Recipe.of(
        "sonde.vision.show", {"objectives": [str(one) for one in sought], "setting": str(setting)}, model_hash=model.hash,
        inputs=[pack(sought).plain, *pack(sought).tensors.values()], seed=seed,
    )  # fmt: skip
    pieces = Pieces(folder, content_hash([recipe.arguments, recipe.model_hash, recipe.inputs_hash, seed, batch_size]))
    alone = [one for one in sought if one.pictures == 1]
    source = None if dataset is None else _compared(model, dataset, of)  # read before the search: a mistake should not cost one
    over = {} if source is None else dict(zip(map(id, alone), _over(model, alone, source, setting.normalise, batch_size), strict=True))
    found = climbed(model, sought, setting, seed, batch_size, pieces, progress)
    best, starts = best_starts(model, sought, setting, found, batch_size)
    reached, terms = asked(model, sought, best.pictures, setting.normalise, batch_size, view_of(model))
    return Visualisation(
        names=[one.name for one in sought], group=[i for i, one in enumerate(sought) for _ in range(one.pictures)], pictures=best.pictures,
        reached=reached, terms=terms, trace=best.trace, starts=starts, snapshots=best.snapshots, dead=[not moved for moved in best.moved],
        percentiles=_percentiles(sought, reached, over), objectives=list(sought), setting=setting,
        notes=_notes(sought, setting, best.moved, source), recipe=recipe,
    )  # fmt: skip


def climbed(
    model: Model, objectives: Sequence[Objective], setting: Setting, seed: int, batch_size: int, pieces: Pieces, progress: bool
) -> Found:  # fmt: skip
    """All starts of all objectives, batch by batch."""
    starts = [(objective, setting.restarts * i + start) for i, objective in enumerate(objectives) for start in range(setting.restarts)]
    found, before, total = [], 0, sum(objective.pictures for objective, _ in starts)
    parts = batches([objective.pictures for objective, _ in starts], batch_size)
    for i, part in enumerate(parts):
        words = "looking" if len(parts) == 1 else f"looking, batch {i + 1} of {len(parts)}"
        found.append(Found(*pieces(f"batch {i}", partial(_ascent, model, starts[part], setting, seed, before, total, words, progress))))
        before += sum(objective.pictures for objective, _ in starts[part])
    return Found(
        torch.cat([one.pictures for one in found]), torch.cat([one.snapshots for one in found], 1), torch.cat([one.trace for one in found]),
        [moved for one in found for moved in one.moved],
    )  # fmt: skip


def _ascent(
    model: Model, starts: Sequence[tuple[Objective, int]], setting: Setting, seed: int, before: int, total: int, words: str,
    progress: bool,
) -> tuple[Tensor, Tensor, Tensor, list[bool]]:  # fmt: skip
    """Some starts, climbing side by side; gives what `Found` holds.

    The number of a start decides its first draw whatever the batch; `before` and `total`, how many pictures earlier batches hold and all batches
    together, give each picture its own draws of the transforms.
    """
    objectives, sizes = [one for one, _ in starts], [one.pictures for one, _ in starts]
    parameters = []
    for objective, number in starts:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
        parameters.append([part.to(model.device).requires_grad_() for part in setting.of.start(objective.pictures, generator)])
    ascent = torch.optim.Adam([part for group in parameters for part in group], lr=setting.rate, maximize=True)
    n, canvas, kept, traces = sum(sizes), sides(setting.of.size), [], []
    moved = [False] * len(starts)
    sites, outputs = needed(model, objectives)
    for step in track(range(setting.steps), words, shown=progress):
        pictures = torch.cat([picture(setting.of, group) for group in parameters])
        if step in setting.snapshots:
            kept.append(pictures.detach().cpu())
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        chain, left = chained(setting.transforms, total, canvas, generator)
        views = setting.normalise(sampled(pictures, chain[before : before + n], left, view_of(model)))
        if step == 0:
            layout = layout_of(model, views[:1], [] if outputs else sites)
        redirecting = step < setting.redirect
        with Redirected() if redirecting else contextlib.nullcontext():
            value = valued(model, objectives, sizes, pictures, views.contiguous(memory_format=layout), sites, outputs, stop=step > 0)
        ascent.zero_grad()
        value.sum().backward()
        traces.append(torch.stack([part.mean() for part in value.detach().cpu().split(sizes)]))
        if not redirecting:
            moved = [was or _any_slope(group) for was, group in zip(moved, parameters, strict=True)]
        ascent.step()
    with torch.no_grad():
        pictures = torch.cat([picture(setting.of, group) for group in parameters]).cpu()
    if setting.steps <= setting.redirect:  # no step showed the true gradient
        moved = [True] * len(starts)
    snapshots = torch.stack(kept) if kept else pictures.new_zeros(0, *pictures.shape)
    return pictures, snapshots, torch.stack(traces, 1) if traces else pictures.new_zeros(len(starts), 0), moved


def _any_slope(parameters: Sequence[Tensor]) -> bool:
    return any(part.grad is not None and bool(part.grad.any()) for part in parameters)


def best_starts(
    model: Model, objectives: Sequence[Objective], setting: Setting, found: Found, batch_size: int
) -> tuple[Found, Float[Tensor, "objective start"]]:  # fmt: skip
    """Of each objective the start that came highest without transforms, and what every start came to."""
    again = [one for one in objectives for _ in range(setting.restarts)]
    reached, _ = asked(model, again, found.pictures, setting.normalise, batch_size, view_of(model))
    sizes = [one.pictures for one in again]
    starts = torch.stack([part.mean() for part in reached.split(sizes)]).view(len(objectives), setting.restarts)
    chosen = [setting.restarts * i + int(start) for i, start in enumerate(starts.argmax(1))]
    pictures, snapshots = found.pictures.split(sizes), found.snapshots.split(sizes, 1)
    best = Found(
        torch.cat([pictures[i] for i in chosen]), torch.cat([snapshots[i] for i in chosen], 1), found.trace[chosen], [found.moved[i] for i in chosen]
    )
    return best, starts


def _percentiles(
    objectives: Sequence[Objective], reached: Float[Tensor, " picture"], over: Mapping[int, Tensor]
) -> Float[Tensor, " picture"]:  # fmt: skip
    """The share of a dataset's pictures that excite each objective less, in percent; NaN where none were given."""
    parts = []
    for one, part in zip(objectives, reached.split([one.pictures for one in objectives]), strict=True):
        data = over.get(id(one))
        parts.append(torch.full_like(part, float("nan")) if data is None else 100 * (data[None] < part[:, None]).float().mean(1))
    return torch.cat(parts)


def _compared(model: Model, dataset: "Tensor | np.ndarray | str | Path", of: Parameterisation) -> Pictures:
    """The pictures to compare with: files as large as the view."""
    is_folder = isinstance(dataset, str | Path) and Path(dataset).is_dir()
    source = pictures_of(dataset, of.channels, (view_of(model) or sides(of.size)) if is_folder else None)
    if source.channels != of.channels:
        raise InputError(f"the dataset's pictures have {source.channels} channels, and those that are sought {of.channels}: give pictures of as many")
    return source


def _over(
    model: Model, objectives: Sequence[Objective], source: Pictures, means: Normalisation, batch_size: int
) -> list[Float[Tensor, " image"]]:  # fmt: skip
    """Each objective's value on every picture of a dataset that can be read."""
    parts = []
    for start in range(0, source.count, batch_size):
        some = source.stacked(range(start, min(start + batch_size, source.count)))
        if some is not None:
            parts.append(torch.stack(values(model, objectives, means(some[1]), batch_size)) if objectives else torch.zeros(0, len(some[0])))
    if not parts:
        first = told(dict(list(source.broken.items())[:1]))
        raise InputError(f"none of the dataset's {source.count} files is a picture that can be read; the first: {first}")
    return list(torch.cat(parts, 1))


def _notes(objectives: Sequence[Objective], setting: Setting, moved: Sequence[bool], dataset: Pictures | None) -> tuple[str, ...]:
    dead = [one.name for one, alive in zip(objectives, moved, strict=True) if not alive]
    notes = [
        f"{', '.join(dead[:8])}{f' and {len(dead) - 8} more' if len(dead) > 8 else ''}: no gradient reached the picture once the ReLUs were left "
        f"alone, so the unit is dead from there and its picture says nothing; other seeds or restarts may help, or the layer before the ReLU"
    ] if dead else []  # fmt: skip
    if not setting.transforms:
        notes.append("without transforms ascent finds fine patterns that a shift by a pixel may destroy")
    if dataset is not None and dataset.broken:
        notes.append(f"{len(dataset.broken)} of {dataset.count} files were left out: {told(dataset.broken)}")
    if dataset is not None and any(one.pictures > 1 for one in objectives):
        notes.append("objectives of several pictures are not compared with the dataset")
    return tuple(notes)


def _objectives(given: Objective | Sequence[Objective]) -> list[Objective]:
    listed: list[Objective] = list(given) if isinstance(given, list | tuple) else [given]  # type: ignore[list-item]
    if not listed or not all(isinstance(one, Objective) for one in listed):
        wrong = next((one for one in listed if not isinstance(one, Objective)), given)
        raise InputError(f"{shown(wrong)} is no objective: give one such as sonde.vision.Channel('fire2', 3), or a list of them")
    return listed


def _parameterisation(model: Model, of: Parameterisation | None) -> Parameterisation:
    if of is not None:
        if not isinstance(of, Parameterisation):
            raise InputError(f"of={shown(of)}: give a Pixels, Fourier, Shared or CPPN of sonde.vision")
        return of
    size, channels = fitting(model)
    return Fourier(size, channels, "decorrelated" if channels == 3 else "plain")
