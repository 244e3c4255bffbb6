"""Do two mirrored pathways of a network inhibit each other and join in one unit? By its weights alone, beside two kinds of shuffled copies.

The criteria, and the search, stand in `union_search`. Copies with all weights of a layer in random order keep no filter, and hold a circuit almost
never; copies in which every unit keeps its filters, and reads other channels with them, keep how strong and how alike real filters are, and hold one
often. What the weights say is no more than a candidate: whether it works so on pictures is asked by `check` (`union_checks`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.access import Model, Set
from sonde.evidence import corrected
from sonde.jobs import Pieces, track
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, content_hash, shown
from sonde.results.drawing import Edge, Node, beside, circuit_graph, picture_grid, table
from sonde.vision.between import weights_between
from sonde.vision.layers import fitting, refuse_others
from sonde.vision.normalisation import Normalisation
from sonde.vision.sentences import sentence
from sonde.vision.slices import LayerWeights, layer_weights
from sonde.vision.union_search import COSINE, FEWEST, UnionCircuit, Z, refuse_unfit, search

if TYPE_CHECKING:
    import numpy as np
    from polars import DataFrame

CRITERIA = (
    ("u<a", "u", "a"), ("u<b", "u", "b"), ("a<pa", "a", "pa"), ("b<pb", "b", "pb"), ("a<pb", "a", "pb"), ("b<pa", "b", "pa"),
)  # fmt: skip
"""The six connections by name, each with the unit that it leads to and the unit that it comes from."""


SHUFFLED = {
    "weights": "With all weights of a layer in random order",
    "filters": "Where every unit keeps its filters and reads other channels with them",
}
"""What is shuffled in the copies."""

KEPT = 5  # circuits of which the filters are kept for drawings
LISTED = 20  # rows of the table of a drawing


@dataclass(frozen=True, eq=False, repr=False)
class UnionCircuits(Result):
    """Pairs of mirrored pathways that inhibit each other and join, in the weights of consecutive layers.

    Arguments:
        layers: the first layer first; the last one joins.
        sites: where the units act, of what the first layer reads, of every layer's, rectified: one more than layers.
        circuits: all that meet all nine criteria, the highest score first.
        nearest: the best candidate of those pairs that come nearest, whether or not it meets them.
        null: the margin of the best candidate in shuffled copies, by what is shuffled (`SHUFFLED`).
        null_counts: how many circuits each of them holds.
        null_sided: how many of these are sided.
        slices: of the first circuits and of the nearest candidates what each connection's filter looks like, in the order of `CRITERIA`.
        notes: what was decided or found on the way.
    """

    layers: list[str]
    sites: list[str]
    circuits: list[UnionCircuit]
    nearest: list[UnionCircuit]
    null: dict[str, Float[Tensor, " draw"]]
    null_counts: dict[str, Int[Tensor, " draw"]]
    null_sided: dict[str, Int[Tensor, " draw"]]
    slices: dict[str, Float[Tensor, "connection row col"]]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))

    def beyond(self, shuffled: str = "filters") -> float:
        """The p-value of the network among its shuffled copies: the share of all with as many circuits, and of as many, as large a margin.

        Arguments:
            shuffled: "weights" or "filters".
        """
        own = (len(self.circuits), self.nearest[0].margin)
        others = zip(self.null_counts[shuffled].tolist(), self.null[shuffled].tolist(), strict=True)
        return (1 + sum(one >= own for one in others)) / (1 + len(self.null[shuffled]))

    @property
    def sided(self) -> list[UnionCircuit]:
        """The circuits in which left and right play a part: their filters are more alike when one is mirrored."""
        return [one for one in self.circuits if one.sided > 0]

    def candidate(self, number: int = 0) -> UnionCircuit:
        """A circuit, or where there is none, a candidate that comes near.

        Arguments:
            number: from 0, the best first; circuits that are sided come before the others.

        Raises:
            InputError: there are not so many.
        """
        given = sorted(self.circuits, key=lambda one: one.sided <= 0) or self.nearest
        if not 0 <= number < len(given):
            raise InputError(f"there is no candidate {number}: there are {len(given)}, counted from 0")
        return given[number]

    def first(self) -> list[int]:
        """The numbers of the candidates that are drawn and checked unless others are named: at most three circuits, or the nearest candidate."""
        return list(range(min(3, max(1, len(self.circuits)))))

    def to_frame(self) -> "DataFrame":
        """One row per circuit and near candidate: its units, its margin and score, and all nine criteria."""
        import polars as pl

        rows = [
            {
                "found": found,
                "margin": one.margin,
                "score": one.score,
                "sided": one.sided,
                "u": one.u,
                "a": one.a,
                "b": one.b,
                "pa": one.pa,
                "pb": one.pb,
            }
            | one.criteria
            | {"before": " ".join(f"{a},{b}" for a, b in one.before)}
            for found, some in ((True, self.circuits), (False, [one for one in self.nearest if one.margin <= 1]))
            for one in some
        ]
        return pl.DataFrame(rows)

    def drawing(self, number: int = 0) -> Drawing:
        """A circuit as two columns of units that join, its connections coloured by strength, beside what their filters look like.

        Arguments:
            number: of the circuit, or where there is none, of the candidate that comes near.
        """
        one = self.candidate(number)
        first, join = self.layers[-2], self.layers[-1]
        name = {"u": f"{join}:{one.u}", "a": f"{first}:{one.a}", "b": f"{first}:{one.b}", "pa": f"before:{one.pa}", "pb": f"before:{one.pb}"}
        back = [*self.layers[-3::-1], "input"][: len(one.before) + 1]
        place = {"pa": (0, 0), "pb": (0, 2), "a": (1, 0), "b": (1, 2), "u": (2, 1)}
        label = {"u": one.u, "a": one.a, "b": one.b, "pa": one.pa, "pb": one.pb}
        where = {"u": join, "a": first, "b": first, "pa": f"read by {first}", "pb": f"read by {first}"}
        nodes = [
            Node(name[role], f"{role} {label[role]}", row, column, role=ROLES[role], detail=where[role]) for role, (row, column) in place.items()
        ]
        edges = [Edge(name[come], name[to], one.criteria[key]) for key, to, come in CRITERIA]
        verdict = (
            "All nine criteria are met" if one.margin > 1 else f"Not all criteria are met: the weakest reaches {one.margin:.2f} of its threshold"
        )
        chain = f" The pathways go on through {', '.join(f'{a} and {b}' for a, b in one.before)}." if back and one.before else ""
        graph = circuit_graph(
            "How are they connected?", "robust z", nodes, edges, rows=[f"read by {first}", first, join], shown=len(edges),
            zero="the layer's median connection", note=f"{verdict}.{chain} {self._null()}",
        )  # fmt: skip
        title = "Do two mirrored pathways inhibit each other and join?"
        return beside(title, [("pathways", graph), ("filters", self._filters(one))])

    def table(self) -> Drawing:
        """The circuits and the candidates that come near, each with its margin and the criterion that is weakest; `to_frame` has all nine."""
        some = [*(self.candidate(i) for i in range(min(LISTED, len(self.circuits)))), *(one for one in self.nearest if one.margin <= 1)]
        heads = ["u", "a", "b", "pa", "pb", "margin", "score", "sided", "weakest"]
        rows = [[one.u, one.a, one.b, one.pa, one.pb, one.margin, one.score, one.sided, _weakest(one)] for one in some]
        note = (
            f"Wanted: |z| above {Z:g} in all six connections, those across negative, and three cosines above {COSINE:g}: a margin above 1. "
            "Where sided is 0 or less, left and right play no part."
        )
        if len(self.circuits) > LISTED:
            note += f" {LISTED} stand here, sided ones of highest score first, of {len(self.circuits)}."
        return table("Which candidates come nearest?", heads, rows, note=note)

    def check(
        self, model: Model, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", numbers: Sequence[int] | None = None, *,
        normalise: Normalisation | str | None = None, size: int | tuple[int, int] | None = None, draws: int = 20, seed: int = 0,
        batch_size: int = 64,
    ) -> list[Verdict]:  # fmt: skip
        """Whether candidates work as their weights say, on pictures: mirrored parts, a union of both, inhibition across, two routes.

        Five claims on each, beside random units of the same layers; the intervals are widened for their number.

        Arguments:
            model: the network that was searched.
            pictures: from 0 to 1, or a folder.
            numbers: of the candidates; by default all circuits, at most three, or where there is none, the one that comes nearest.
            normalise: as for `union_cases`.
            size: to which files are brought.
            draws: random units, at least 2.
            seed: of the draws.
            batch_size: pictures at once.

        Raises:
            CheckRefused: the model is another one.
            InputError: no such candidate, or pictures that the network can't take.
        """
        from sonde.vision.union_checks import checked

        self.refuse_other(model)
        chosen = [self.candidate(number) for number in (self.first() if numbers is None else numbers)]
        return corrected(checked(self, model, chosen, pictures, normalise, size, draws, seed, batch_size))

    def pictured(
        self, model: Model, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", number: int = 0, *,
        normalise: Normalisation | str | None = None, size: int | tuple[int, int] | None = None, top: int = 6, batch_size: int = 64,
    ) -> Drawing:  # fmt: skip
        """The pictures to which each unit of a candidate answers most, each with its answer to the mirror image.

        Arguments:
            model: the network that was searched.
            pictures: from 0 to 1, or a folder.
            number: of the circuit, or where there is none, of the candidate that comes near.
            normalise: from pictures of 0 to 1 to what the network takes.
            size: to which files are brought.
            top: pictures of each unit.
            batch_size: pictures at once.

        Raises:
            CheckRefused: the model is another one.
            InputError: no such candidate, or pictures that the network can't take.
        """
        from sonde.vision.union_checks import read_all, responses

        self.refuse_other(model)
        one = self.candidate(number)
        read, means, left_out = read_all(model, pictures, normalise, size)
        views = means(read)
        plain, mirrored = (responses(model, self.sites[-3:], some, batch_size=batch_size) for some in (views, views.flip(-1)))
        rows = [("u", 2, one.u), ("a", 1, one.a), ("b", 1, one.b), ("pa", 0, one.pa), ("pb", 0, one.pb)]
        cells, values, details = [], [], []
        for _, level, unit in rows:
            best = plain[level][:, unit].argsort(descending=True, stable=True)[:top]
            cells.append(list(read[best]))
            values.append(plain[level][best, unit].tolist())
            details.append([f"({value:.3g})" for value in mirrored[level][best, unit].tolist()])
        ranks = range(1, min(top, len(read)) + 1)
        note = "In brackets the answer to the mirror image. Mirrored parts exchange their answers under a mirror; a union answers alike."
        return picture_grid(
            "To which pictures do they answer most?", "mean of the rectified map", cells, row_name="unit",
            rows=[f"{role} {unit}" for role, _, unit in rows], col_name="rank", cols=ranks, values=values, details=details,
            note=" ".join([note, *map(sentence, left_out)]),
        )  # fmt: skip

    def _filters(self, one: UnionCircuit) -> Drawing:
        """The six filters, those of the right pathway mirrored, so that what should be alike lies in one row."""
        if _key(one) not in self.slices:
            raise InputError(f"the filters of the first {KEPT} circuits are kept for drawings: ask for one of these")
        maps = dict(zip([key for key, _, _ in CRITERIA], self.slices[_key(one)], strict=True))
        pairs = [("join", "u<a", "u<b", "mirrored join"), ("excitation", "a<pa", "b<pb", "mirrored excitation"),
                 ("inhibition", "a<pb", "b<pa", "mirrored inhibition")]  # fmt: skip
        cells = [[maps[left], maps[right], maps[right].flip(-1)] for _, left, right, _ in pairs]
        values = [[one.criteria[left], one.criteria[right], one.criteria[cosine]] for _, left, right, cosine in pairs]
        details = [[left.replace("<", " from "), right.replace("<", " from "), "cosine to the first"] for _, left, right, _ in pairs]
        return picture_grid(
            "What do their filters look like?", "z, z and cosine", [[None] * 3 for _ in pairs], row_name="connection",
            rows=[name for name, *_ in pairs], col_name="pathway", cols=["of a", "of b", "of b, mirrored"], values=values, details=details,
            maps=cells, map_unit="weight", zero="no effect",
        )  # fmt: skip

    def _null(self) -> str:
        told = []
        for kind, words in SHUFFLED.items():
            counts = self.null_counts[kind]
            most = f"{int(counts.max())} at most, {int(self.null_sided[kind].max())} sided ones at most"
            hits = f"{int((counts > 0).sum())} of {len(counts)} copies hold circuits, {most}"
            told.append(f"{words} {hits}, and the best margin is {float(self.null[kind].max()):.2f} (p = {self.beyond(kind):.2g}).")
        own = "is 1 circuit" if len(self.circuits) == 1 else f"are {len(self.circuits)} circuits"
        return f"There {own}, {len(self.sided)} of them sided. {' '.join(told)}"


ROLES = {"u": "union", "a": "left pathway", "pa": "left pathway", "b": "right pathway", "pb": "right pathway"}


def union_circuits(
    model: Model, layers: Sequence[str], *, size: int | tuple[int, int] | None = None, draws: int = 100, seed: int = 0,
    folder: str | Path | None = None, progress: bool = False,
) -> UnionCircuits:  # fmt: skip
    """Search consecutive layers for mirrored pathways that inhibit each other and join.

    Arguments:
        model: a network of pictures.
        layers: two or more that follow each other, of which the last one joins and each other is a stage: paths of convolutions, or of modules that
            hold some, whose weights are then composed as `weights_between` does.
        size: of pictures for which weights are composed, where the network takes any.
        draws: shuffled copies of each kind.
        seed: of the orders.
        folder: keep finished copies there; a search that was interrupted goes on.
        progress: show a bar.

    Returns:
        The circuits, and the candidates that come nearest, beside those of the shuffled copies.

    Raises:
        InputError: fewer than two layers, layers that do not follow each other, or filters of one column.
        UnknownSite: no such layer.

    >>> import sonde
    >>> found = union_circuits(sonde.load("specimen:digits"), ["blocks.1.conv", "blocks.2.conv"], draws=2)
    >>> len(found.circuits), found.null["weights"].shape
    (0, torch.Size([2]))
    """
    refuse_others(model)
    layers = [layers] if isinstance(layers, str) else list(layers)
    if len(layers) < 2:
        raise InputError(f"layers={shown(layers)}: name two or more, each of which reads the units of the one before")
    if not isinstance(draws, int) or draws < 2:
        raise InputError(f"draws={shown(draws)}: give a number of 2 or more")
    used, sites, notes = _weights(model, layers, size)
    circuits, nearest = search(used)
    if few := [(layer, one) for layer, one in zip(layers, used, strict=True) if min(one.shape[:2]) < FEWEST]:
        layer, one = few[0]
        notes.append(f"{layer} joins {one.shape[0]} units to {one.shape[1]}: with fewer than {FEWEST} a median and its deviation say little")
    pieces = Pieces(folder, content_hash([model.hash, layers, size, seed]))
    kinds = list(SHUFFLED)
    each = [
        [pieces(f"{kind} {draw}", partial(_copied, used, kind, (seed * draws + draw) * len(kinds) + number)) for number, kind in enumerate(kinds)]
        for draw in track(range(draws), "shuffled copies", shown=progress)
    ]
    null, counts, sided = ({kind: [one[i][part] for one in each] for i, kind in enumerate(kinds)} for part in range(3))
    arguments = {"layers": layers, "size": size, "draws": draws}
    drawn = [*[one for one in circuits if one.sided > 0][:KEPT], *circuits[:KEPT], *nearest]
    return UnionCircuits(
        layers=layers, sites=sites, circuits=circuits, nearest=nearest, null={kind: torch.tensor(one) for kind, one in null.items()},
        null_counts={kind: torch.tensor(one) for kind, one in counts.items()}, null_sided={kind: torch.tensor(one) for kind, one in sided.items()},
        slices={_key(one): _slices(used, one) for one in drawn}, notes=tuple(notes),
        recipe=Recipe.of("sonde.vision.union_circuits", arguments, model_hash=model.hash, inputs=[], seed=seed),
    )  # fmt: skip


def _weights(model: Model, layers: Sequence[str], size: int | tuple[int, int] | None) -> tuple[list[Tensor], list[str], list[str]]:
    """Each layer's weights, where the units act, and what is to be said: of convolutions their own weights, of other modules composed ones."""
    modules = dict(model.module.named_modules())
    if all(isinstance(modules.get(layer), nn.Conv2d | nn.Linear) or layer not in modules for layer in layers):
        read = [layer_weights(model, layer) for layer in layers]
        used = [one.weight for one in read]
        refuse_unfit(used)
        for one, two in pairwise(read):
            _refuse_apart(model, one, two)
        sites = [*(f"{one.layer}:in" for one in read), f"{read[-1].folded or read[-1].layer}:out"]
        return used, sites, [note for one in read for note in one.notes]
    first = weights_between(model, layers[0], size=size)
    composed = [first, *(weights_between(model, two, one, size=size) for one, two in pairwise(layers))]
    notes = [f"{one.layer} from {one.source}: {note}" for one in composed for note in one.notes]
    return [one.weight for one in composed], [first.source, *(one.site for one in composed)], notes


