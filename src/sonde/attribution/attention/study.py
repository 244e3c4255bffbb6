"""The whole laboratory on one corpus: train, look, shuffle, attack, compare, and put it together."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sonde.attribution.attention.adversarial import AttentionAdversary, adversarial
from sonde.attribution.attention.classifier import AttentionClassifier
from sonde.attribution.attention.correlation import AttentionCorrelation, correlation
from sonde.attribution.attention.frozen import AttentionFrozen, frozen
from sonde.attribution.attention.generated import keyword_texts, marker_texts, stories
from sonde.attribution.attention.guided import AttentionGuides, guided
from sonde.attribution.attention.keeping import Kept
from sonde.attribution.attention.permutation import AttentionPermutation, permutation
from sonde.attribution.attention.plane import AttentionPlane, plane
from sonde.attribution.attention.readers import read_ag_news, read_sst2
from sonde.attribution.attention.rivals import STRENGTHS, AttentionRivals, rivals
from sonde.attribution.attention.texts import Corpus
from sonde.attribution.attention.training import Setting, train, train_adversary
from sonde.attribution.attention.viewer import viewer
from sonde.jobs import track
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, content_hash, shown
from sonde.results.drawing import tabs

if TYPE_CHECKING:
    from polars import DataFrame

GENERATED: dict[str, Callable[[], Corpus]] = {"keyword": keyword_texts, "marker": marker_texts, "stories": stories}
PUBLISHED: dict[str, Callable[[str | Path], Corpus]] = {"sst2": read_sst2, "ag_news": read_ag_news}
TABLE = 1e-3  # the strength of the adversary in the table of the paper


@dataclass(frozen=True, eq=False, repr=False)
class AttentionStudy(Result):
    """Everything that was measured of attention on one corpus.

    Arguments:
        corpus: its name.
        correlation: do weights rank words as the model's sensitivity does?
        permutation: does the output move when weights are shuffled?
        adversary: how different can the weights be, with the same output?
        frozen: is attention needed at all?
        seeds: how far is attention apart for no reason?
        adversaries: how far can a network be trained to look elsewhere?
        guides: do the weights help a network that sees every word alone?
        plane: all that was moved.
        example: one text under the model's weights and others.
    """

    corpus: str
    correlation: AttentionCorrelation
    permutation: AttentionPermutation
    adversary: AttentionAdversary
    frozen: AttentionFrozen
    seeds: AttentionRivals
    adversaries: AttentionRivals
    guides: AttentionGuides
    plane: AttentionPlane
    example: Drawing

    def to_frame(self) -> "DataFrame":
        """The figures of the laboratory: one row per figure."""
        import polars as pl

        from sonde.attribution.attention.correlation import PAIRS
        from sonde.attribution.attention.frozen import KINDS

        rows = [("F1", kind, score) for kind, score in zip(KINDS, self.frozen.f1.tolist(), strict=True)]
        rows += [("Kendall's tau-b, mean", pair, float(tau.nanmean())) for pair, tau in zip(PAIRS, self.correlation.tau, strict=True)]
        rows += [
            ("median TVD when shuffled, median", "all weights", float(self.permutation.moved.median())),
            ("median TVD when shuffled, median", "all but the largest", float(self.permutation.kept_largest.median())),
            ("JSD with the same output, median", f"text by text, bound {self.adversary.bound:g}", float(self.adversary.distance.median())),
        ]
        for one in (self.seeds, self.adversaries):
            rows += [("JSD to the base, mean", name, float(value)) for name, value in zip(one.names, one.distance.mean(1), strict=True)]
            rows += [("TVD to the base, mean", name, float(value)) for name, value in zip(one.names, one.moved.mean(1), strict=True)]
            rows += [("F1, texts looked at", name, float(value)) for name, value in zip(one.names, one.f1, strict=True)]
        for name, score, mass in zip(self.guides.guides, self.guides.f1.tolist(), self.guides.deciding.mean(1).tolist(), strict=True):
            rows += [("F1 without context, guided by", name, score)]
            rows += [("weight on the deciding word", name, mass)] if mass == mass else []
        return pl.DataFrame(rows, schema=["figure", "of", "value"], orient="row")

    def drawing(self) -> Drawing:
        """Every part's drawing, behind tabs."""
        parts = {
            "example": self.example,
            "correlation": self.correlation.drawing(),
            "permutation": self.permutation.drawing(),
            "adversary": self.adversary.drawing(),
            "frozen": self.frozen.drawing(),
            "other seeds": self.seeds.drawing(),
            "adversaries": self.adversaries.drawing(),
            "plane": self.plane.drawing(),
            "guides": self.guides.drawing(),
        }
        return tabs(f"Is attention an explanation? {self.corpus}", list(parts.items()))

    def check(self, model: AttentionClassifier) -> list[Verdict]:
        """The verdicts of all parts that can be tested from the result alone.

        Arguments:
            model: the base.

        Raises:
            CheckRefused: the study is of another network.
        """
        self.refuse_other(model)
        parts = (self.correlation, self.permutation, self.frozen, self.seeds, self.adversaries, self.guides)
        return [verdict for part in parts for verdict in part.check(model)]


