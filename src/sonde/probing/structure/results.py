"""How much of a tree can be told from the states of words, site by site, beside trees that know nothing of the sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Float, Int
from torch import Tensor

from sonde.evidence import compare, t_interval
from sonde.probing.checked import Checked
from sonde.probing.structure.shown import Shown
from sonde.results import Drawing, InputError, Verdict
from sonde.results.drawing import Series, lines

if TYPE_CHECKING:
    from polars import DataFrame

CHAIN, RANDOM, UNTRAINED = "left-to-right chain", "random trees", "untrained model"
MEASURE = "share of a sentence's arcs that are found, without punctuation; control: "


@dataclass(frozen=True, eq=False, repr=False)
class StructuralProbes(Checked):
    """What a structural probe tells of held-out sentences, at each site.

    Arguments:
        sites: where it reads.
        arcs: how many arcs each sentence of the test has, without punctuation.
        found: how many of them are in the tree that its distances imply.
        controls: the same of trees that know nothing of the sentence, by name, and of an untrained model at each site.
        spearman: the rank correlation of distances with gold ones, the mean over words, of each sentence.
        depth_spearman: of depths.
        roots: 1 where the least depth is the root's.
        lengths: how many words each sentence has.
        groups: sentences of one document are not independent.
        dev: the share of arcs found on other sentences, by which a site may be chosen.
        rank: dimensions of the probes' space.
        maps: of the distances, by site.
        depth_maps: of the depths.
        shown: some sentences of the test.
        notes: what was decided or left out.
    """

    sites: list[str]
    arcs: Int[Tensor, " sentence"]
    found: Float[Tensor, "site sentence"]
    spearman: Float[Tensor, "site sentence"]
    depth_spearman: Float[Tensor, "site sentence"]
    roots: Float[Tensor, "site sentence"]
    controls: Mapping[str, Float[Tensor, "_ sentence"]]
    lengths: Int[Tensor, " sentence"]
    groups: Int[Tensor, " sentence"]
    dev: list[float]
    rank: int
    maps: Mapping[str, Float[Tensor, "width rank"]]
    depth_maps: Mapping[str, Float[Tensor, "width rank"]]
    shown: tuple[Shown, ...]
    notes: tuple[str, ...]

    @property
    def uuas(self) -> Float[Tensor, " site"]:
        """The share of all arcs that are found, at each site."""
        return (self.found.sum(1) / self.arcs.sum()).float()

    @property
    def distance_correlation(self) -> Float[Tensor, " site"]:
        """The mean Spearman correlation of distances, over the lengths from 5 to 50 words; NaN where there is no such sentence."""
        return self._over_lengths(self.spearman)

    @property
    def depth_correlation(self) -> Float[Tensor, " site"]:
        """The mean Spearman correlation of depths, likewise."""
        return self._over_lengths(self.depth_spearman)

    @property
    def root_accuracy(self) -> Float[Tensor, " site"]:
        """The share of sentences whose root has the least depth."""
        return self.roots.mean(1)

    def _over_lengths(self, values: Float[Tensor, "site sentence"]) -> Float[Tensor, " site"]:
        """The mean over lengths of the mean over sentences of that length."""
        import torch

        lengths = [n for n in self.lengths.unique().tolist() if 5 <= n <= 50]
        means = [values[:, self.lengths == n].nanmean(1) for n in lengths]
        return torch.stack(means).nanmean(0) if means else torch.full((len(self.sites),), torch.nan)

    @property
    def best(self) -> str:
        """The site whose probe finds most arcs, chosen on sentences that are not in the test."""
        return self.sites[max(range(len(self.sites)), key=self.dev.__getitem__)]

    def control(self, name: str) -> float:
        """The share of arcs that a control finds; of an untrained model at the best site.

        Arguments:
            name: one of `controls`.
        """
        if name not in self.controls:
            raise InputError(f"there is no control {name!r}; there are {', '.join(self.controls)}")
        return float(self._of(name).mean(0).sum() / self.arcs.sum())

    def _of(self, name: str) -> Float[Tensor, "draw sentence"]:
        """A control at the best site."""
        rows = self.controls[name]
        return rows[self.sites.index(self.best)][None] if name == UNTRAINED else rows

    def to_frame(self) -> "DataFrame":
        """One row per site."""
        import polars as pl

        return pl.DataFrame(
            {
                "site": self.sites,
                "uuas": self.uuas.tolist(),
                "distance spearman": self.distance_correlation.tolist(),
                "depth spearman": self.depth_correlation.tolist(),
                "root accuracy": self.root_accuracy.tolist(),
                "untrained uuas": (self.controls[UNTRAINED].sum(1) / self.arcs.sum()).tolist() if UNTRAINED in self.controls else None,
            }
        )

    def drawing(self) -> Drawing:
        """The share of arcs found at each site, beside the chain, random trees, and the untrained model as a band."""
        shares = self.found / self.arcs
        ends = [t_interval(row) for row in shares]
        series = [Series("probe", self.uuas.tolist())]
        flat = {name: self.control(name) for name in (CHAIN, RANDOM) if name in self.controls}
        series += [Series(name, [value] * len(self.sites)) for name, value in flat.items()]
        band = None
        if UNTRAINED in self.controls:
            band = Series(UNTRAINED, (self.controls[UNTRAINED].sum(1) / self.arcs.sum()).tolist())
        spread = max(high - low for low, high in ends) / 2
        note = (
            f"Rank {self.rank}; {len(self.arcs)} sentences that took no part in the fit, {int(self.arcs.sum())} arcs without punctuation; 95 % over "
            f"sentences: at most ±{spread:.3f}."
        )
        return lines("How much of the tree is there?", "share of arcs found", "site", self.sites, series, control=band, note=note)

    def tree(self, number: int = 0) -> Drawing:
        """A sentence's tree as the best site's probe tells it, with the treebank's.

        Arguments:
            number: which of the sentences that were kept for it.

        Raises:
            InputError: there is no such sentence.
        """
        return self._shown(number).tree(f"At {self.best}; the words stand where the treebank has them, without punctuation.")

    def distances(self, number: int = 0) -> Drawing:
        """How far apart the words of a sentence are for the best site's probe, beside how far apart they are in the treebank's tree.

        Arguments:
            number: which of the sentences that were kept for it.

        Raises:
            InputError: there is no such sentence.
        """
        return self._shown(number).distances(f"At {self.best}.")

    def _shown(self, number: int) -> Shown:
        if not 0 <= number < len(self.shown):
            raise InputError(f"sentence {number}: {len(self.shown)} were kept to be drawn, counted from 0")
        return self.shown[number]

    @property
    def verdicts(self) -> list[Verdict]:
        """Whether the best site's probe finds more arcs than the chain, than random trees, and than in an untrained model."""
        place = self.sites.index(self.best)
        mine = (self.found[place] / self.arcs).double()
        return [
            compare(
                f"The tree can be read at {self.best}, better than by {name}.", MEASURE + name, mine,
                (self._of(name) / self.arcs).double()[0] if len(self._of(name)) == 1 else (self._of(name) / self.arcs).double(),
                threshold=self.control(name), threshold_source=f"what {name} finds", blocks=self.groups,
            )
            for name in self.controls
        ]  # fmt: skip