def _copied(weights: list[Tensor], kind: str, seed: int) -> tuple[float, int, int]:
    """Of a shuffled copy: the margin of its best candidate, how many circuits it holds, and how many of them are sided."""
    generator = torch.Generator().manual_seed(seed)
    found, near = search([_shuffled(one, kind, generator) for one in weights], 1)
    return near[0].margin, len(found), sum(one.sided > 0 for one in found)


def _shuffled(weight: Float[Tensor, "out in row col"], kind: str, generator: torch.Generator) -> Float[Tensor, "out in row col"]:
    if kind == "weights":
        return weight.flatten()[torch.randperm(weight.numel(), generator=generator)].view_as(weight)
    order = torch.rand(weight.shape[:2], generator=generator).argsort(1)
    return weight.gather(1, order[..., None, None].expand_as(weight))


def _weakest(one: UnionCircuit) -> str:
    """The criterion that limits the margin, in words."""
    signs = {"a<pb": -1 / Z, "b<pa": -1 / Z}
    shares = {name: value * signs.get(name, 1 / Z if "<" in name else 1 / COSINE) for name, value in one.criteria.items()}
    name = min(shares, key=lambda key: shares[key])
    return f"{name.replace('<', ' from ')} {one.criteria[name]:.2f}"


def _key(one: UnionCircuit) -> str:
    return " ".join(map(str, (one.pa, one.pb, one.a, one.b, one.u)))


