"""The illusion of a subspace: does a patch along it change the variable that the model uses, or does it wake a path that sleeps (Makelov et al.
2023)?

A direction v of a place is split by what the readers' weights see of it: v = v_row + v_null. Along v_null nothing reaches the output; if the pairs
differ there, and v_row pushes what reads it, then a patch along v moves the answer, although the place as a whole never did. So patches along v,
along both parts, and of the whole place stand beside one another:

    illusory        v strong, the whole place weak, v_row weak, v_null inert
    not illusory    v, v_row and the whole place strong, v_null inert
    undecided       anything else, with the reason

and the sides of the pairs are told apart along v, v_row and v_null: a row part along which they are not is dormant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model, Site
from sonde.bases import Subspace
from sonde.bases.subspace import Columns
from sonde.evidence import compare, untestable
from sonde.evidence.parts import HALF
from sonde.probing.checked import Checked
from sonde.probing.subspaces.alignment import DIFFERENCE, GRADIENT, MEASURE, MOST, WHOLE
from sonde.probing.subspaces.pairs import Pairs
from sonde.probing.subspaces.placed import placed
from sonde.probing.subspaces.readers import Reading, reading
from sonde.probing.subspaces.rivals import gradient, mean_difference, signs_of
from sonde.probing.subspaces.swaps import Swaps
from sonde.results import Drawing, InputError, Recipe, Verdict
from sonde.results.drawing import bars
from sonde.tasks import Task

if TYPE_CHECKING:
    from polars import DataFrame

ALONG, ROW, ROW_RAW, NULL = "the directions", "row part", "row part, not of unit length", "null part"
# as shares of what the directions do: the thresholds of the planted networks' measurement, .15, .2 and .1 beside .9
WEAK_WHOLE, WEAK_ROW, INERT = 1 / 6, 2 / 9, 1 / 9
LEAST = 8  # pairs
NEGLIGIBLE = 1e-3  # of a direction's length: no part
DORMANT = 0.5

Outcome = Literal["illusory", "not illusory", "undecided"]


@dataclass(frozen=True, eq=False, repr=False)
class IllusionTest(Checked):
    """What patches along directions, their parts and the whole place do.

    Arguments:
        site: where.
        readers: what reads the site.
        rank: how many of its dimensions they read.
        width: how many it has.
        subspace: the directions.
        lengths: of the row and the null part of a unit direction (of several the root mean square).
        swaps: what becomes of the answers under a patch along the directions, their parts, the whole site, the mean difference, the gradient, and
            random subspaces.
        separation: how well the sides of the pairs are told apart along the directions, the row and the null part: the mean signed difference in
            units of its deviation over pairs; NaN where there is no such part.
    """

    site: str
    readers: tuple[str, ...]
    rank: int
    width: int
    subspace: Subspace
    lengths: tuple[float, float]
    swaps: Swaps
    separation: Float[Tensor, " part"]

    @property
    def dormant(self) -> bool:
        """Whether the sides are told apart along the row part less than half as well as along the null part: what is read sleeps on these pairs."""
        _, row, null = self.separation.tolist()
        return bool(row < DORMANT * null)

    @property
    def outcome(self) -> Outcome:
        """Whether the effect of the directions is an illusion."""
        return self._judged[0]

    @property
    def reason(self) -> str:
        """Why, in a sentence."""
        return self._judged[1]

    @property
    def _judged(self) -> tuple[Outcome, str]:
        n = int(self.swaps.differs.sum())
        if n < LEAST:
            return "undecided", f"the answers of {n} pairs differ, and {LEAST} are the least that tell anything"
        along, row, null, whole = (self.swaps.of(name) for name in (ALONG, ROW, NULL, WHOLE))
        if not along >= HALF:
            return "undecided", f"the directions flip {along:.0%} of the answers: there is no effect to explain"
        if null > INERT * along:
            return "undecided", f"the part that no reader sees flips {null:.0%} of the answers: something else reads it; name it among the readers"
        if row != row or (row <= WEAK_ROW * along and whole <= WEAK_WHOLE * along):
            return "illusory", f"the directions flip {along:.0%} of the answers, what is read of them {row:.0%}, and the whole site {whole:.0%}"
        if row >= HALF * along and whole >= HALF * along:
            return "not illusory", f"the directions flip {along:.0%} of the answers, what is read of them {row:.0%}, and the whole site {whole:.0%}"
        return "undecided", f"what is read of the directions flips {row:.0%} of the answers and the whole site {whole:.0%}, of {along:.0%}"

    def to_frame(self) -> "DataFrame":
        """One row per patch and pair."""
        return self.swaps.frame()

    def drawing(self) -> Drawing:
        """The interchange accuracy of the directions, their parts, the whole site and the rivals as bars, with random subspaces as a band."""
        kept = len(self.swaps.names) - self.swaps.drawn
        row, null = self.lengths
        note = (
            f"{self.outcome}: {self.reason}. {self.site}; {self.rank} of {self.width} dimensions are read by {', '.join(self.readers)}; "
            f"length of the row part {row:.2f}, of the null part {null:.2f}; {int(self.swaps.differs.sum())} pairs."
        )
        return bars(
            "Do the directions hold it, or only push it?", "share of pairs", self.swaps.names[:kept], self.swaps.accuracy[:kept].tolist(),
            control=self.swaps.band(self.subspace.size), zero="no answer becomes the source's", note=note,
        )  # fmt: skip

    @property
    def verdicts(self) -> list[Verdict]:
        """Whether what is read of the directions does what they do, whether the whole site does it too, and whether what is not read does nothing."""
        swaps, blocks = self.swaps, self.swaps.groups[self.swaps.differs]
        random = f"{MEASURE}random subspaces of that dimension"
        claims = {
            ROW: f"What the readers see of the directions at {self.site} flips the answers.",
            WHOLE: f"{self.site} as a whole flips the answers.",
        }
        found = []
        for name, claim in claims.items():
            if swaps.accuracy[swaps.names.index(name)].isnan():
                found.append(untestable(claim, random, "the readers see nothing of the directions", threshold=HALF, threshold_source=MOST))
                continue
            found.append(compare(claim, random, swaps.hits(name), swaps.by_chance, threshold=HALF, threshold_source=MOST, blocks=blocks))
        claim, measure = "What the readers do not see of the directions does nothing.", f"{MEASURE}the directions"
        source = "a ninth of what the directions do: the planted networks' threshold"
        if swaps.accuracy[swaps.names.index(NULL)].isnan():
            reason = "the readers see all of the directions: there is no null part"
            return [*found, untestable(claim, measure, reason, direction="less", threshold=INERT, threshold_source=source)]
        inert = compare(
            claim, measure, swaps.hits(NULL), swaps.hits(ALONG), direction="less", threshold=INERT * swaps.of(ALONG), threshold_source=source,
            blocks=blocks,
        )  # fmt: skip
        return [*found, inert]


def illusion(
    model: Model, task: Task | Pairs, site: str | Site, directions: Subspace | Float[Tensor, "*size width"], readers: Sequence[str | Site] | None =
        None,
    tolerance: float = 1e-4, draws: int = 10, seed: int = 0,
) -> IllusionTest:  # fmt: skip
    """Test whether directions of a site hold the variable that they flip.

    Arguments:
        model: any model whose logits tell the answers.
        task: prompts with their counterfactuals, or pairs of other inputs, that took no part in finding the directions.
        site: where, with positions if they are meant; its last axis stays whole.
        directions: such as `Alignment.subspace`.
        readers: the sites that read it, such as "blocks.9.attn.q[head=6]"; by default what the architecture says.
        tolerance: directions that are read less, as a share of the one that is read most, count as not read; more where a reader is curved.
        draws: how many random subspaces of the same dimension.
        seed: of the draws.

    Raises:
        InputError: directions of another width; fewer than two draws; a reader that does not read the site. SiteUnavailable: no reader given, and
            none known.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> task = sonde.tasks.load("agreement", model, n=8)
    >>> test = illusion(model, task, "blocks.1.mlp.post[pos=-1]", Subspace.random(512, 1), draws=2)
    >>> test.rank, test.outcome
    (128, 'undecided')
    """
    if draws < 2:
        raise InputError(f"draws={draws}: a random control says something about its spread from two draws on")
    subspace = directions if isinstance(directions, Subspace) else Subspace.span(directions)
    pairs = placed(model, Pairs.of(task), site)
    if subspace.width != pairs.width:
        raise InputError(f"the directions have {subspace.width} entries and {pairs.site} has {pairs.width}: give directions of this site")
    size = subspace.size
    read = reading(pairs, readers, tolerance, seed)
    parts = split(subspace, read)
    unit = [None if part is None else Subspace.span(part.T) for part in parts]
    bases = {ALONG: subspace, ROW: unit[0], ROW_RAW: None if parts[0] is None else Columns(parts[0]), NULL: unit[1]}
    if pairs.differs.any():
        bases |= {DIFFERENCE: mean_difference(pairs, size), GRADIENT: gradient(pairs, size)}
    edits = {name: None if basis is None else pairs.swap(basis) for name, basis in bases.items()}
    random = {f"random {draw}": pairs.swap(Subspace.random(pairs.width, size, seed + draw)) for draw in range(draws)}
    lengths = [0.0 if part is None else float((part.double().square().sum() / size).sqrt()) for part in parts]
    rows = pairs.differences()[pairs.differs] if pairs.differs.any() else pairs.differences()
    order = pairs.pairs.order[pairs.differs] if pairs.differs.any() else pairs.pairs.order
    return IllusionTest(
        str(pairs.site), read.readers, len(read.directions), pairs.width, subspace, (lengths[0], lengths[1]),
        pairs.under({**edits, WHOLE: pairs.patch(), **random}),
        torch.tensor([_apart(rows, order, part) for part in (subspace, *unit)]),
        recipe=Recipe.of(
            "sonde.probing.illusion",
            {"site": str(pairs.site), "directions": subspace.hash, "readers": read.readers, "tolerance": tolerance, "draws": draws},
            model_hash=model.hash, inputs=pairs.pairs.content, seed=seed,
        ),
    )  # fmt: skip


def split(subspace: Subspace, read: Reading) -> tuple[Tensor | None, Tensor | None]:
    """The parts of directions that readers see and do not see, columns; `None` for a part that is not there.

    Arguments:
        subspace: the directions.
        read: what the readers see.
    """
    row = read.seen(subspace.directions.T).T
    parts = row, subspace.directions - row
    found = [part if float(torch.linalg.svdvals(part.double())[-1]) > NEGLIGIBLE else None for part in parts]
    return found[0], found[1]


def _apart(rows: Float[Tensor, "pair row width"], order: Tensor, part: Subspace | None) -> float:
    """How well signed differences are told from zero along the part of their mean that lies in a subspace."""
    if part is None:
        return torch.nan
    inside = rows.sum(1) @ part.directions.double()
    signed = signs_of(rows, order)[:, None] * inside
    mean = signed.mean(0)
    along = signed @ (mean / mean.norm())
    return float(along.mean() / along.std())
