"""At which layer does a property arise? Two statistics of probes that mix layers, which answer different questions.

Tenney, Das and Pavlick 2019, "BERT rediscovers the classical NLP pipeline", section 3. The *centre of gravity*, sum_l l s_l, is where a probe of all
layers looks. *Cumulative scoring* lets probe l mix the layers 0 to l; with D_l = score_l - score_(l - 1), the *expected layer*, sum_l l D_l divided
by sum_l D_l, is where the score is gained. Layers that carry a property on are looked at, but gain nothing: the two differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.evidence import bootstrap, compare, corrected
from sonde.jobs import track
from sonde.probing.checked import Checked
from sonde.probing.held_out import three_parts
from sonde.probing.labelled import Labelled
from sonde.probing.mixing import fit_mix
from sonde.probing.pooling import Pooling
from sonde.probing.reading import read_states
from sonde.probing.states import States
from sonde.probing.sweep_results import short
from sonde.results import Drawing, InputError, Recipe, Verdict
from sonde.results.drawing import Series, bars, beside, lines

if TYPE_CHECKING:
    from polars import DataFrame

LEAST_GAIN = 0.02
"""With a smaller sum of differences the layer at which they arise is undefined."""
BLOCKS = 1000  # groups that the interval draws at most: more are drawn together


@dataclass(frozen=True, eq=False, repr=False)
class Pipeline(Checked):
    """Where some properties arise.

    Arguments:
        names: the properties.
        sites: the layers in their order.
        shares: of each layer in the mix of all.
        right: of each property, whether each example of the test was told by the probe of the layers up to each.
        groups: of each property the groups of these examples.
        notes: what was decided, left out or is suspicious.
    """

    names: list[str]
    sites: list[str]
    shares: Float[Tensor, "property layer"]
    right: list[Float[Tensor, "layer _"]]
    groups: list[Int[Tensor, " _"]]
    notes: list[str]

    @property
    def centre_of_gravity(self) -> Float[Tensor, " property"]:
        """Where a probe of all layers looks, counted from the first site."""
        return self.shares @ torch.arange(len(self.sites)).to(self.shares)

    @property
    def gains(self) -> Float[Tensor, "property layer"]:
        """D_l: what each layer adds to the accuracy; 0 at the first, which has none before it."""
        scores = torch.stack([right.double().mean(1) for right in self.right])
        return torch.diff(scores, dim=1, prepend=scores[:, :1])

    @property
    def expected_layer(self) -> Float[Tensor, " property"]:
        """sum l D_l / sum D_l, counted from the first site; nan where the layers add less than `LEAST_GAIN` in all."""
        gained = self.gains.sum(1)
        place = self.gains @ torch.arange(len(self.sites)).double() / gained
        return torch.where(gained >= LEAST_GAIN, place, torch.nan)

    @property
    def intervals(self) -> list[tuple[float, float] | None]:
        """The 95 % interval of each expected layer, over groups; `None` where it is undefined or unbounded."""
        places = torch.arange(len(self.sites)).double()

        def expected(scores: Tensor) -> Tensor:
            gains = torch.diff(scores, dim=-1, prepend=scores[..., :1])
            return gains @ places / gains.sum(-1)

        found: list[tuple[float, float] | None] = []
        for value, right, groups in zip(self.expected_layer, self.right, self.groups, strict=True):
            own = groups.unique(return_inverse=True)[1] % BLOCKS
            if bool(value.isnan()) or len(own.unique()) < 2:
                found.append(None)
                continue
            low, high = bootstrap(right.T.double(), of=expected, blocks=own)
            # a sum of gains that may as well be zero puts no bound on where they lie
            found.append((float(low), float(high)) if bool(low.isfinite() & high.isfinite()) else None)
        return found

    def to_frame(self) -> "DataFrame":
        """One row per property and layer."""
        import polars as pl

        rows = [
            (name, site, float(self.shares[i, l]), float(self.right[i][l].mean()), float(self.gains[i, l]))
            for i, name in enumerate(self.names)
            for l, site in enumerate(self.sites)  # noqa: E741
        ]
        schema = {"property": pl.String, "site": pl.String, "share": pl.Float64, "cumulative": pl.Float64, "gain": pl.Float64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def drawing(self) -> Drawing:
        """The expected layer of each property with its centre of gravity as a mark, and the cumulative scores."""
        defined = [i for i, value in enumerate(self.expected_layer.tolist()) if value == value]
        note = "bars: expected layer with its 95 % interval over groups; marks: centre of gravity"
        if len(defined) < len(self.names):
            note += (
                f"; undefined, since the layers add less than {LEAST_GAIN:g}: {', '.join(n for i, n in enumerate(self.names) if i not in defined)}"
            )
        curves = lines(
            "What does each layer add?", "accuracy", "layers up to", short(self.sites),
            [Series(name, right.mean(1)) for name, right in list(zip(self.names, self.right, strict=True))[:8]],
        )  # fmt: skip
        if not defined:
            return curves
        layers = bars(
            "Where does it arise?", "layer", [self.names[i] for i in defined], self.expected_layer[defined],
            intervals=[self.intervals[i] for i in defined], bar_control=Series("centre of gravity", self.centre_of_gravity[defined]),
            zero=f"layer 0 is {self.sites[0]}", note=note,
        )  # fmt: skip
        return beside("Where do they arise?", [("expected layer", layers), ("cumulative scores", curves)])

    @property
    def verdicts(self) -> list[Verdict]:
        """Do the layers above the first add to what can be read of each property?"""
        return corrected(
            [
                compare(
                    f"The layers above {self.sites[0]} add to what can be read of {name}.", "accuracy of the mix of all layers on examples held out",
                    right[-1], right[0], threshold=float(right[0].mean()) + LEAST_GAIN,
                    threshold_source=f"{LEAST_GAIN:g} above the first layer: below it no layer can be told", blocks=groups,
                )
                for name, right, groups in zip(self.names, self.right, self.groups, strict=True)
            ]
        )  # fmt: skip


def pipeline(
    model: Model, data: Labelled | Sequence[Labelled], sites: str | Sequence[str] | None = None, pooling: Pooling = "last", C: float = 1.0,
    share: float = 0.2, seed: int = 0, batch_size: int | Literal["auto"] = "auto", progress: bool = False,
) -> Pipeline:  # fmt: skip
    """At which layers one or several properties arise.

    Arguments:
        model: what is probed.
        data: examples of each property.
        sites: names or globs of layers of equal width; by default the embedding and what every block leaves behind.
        pooling: what is read of a word of several tokens.
        C: how weak the probes' penalty is.
        share: of the examples that are kept for the test; whole groups.
        seed: of the division.
        batch_size: texts per pass.
        progress: show bars.

    Raises:
        InputError: numbers instead of classes, a single layer, layers of different widths, or what `read_states` refuses.
    """
    read = [read_states(model, one, sites, pooling, batch_size, progress) for one in ([data] if isinstance(data, Labelled) else data)]
    return pipeline_of(read, C, share, seed, progress)


def pipeline_of(states: States | Sequence[States], C: float = 1.0, share: float = 0.2, seed: int = 0, progress: bool = False) -> Pipeline:
    """The same for activations that were read before, or elsewhere.

    Arguments:
        states: of each property, activations by layer with labels.
        C: how weak the probes' penalty is.
        share: of the examples that are kept for the test; whole groups.
        seed: of the division.
        progress: show a bar.

    Raises:
        InputError: as for `pipeline`.
    """
    given = [states] if isinstance(states, States) else list(states)
    _refuse(given)
    shares, right, groups = [], [], []
    for one in given:
        parts = three_parts(one.data.groups, share, seed)
        learnt = torch.cat([parts.train, parts.dev])
        layers, told = list(one.values.values()), []
        for depth in track(range(1, len(layers) + 1), f"layers of {one.data.name}", shown=progress):
            mix = fit_mix([x[learnt] for x in layers[:depth]], one.y[learnt], len(one.data.classes), C)
            told.append((mix.probe.predict(mix.mixed([x[parts.test] for x in layers[:depth]])) == one.y[parts.test]).float())
        shares.append(mix.shares)
        right.append(torch.stack(told))
        groups.append(one.data.groups[parts.test])
    names, hashes = [one.data.name for one in given], [one.data.hash for one in given]
    arguments = {"sites": given[0].sites, "pooling": given[0].pooling, "C": C, "share": share}
    recipe = Recipe.of("sonde.probing.pipeline", arguments, model_hash=given[0].model_hash, inputs=hashes, seed=seed)
    notes = list(dict.fromkeys(note for one in given for note in one.notes))
    return Pipeline(names, given[0].sites, torch.stack(shares), right, groups, notes, recipe=recipe)


def _refuse(given: Sequence[States]) -> None:
    """Raise `InputError` for what has no pipeline."""
    if not given:
        raise InputError("no property was given: give examples of at least one")
    for one in given:
        if not one.data.classes:
            raise InputError(f"{one.data.name!r} are numbers, and the pipeline is one of accuracies: give classes, or use sweep(probe='ridge')")
        if one.sites != given[0].sites or one.model_hash != given[0].model_hash:
            raise InputError(f"{one.data.name!r} was read at other sites, or of another model, than {given[0].data.name!r}: read all alike")
    if len(given[0].sites) < 2:
        raise InputError(f"{given[0].sites[0]!r} alone is no pipeline: give at least two layers")