def _slices(weights: Sequence[Tensor], one: UnionCircuit) -> Float[Tensor, "connection row col"]:
    """The six filters of a candidate; smaller ones are surrounded by zeros."""
    rows, cols = (max(weight.shape[axis] for weight in weights[-2:]) for axis in (2, 3))
    whole = torch.zeros(len(CRITERIA), rows, cols)
    for i, (_, to, come) in enumerate(CRITERIA):
        own = weights[-1 if to == "u" else -2][getattr(one, to), getattr(one, come)]
        top, left = (rows - own.shape[0]) // 2, (cols - own.shape[1]) // 2
        whole[i, top : top + own.shape[0], left : left + own.shape[1]] = own
    return whole


def _refuse_apart(model: Model, one: LayerWeights, two: LayerWeights) -> None:
    """Raise unless the second layer reads the units of the first, each as the channel of its number: seen on noise, with one unit changed."""
    size, channels = fitting(model)
    rows, cols = (size, size) if isinstance(size, int) else size
    noise = torch.rand(1, channels, rows, cols, generator=torch.Generator().manual_seed(0))
    site, returned = f"{two.layer}:in", f"{one.folded or one.layer}:out"
    unit = len(one.bias) // 2
    own = model.run(noise, read=[site, returned], logits=False)
    large = torch.full_like(own[returned][:, unit], 10 * float(own[returned].abs().max()) + 1)
    changed = model.run(noise, read=[site], edits=[Set(f"{returned}[channel={unit}]", value=large)], logits=False)
    moved = (changed[site] - own[site]).abs().flatten(2).amax(2)[0] > 0
    if moved.nonzero()[:, 0].tolist() != [unit]:
        what = "nothing of" if not bool(moved.any()) else "other channels than"
        raise InputError(f"{two.layer} reads {what} channel {unit} when unit {unit} of {one.layer} changes: take layers that follow each other")