def corpus(name: str, source: str | Path | None = None) -> Corpus:
    """A corpus by its name.

    Arguments:
        name: "keyword", "marker" or "stories", which are generated; "sst2" or "ag_news", which are read.
        source: for "sst2" the folder with its files, for "ag_news" the file.

    Raises:
        InputError: no such name, or a source that is missing or not wanted.

    >>> corpus("marker").classes
    ('red', 'blue')
    """
    if name in GENERATED and source is None:
        return GENERATED[name]()
    if name in PUBLISHED and source is not None:
        return PUBLISHED[name](source)
    if name in PUBLISHED:
        raise InputError(f"{name} is read from its published files: say where they are with source")
    if name in GENERATED:
        raise InputError(f"{name} is generated, not read from {source}: leave the source out")
    raise InputError(f"there is no corpus {shown(name)}: give one of {', '.join([*GENERATED, *PUBLISHED])}")


def study(
    data: str | Corpus, source: str | Path | None = None, setting: Setting | None = None, seeds: int = 8, n: int = 300,
    strengths: tuple[float, ...] = STRENGTHS, seed: int = 0, folder: str | Path | None = None, progress: bool = False,
) -> AttentionStudy:  # fmt: skip
    """Run the whole laboratory on one corpus.

    With a folder every network and every part is kept there as soon as it is done, and a study that was interrupted goes on; the base lies in
    `networks/base`, for `AttentionClassifier.load`. Without one it is `train(corpus, setting, seed)`.

    Arguments:
        data: a corpus, or the name of one.
        source: where a corpus that is read by its name lies.
        setting: shape and training of the networks.
        seeds: how many networks are trained from other seeds, 2 or more.
        n: how many texts are looked at, the first of the test part; F1 with frozen and under imposed weights is of the whole part.
        strengths: of the adversaries; 0.001, that of the paper's table, is among them in any case.
        seed: of the base and of every draw.
        folder: where parts are kept.
        progress: show a bar.

    Raises:
        InputError: no such corpus, or too few seeds or texts.
        SondeError: the folder holds another study.
    """
    if isinstance(data, Corpus) and source is not None:
        raise InputError("the corpus is given, so there is no source to read: leave one out")
    if seeds < 2 or n < 8:
        raise InputError(f"seeds={seeds}, n={n}: give 2 or more seeds, and 8 or more texts")
    whole = data if isinstance(data, Corpus) else corpus(data, source)
    setting = setting or Setting()
    strengths = tuple(sorted({*strengths, TABLE}))
    key = content_hash([asdict(setting), whole.train.hash, whole.test.hash, seeds, n, strengths, seed])
    kept = Kept(None if folder is None else Path(folder), key)
    base = kept.network("base", lambda: train(whole, setting, seed, progress=progress))
    jobs: dict[str, Callable[[], AttentionClassifier]] = {"average": partial(train, whole, replace(setting, attention="uniform"), seed)}
    jobs |= {f"seed {seed + i}": partial(train, whole, setting, seed + i) for i in range(1, seeds + 1)}
    jobs |= {f"lambda {strength:g}": partial(train_adversary, base, whole, strength, setting, seed) for strength in strengths}
    bar = track(jobs.items(), f"training networks on {whole.name}", shown=progress)
    networks = {name: kept.network(name, job) for name, job in bar}

    def compared(kind: str) -> AttentionRivals:
        return kept.result(
            kind, AttentionRivals, lambda: rivals(base, {name: net for name, net in networks.items() if kind in name}, texts, seed=seed)
        )

    texts = whole.test.first(n)
    others, adversaries = compared("seed"), compared("lambda")
    adversary = kept.result("adversary", AttentionAdversary, lambda: adversarial(base, texts, seed=seed, progress=progress))
    guides = {f"ADVERSARY {strength:g}": networks[f"lambda {strength:g}"] for strength in strengths}
    return AttentionStudy(
        corpus=whole.name,
        correlation=kept.result("correlation", AttentionCorrelation, lambda: correlation(base, texts)),
        permutation=kept.result("permutation", AttentionPermutation, lambda: permutation(base, texts, seed=seed)),
        adversary=adversary,
        frozen=kept.result("frozen", AttentionFrozen, lambda: frozen(base, networks["average"], whole.test)),
        seeds=others,
        adversaries=adversaries,
        guides=kept.result("guides", AttentionGuides, lambda: guided(base, whole, guides, setting, seed=seed, progress=progress)),
        plane=plane({"other seeds": others, "trained adversaries": adversaries}, adversary, joined=["trained adversaries"]),
        example=viewer(base, texts, adversary, _telling(adversary)),
        recipe=Recipe.of(
            "sonde.attribution.attention.study",
            {"data": whole.name, "setting": asdict(setting), "seeds": seeds, "n": len(texts), "strengths": strengths},
            model_hash=base.hash,
            inputs=texts.hash,
            seed=seed,
        ),
    )


def _telling(adversary: AttentionAdversary) -> int:
    """A text of the middle length at most, whose weights could be moved farthest."""
    short = adversary.lengths <= adversary.lengths.median()
    return int(adversary.distance.masked_fill(~short, -1).argmax())
