"""Training gradients kept for every later query: the next set of queries costs its own passes and a product, and none of the training set.

With x = (Q_S^T G Q_A) / sqrt(Lambda + damping) the influence is a plain inner product, tau = <x_q, x_i>. In each block the rows and columns are kept
in which the curvature says most,

    sum_c Lambda_rc / (Lambda_rc + damping)  for a row r, likewise for a column,

since that is what an axis adds to an example's influence on itself, in expectation (the projection of activations and output gradients apart is that
of Choe et al. 2024, "What is Your Data Worth to GPT?"; there by the eigenvalues of A and S alone). Kept in float16 with one scale for each example
and block, in pieces on disk, so that the training set may be larger than the memory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.influence.blocks import Block
from sonde.influence.curvature import Spectrum
from sonde.influence.examples import Examples, examples_of
from sonde.influence.losses import Loss
from sonde.influence.metrics import metric_of, refuse_unseen
from sonde.influence.results import Scores, Top
from sonde.influence.subject import Subject, Told
from sonde.influence.taken import Strongest, label_all
from sonde.influence.turning import Turning
from sonde.jobs import Executor, refuse_unfinished, shards, track
from sonde.results import InputError, shown

if TYPE_CHECKING:
    from sonde.influence.damping import Damping
    from sonde.influence.fit import Influence

Axes = int | tuple[int, int] | None
TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True, eq=False)
class Window:
    """What is kept of a block.

    Arguments:
        roots: what is multiplied: 1 / sqrt(Lambda + damping), of the entries that are kept.
        QA, QS: the axes of columns and rows that are kept; `None` for the weights' own.
        places: of the weights' own axes the entries that are kept, in the order of the matrix.
        held, whole: what the entries that are kept, and all, add to an example's influence on itself, in expectation.
    """

    roots: Tensor
    QA: Float[Tensor, "col col_axis"] | None
    QS: Float[Tensor, "row row_axis"] | None
    places: Tensor | None
    held: float
    whole: float

    @property
    def size(self) -> int:
        """Numbers that are kept of an example."""
        return self.roots.numel()


def window(spectrum: Spectrum, damping: "Damping", k: Axes) -> Window:
    """The part of a block in which the curvature says most.

    Arguments:
        spectrum: of the block.
        damping: that is added.
        k: how many axes of columns and of rows; `None` for all.
    """
    divisor = spectrum.divisor(damping)
    says = spectrum.values / divisor
    rows, cols = says.shape
    most_cols, most_rows = (cols, rows) if k is None else (k, k) if isinstance(k, int) else k
    if spectrum.QA is None or spectrum.QS is None:
        places = says.flatten().topk(min(says.numel(), most_cols * most_rows)).indices.sort().values
        return Window(divisor.flatten()[places].rsqrt(), None, None, places, float(says.flatten()[places].sum()), float(says.sum()))
    c = says.sum(0).topk(min(cols, most_cols)).indices.sort().values
    r = says.sum(1).topk(min(rows, most_rows)).indices.sort().values
    return Window(
        divisor[r][:, c].rsqrt(), spectrum.QA[:, c].contiguous(), spectrum.QS[:, r].contiguous(), None, float(says[r][:, c].sum()), float(says.sum())
    )  # fmt: skip


class Index:
    """Training gradients, projected and kept: what later queries are held against without another pass over the training set.

    Arguments:
        influence: whose curvature, training examples and damping.
        k: axes that are kept of activations and of output gradients in each block: one number, two, or `None` for all.
        dtype: of what is kept.
        folder: where pieces are kept, which are found there again; in memory if not given.
        key: what the pieces are recognised by.
        executor: what computes them; this process if not given.
    """

    def __init__(
        self, influence: "Influence", k: Axes, dtype: torch.dtype, folder: Path | None = None, key: str = "", executor: Executor | None = None
    ) -> None:  # fmt: skip
        self.influence, self.k, self.dtype, self._folder, self._key = influence, k, dtype, folder, key
        spectra = influence.curvature.spectra
        self.windows: Mapping[str, Window] = {block.name: window(spectra[block.name], influence.damping, k) for block in self.subject.blocks}
        found = []
        for i, part in shards(self._piece, self.subject.pieces(), folder, key, "index", executor):
            found.append((i, part if folder is None else {}))
        refuse_unfinished(len(found), len(self.subject.pieces()))
        self._memory = dict(found)

    @property
    def subject(self) -> Subject:
        """The model with its training examples."""
        return self.influence.subject

    @property
    def kept(self) -> float:
        """The share of an example's influence on itself that the kept axes hold, as the curvature expects it."""
        return sum(one.held for one in self.windows.values()) / sum(one.whole for one in self.windows.values())

    @property
    def bytes(self) -> int:
        """What the index takes, in memory or on disk."""
        each = sum(one.size * self.dtype.itemsize + 4 for one in self.windows.values())
        return len(self.subject.examples) * each

    @property
    def method(self) -> str:
        """How scores are estimated, in words."""
        axes = "all axes" if self.k is None else f"{self.k} axes" if isinstance(self.k, int) else f"{self.k[0]} x {self.k[1]} axes"
        kind = str(self.dtype).removeprefix("torch.")
        return f"{self.influence.method}, from an index of {axes} a block in {kind} that holds {self.kept:.3g} of the expected self-influence"

    def scores(self, query: Any, of: Any = None, by: Literal["module"] | None = None) -> Scores:
        """The influence of every training example on some queries; no pass over the training set.

        Arguments:
            query, of: as for `Influence.scores`.
            by: take the scores apart by block of weights.

        Raises:
            InputError: as for `Influence.scores`.
        """
        if by not in (None, "module"):
            raise InputError(f"by={shown(by)}: an index keeps no places of sequences; use 'module' or None, or scores(by='token') without it")
        metric = metric_of(self.subject.model, of)
        queries, asked, values = self._asked(query, metric)
        parts = []
        for _, part in self._parts():
            each = [self._products(asked, part, block) for block in self.subject.blocks]
            parts.append(torch.stack(each, -1) if by == "module" else torch.stack(each).sum(0))
        whole, examples = torch.cat(parts, 1), self.subject.examples
        told = {"of": metric or self.subject.loss, "by": by, **self._told()}
        return Scores(
            values=whole.sum(-1) if by == "module" else whole, queries=label_all(queries), examples=label_all(examples), query_values=values,
            n=len(examples), method=self.method, of=self.influence.asked(metric), modules=[b.name for b in self.subject.blocks] if by else None,
            by_module=whole if by == "module" else None, recipe=self.influence.recipe("index.scores", queries, told),
        )  # fmt: skip

    def top(self, query: Any, k: int = 10, of: Any = None) -> Top:
        """The training examples that bear most on some queries.

        Arguments:
            query, of: as for `scores`.
            k: how many of the most helpful and of the most harmful ones.

        Raises:
            InputError: as for `scores`; a k that is none.
        """
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise InputError(f"k={shown(k)}: ask for 1 example or more")
        metric = metric_of(self.subject.model, of)
        queries, asked, _ = self._asked(query, metric)
        best = Strongest(len(queries), k)
        for some, part in self._parts():
            best.add(torch.stack([self._products(asked, part, block) for block in self.subject.blocks]).sum(0), some)
        found = best.tensors()
        named = sorted({int(i) for i in torch.cat([found["high places"].flatten(), found["low places"].flatten()])})
        return Top(
            found["high places"], found["low places"], found["high"], found["low"], label_all(queries),
            {i: self.subject.examples.label(i) for i in named}, len(self.subject.examples), self.method, self.influence.asked(metric),
            recipe=self.influence.recipe("index.top", queries, {"of": metric or self.subject.loss, "k": k, **self._told()}),
        )  # fmt: skip

    def agreement(self, query: Any, of: Any = None, examples: int = 100, seed: int = 0) -> Float[Tensor, " query"]:
        """For each query the rank correlation of the index's scores with whole ones, on training examples that are drawn.

        Arguments:
            query, of: as for `scores`.
            examples: how many are drawn.
            seed: of the draw.
        """
        from sonde.evidence import spearman
        from sonde.influence.directions import directions
        from sonde.influence.taken import scores_of

        n = len(self.subject.examples)
        drawn = torch.randperm(n, generator=torch.Generator().manual_seed(seed))[: max(2, examples)].sort().values
        queries = examples_of(self.subject.model, query, "query")
        metric = metric_of(self.subject.model, of)
        found = directions(self.subject, self.influence.curvature, self.influence.damping, queries, range(len(queries)), metric)
        whole = torch.cat([part for _, part in scores_of(self.subject, found, None, drawn.tolist())], 1)
        return spearman(self.scores(query, of).values[:, drawn].double(), whole)

    def __repr__(self) -> str:
        where = "in memory" if self._folder is None else f"in {self._folder}"
        return f"Index of {len(self.subject.examples)} examples, {self.bytes / 1e6:,.1f} MB {where}; {self.method}"

    def _told(self) -> dict[str, Any]:
        return {"axes": list(self.k) if isinstance(self.k, tuple) else self.k, "dtype": str(self.dtype)}

    def _parts(self) -> Iterator[tuple[list[int], Mapping[str, Tensor]]]:
        """The numbers of the examples of each piece, and what is kept of them."""
        pieces = self.subject.pieces()
        if self._folder is None:
            yield from ((list(some), self._memory[i]) for i, some in enumerate(track(pieces, "scoring")))
            return
        for i, part in shards(self._piece, pieces, self._folder, self._key, "index"):
            yield list(pieces[i]), part

    def _products(self, asked: Mapping[str, Tensor], part: Mapping[str, Tensor], block: Block) -> Float[Tensor, "query example"]:
        x = asked[block.name]
        return ((x @ part[block.name].to(x).T) * part[f"{block.name}/scale"].to(x)).double()

    def _piece(self, some: range) -> dict[str, Tensor]:
        """What is kept of some training examples."""
        parts: list[dict[str, Tensor]] = []
        whitened = self._whitening(lambda name, x: parts[-1].update(self._packed(name, x)))
        for indices in self.subject.batches(some):
            parts.append({})
            self.subject.back(self.subject.examples, indices, whitened)
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _packed(self, name: str, x: Float[Tensor, "example entry"]) -> dict[str, Tensor]:
        scale = x.abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny)
        return {name: (x / scale[:, None]).to(self.dtype).cpu(), f"{name}/scale": scale.cpu()}

    def _asked(self, query: Any, of: Loss | None) -> tuple[Examples, dict[str, Tensor], Tensor]:
        """The queries, what is to be held against the index, and their values."""
        queries = examples_of(self.subject.model, query, "query")
        refuse_unseen(self.subject, queries, of)
        parts: dict[str, list[Tensor]] = {block.name: [] for block in self.subject.blocks}
        receive = self._whitening(lambda name, x: parts[name].append(x.cpu()))
        values = torch.cat([self.subject.back(queries, some, receive, of) for some in self.subject.batches(range(len(queries)))])
        return queries, {name: torch.cat(found) for name, found in parts.items()}, values.cpu()

    def _whitening(self, take: Callable[[str, Tensor], object]) -> Callable[[Told], None]:
        """A receiver that hands on each block's gradients in the kept axes."""
        turning = Turning(self.subject.blocks, {name: (w.QA, w.QS) for name, w in self.windows.items() if w.QA is not None and w.QS is not None})
        roots: dict[str, Tensor] = {}

        def receive(told: Told) -> None:
            name, kept = told.block.name, self.windows[told.block.name]
            x = turning(told).flatten(1) if name in turning else told.trace.dense().flatten(1)[:, kept.places]
            if name not in roots:
                roots[name] = kept.roots.flatten().to(x)
            take(name, x * roots[name])

        return receive


def refuse_axes(k: Any, dtype: Any) -> None:
    """Raise where these are no numbers of axes, or no type.

    Arguments:
        k: axes of columns and of rows.
        dtype: of what is kept.
    """
    numbers: Sequence[Any] = () if k is None else k if isinstance(k, tuple) else (k,)
    if (isinstance(k, tuple) and len(k) != 2) or any(isinstance(one, bool) or not isinstance(one, int) or one < 1 for one in numbers):
        raise InputError(f"k={shown(k)}: keep a number of axes of 1 or more, (of activations, of output gradients), or None for all")
    if dtype not in TYPES:
        raise InputError(f"dtype={shown(dtype)}: keep the index in torch.float16, bfloat16, float32 or float64")
