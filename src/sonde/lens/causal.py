"""Is what a lens reads what the model uses? The directions that matter to the lens, taken out of the model itself.

For each direction (found by `extraction` on some text) single tokens of other text get the states' mean in its place. The stimulus is how the lens's
reading at that token changes, the response how the model's answer there does. Two things can be asked (Belrose et al. 2023, section 4): whether the
directions that matter to the lens matter to the model (the sizes, KL in nats), and whether the model answers as the lens says (their alignment, a
cosine).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Apply, Model
from sonde.evidence import compare
from sonde.lens.alignment import aitchison_similarity
from sonde.lens.bands import banded
from sonde.lens.extraction import Influence, Move, ablated, extract
from sonde.lens.reading import layer_sites, read_out, readable
from sonde.lens.training import encoded
from sonde.lens.tuned import TunedLens
from sonde.lens.vectors import directions, vocabulary
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, content_hash, shown
from sonde.results.drawing import Series, lines, tabs

if TYPE_CHECKING:
    from polars import DataFrame

MATTERS = "KL(model || model with the direction at its mean) in nats, mean over directions; control: random directions drawn as the states vary"
ALIKE = "Aitchison similarity of the lens's and the model's change, mean over directions; control: the model's changes by random directions"
TIMES, TIMES_SOURCE = 2, "twice what random directions do: a convention"
ALIKE_LEAST, ALIKE_SOURCE = 0.5, "half of a perfect alignment: a convention"
SHOWN = 6  # tokens of a direction


@dataclass(frozen=True, eq=False, repr=False)
class CausalBasis(Result):
    """Directions of one layer's states that matter to a lens, and what they do to the model on other text; for each row the mean over some places.

    Arguments:
        layer: whose states.
        vectors: orthonormal, the most influential first.
        mean: of the states.
        energy: what the lens loses without each on the text that they were found on, nats.
        stimulus: likewise on each row of other text, nats.
        response: what the model loses there, nats.
        alignment: the similarity of both changes.
        random_stimulus, random_response: with random directions, drawn as the states vary.
        crossed: the similarity of the directions' stimuli and the responses to random directions, mean over directions.
        promotes, opposes: the tokens that the lens reads along each direction, and against it.
        notes: rows that were left out.
    """

    layer: str
    vectors: Float[Tensor, "k d_model"]
    mean: Float[Tensor, " d_model"]
    energy: Float[Tensor, " k"]
    stimulus: Float[Tensor, "k row"]
    response: Float[Tensor, "k row"]
    alignment: Float[Tensor, "k row"]
    random_stimulus: Float[Tensor, "draw row"]
    random_response: Float[Tensor, "draw row"]
    crossed: Float[Tensor, "draw row"]
    promotes: list[list[str]]
    opposes: list[list[str]]
    notes: list[str]

    def to_frame(self) -> "DataFrame":
        """One row for each direction."""
        import polars as pl

        means = {name: getattr(self, name).mean(1).tolist() for name in ("stimulus", "response", "alignment")}
        words = {"promotes": self.promotes, "opposes": self.opposes}
        return pl.DataFrame({"direction": range(len(self.vectors)), "energy": self.energy.tolist(), **means, **words})

    def drawing(self) -> Drawing:
        """How much each direction matters to both, and how alike their changes are."""
        k = len(self.vectors)
        places = [f"{i + 1}: {' '.join(words[:2])}" for i, words in enumerate(self.promotes)]
        sizes = lines(
            "How much is lost without each direction?", "nats, KL", "direction", places,
            [banded("the lens", self.stimulus), banded("the model", self.response)],
            control=Series("the model, random directions", [float(self.random_response.mean())] * k),
            note=f"States of layer {self.layer}; judged on {self.stimulus.shape[1]} other rows of text.",
        )  # fmt: skip
        alike = lines(
            "Does the model change as the lens does?", "Aitchison similarity", "direction", places, [banded("both changes", self.alignment)],
            control=Series("the model's changes by random directions", [float(self.crossed.mean())] * k),
        )  # fmt: skip
        return tabs("Is what the lens reads what the model uses?", [("sizes", sizes), ("alignment", alike)])

    def check(self, model: Model) -> list[Verdict]:  # type: ignore[override]
        """Whether the directions matter to the model, and whether it changes as the lens does.

        Arguments:
            model: the one that was read.

        Raises:
            CheckRefused: another model.
        """
        self.refuse_other(model)
        many = f"The {len(self.vectors)} directions" if len(self.vectors) > 1 else "The direction"
        matter = compare(
            f"{many} of layer {self.layer} that matter most to the lens matter to the model.", MATTERS, self.response.mean(0), self.random_response,
            threshold=TIMES * float(self.random_response.mean()), threshold_source=TIMES_SOURCE,
        )  # fmt: skip
        alike = compare(
            "Without one of them the model changes as the lens does.", ALIKE, self.alignment.mean(0), self.crossed,
            threshold=ALIKE_LEAST, threshold_source=ALIKE_SOURCE,
        )  # fmt: skip
        return [matter, alike]


def causal_basis(
    model: Model, rows: Sequence[str | Sequence[int]], layer: str, lens: TunedLens | None = None, k: int = 4, draws: int = 8, tokens: int = 512,
    places: int = 4, bos: bool | None = None, seed: int = 0, progress: bool = False,
) -> CausalBasis:  # fmt: skip
    """Find the directions of a layer that matter to a lens, and take them out of the model.

    Arguments:
        model: a language model of a known family.
        rows: texts or token ids; directions are found on two thirds of them and judged on the others.
        layer: a row of the lens: "embed", "0", "1", ...
        lens: a tuned lens; by default the logit lens.
        k: how many directions.
        draws: random directions.
        tokens: of the text, drawn at random, on which directions are found.
        places: of each row, drawn at random, at which they are judged, each by itself.
        bos: as for `Model.run`.
        seed: of the division, the tokens and the random directions.
        progress: show a progress bar in a terminal.

    Raises:
        InputError: no such layer, more directions than the states have, too few rows. CheckRefused: a lens of another model. SiteUnavailable: a model
            without unembedding.

    >>> import sonde
    >>> found = causal_basis(sonde.load("specimen:words"), [f"The {word} is" for word in ("key", "dog", "cat", "book")], "2", k=1, draws=2)
    >>> found.vectors.shape
    torch.Size([1, 128])
    """
    readable(model)
    sites = layer_sites(model)
    sites.pop("model")
    if layer not in sites:
        raise InputError(f"layer={shown(layer)}: the lens reads {', '.join(sites)}, and then the model itself")
    if not 1 <= k <= model.d_model or draws < 2:
        raise InputError(f"k={k}, draws={draws}: find 1 to {model.d_model} directions, and draw at least 2 random ones")
    if tokens < 2 or places < 1:
        raise InputError(f"tokens={tokens}, places={places}: find directions on 2 tokens or more, and judge them at 1 place or more")
    if lens is not None:
        lens.refuse_other(model)
    taken, notes = encoded(model, rows, bos)
    order = torch.randperm(len(taken), generator=torch.Generator().manual_seed(seed)).tolist()
    cut = 2 * len(taken) // 3
    search, held_out = ([taken[i] for i in sorted(part)] for part in (order[:cut], order[cut:]))
    if not search:
        raise InputError("one row of text leaves none to find directions on: give more")

    def move(states: Tensor) -> Tensor:
        return states if lens is None else lens.translate(layer, states)

    states = _drawn(model, search, sites[layer], tokens, seed)
    influence = Influence(model, states, move)
    vectors, energy = extract(influence, k, seed, progress)
    mean = influence.mean.cpu()
    shuffled = torch.randn(draws, len(states), generator=torch.Generator().manual_seed(seed + 1)).to(states.device)
    random = torch.nn.functional.normalize(shuffled @ (states.float() - influence.mean), dim=1).cpu()
    judged = _Changes(model, held_out, places, seed, sites[layer], mean, move)
    own, others = [judged.without(v) for v in vectors], [judged.without(v) for v in random]
    crossed = torch.stack([torch.stack([judged.alike(one, other) for one in own]).mean(0) for other in others])
    words = vocabulary(model)
    with torch.no_grad():
        seen = directions(model, (move(vectors.to(states)) - move(torch.zeros_like(states[:1]))).cpu().to(states)) @ words
    recipe = {
        "layer": layer, "lens": None if lens is None else content_hash([lens.weight, lens.bias]), "k": k, "draws": draws, "tokens": tokens,
        "places": places, "bos": bos,
    }  # fmt: skip
    return CausalBasis(
        layer=layer,
        vectors=vectors,
        mean=mean,
        energy=energy,
        stimulus=torch.stack([judged.size(judged.read, one[0]) for one in own]),
        response=torch.stack([judged.size(judged.said, one[1]) for one in own]),
        alignment=torch.stack([judged.alike(one, one) for one in own]),
        random_stimulus=torch.stack([judged.size(judged.read, one[0]) for one in others]),
        random_response=torch.stack([judged.size(judged.said, one[1]) for one in others]),
        crossed=crossed,
        promotes=_strings(model, seen, True),
        opposes=_strings(model, seen, False),
        notes=notes,
        recipe=Recipe.of("sonde.lens.causal_basis", recipe, model_hash=model.hash, inputs=taken, seed=seed),
    )


class _Changes:
    """What the lens reads and the model says at some places of some rows, as they are and without a direction there.

    A place is judged as the last token of the row up to it: what stands before it is left as it is, and what comes after it takes no part.
    """

    def __init__(self, model: Model, rows: list[list[int]], places: int, seed: int, site: str, mean: Tensor, move: Move):
        self.model, self.site, self.mean, self.move = model, f"{site}[pos=-1]", mean, move
        generator = torch.Generator().manual_seed(seed)
        ends = [torch.randperm(len(row), generator=generator)[:places].tolist() for row in rows]
        self.rows = [row[: end + 1] for row, own in zip(rows, ends, strict=True) for end in own]
        self.counts = [len(own) for own in ends]
        run = model.run(self.rows, read=self.site, logits="last")
        self.states, self.said = run[self.site], run.last_logits.float().cpu()
        self.read = self._reading(self.states)

    def without(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Reading and answer with a direction at its mean."""

        def put(old: Tensor) -> Tensor:
            return ablated(old.float(), self.mean.to(old.device), v.to(old.device)).to(old.dtype)

        answer = self.model.run(self.rows, edits=[Apply(self.site, put)], logits="last").last_logits.float().cpu()
        return self._reading(put(self.states)), answer

    def alike(self, stimulus: tuple[Tensor, Tensor], response: tuple[Tensor, Tensor]) -> Float[Tensor, " row"]:
        """The similarity of how one changes the reading and how another changes the answer, by what the model says before and after."""
        weights = (self.said.softmax(-1) + response[1].softmax(-1)) / 2
        return self._by_row(aitchison_similarity(stimulus[0] - self.read, response[1] - self.said, weights))

    def size(self, before: Tensor, after: Tensor) -> Float[Tensor, " row"]:
        """KL(before || after) in nats."""
        logs = before.log_softmax(-1)
        return self._by_row((logs.exp() * (logs - after.log_softmax(-1))).sum(-1).clamp(min=0))

    def _by_row(self, values: Float[Tensor, " place"]) -> Float[Tensor, " row"]:
        return torch.stack([own.mean() for own in values.split(self.counts)])

    def _reading(self, states: Tensor) -> Tensor:
        with torch.no_grad():
            return read_out(self.model, self.move(states)).cpu()


def _drawn(model: Model, rows: list[list[int]], site: str, tokens: int, seed: int) -> Float[Tensor, "token d_model"]:
    """The states of some tokens, drawn at random from all rows."""
    states = []
    for row in rows:
        run = model.run([row], read=site, logits=False)
        states.append(run[site][0])
    found = torch.cat(states)
    if len(found) < 2:
        raise InputError("the text that directions are found on has one token: give more")
    chosen = torch.randperm(len(found), generator=torch.Generator().manual_seed(seed))[:tokens]
    return found[chosen.to(found.device)]


def _strings(model: Model, seen: Float[Tensor, "k vocab"], most: bool) -> list[list[str]]:
    top = seen.topk(min(SHOWN, seen.shape[1]), largest=most).indices
    return [model.tokenizer.strings(ids) if model.tokenizer else [str(i) for i in ids] for ids in top.tolist()]
