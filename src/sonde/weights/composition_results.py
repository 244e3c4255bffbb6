"""Composition as a result: grids and a graph of the pairs of heads, and whether the strongest pair works together in texts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Mean, Model
from sonde.evidence import compare, untestable
from sonde.results import Drawing, InputError, Result, Verdict, shown
from sonde.results.drawing import Edge, Node, circuit_graph, matrix, tabs
from sonde.weights.corpora import Rows, rows_of

if TYPE_CHECKING:
    from polars import DataFrame

SAYS = {"Q": "what it looks for", "K": "what it is found by", "V": "what it moves"}
MEASURE = "share of its attention that goes elsewhere without the sender, mean over places; control: without each other earlier head"
THRESHOLD, SOURCE = 0.05, "a twentieth of the attention: a convention"
NOTE = "Beyond chance: score less 1 / sqrt(width), the root of the mean square where one of the two is turned at random."
EDGES = 400


@dataclass(frozen=True, eq=False, repr=False)
class Composition(Result):
    """How much each head reads of what each earlier head writes.

    Arguments:
        kinds: "Q", "K" and "V", or those that the family allows.
        values: the scores, from 0 to 1; NaN where the receiver is no later than the sender.
        z: their distance from what a random turn of one of the two gives, in its deviations.
        expected: the score by chance.
        left_out: kinds that could not be formed, and why.
        weighed: whether directions are weighed by what heads read in a text.
        distance: how far keys stand behind queries that are rotated; None where both are compared as if at the same place.
    """

    kinds: list[str]
    values: Float[Tensor, "kind sender_layer sender layer head"]
    z: Float[Tensor, "kind sender_layer sender layer head"]
    expected: float
    left_out: dict[str, str]
    weighed: bool
    distance: int | None = None

    def strongest(self, kind: str) -> tuple[str, str]:
        """The sender and the receiver that are furthest beyond chance.

        Arguments:
            kind: one of `kinds`.
        """
        z = self.z[self._number(kind)]
        flat = int(z.nan_to_num(-torch.inf).argmax())
        i, a, j, b = (int(place) for place in torch.unravel_index(torch.tensor(flat), z.shape))
        return f"{i}.{a}", f"{j}.{b}"

    def value(self, kind: str, sender: str, receiver: str) -> tuple[float, float]:
        """The score of a pair, and its distance from chance.

        Arguments:
            kind: one of `kinds`.
            sender, receiver: heads, such as "0.1" and "1.2".
        """
        (i, a), (j, b) = (map(int, head.split(".")) for head in (sender, receiver))
        return float(self.values[self._number(kind), i, a, j, b]), float(self.z[self._number(kind), i, a, j, b])

    def to_frame(self) -> "DataFrame":
        """One row per kind and pair, the furthest beyond chance first."""
        import polars as pl

        there = (~self.values.isnan()).nonzero()
        at = tuple(there.T)
        places = there.tolist()
        columns = {
            "kind": [self.kinds[k] for k, *_ in places], "sender": [f"{i}.{a}" for _, i, a, _, _ in places],
            "receiver": [f"{j}.{b}" for *_, j, b in places], "score": self.values[at].tolist(), "z": self.z[at].tolist(),
        }  # fmt: skip
        return pl.DataFrame(columns).with_columns(beyond=pl.col("score") - self.expected).sort("z", descending=True)

    def drawing(self) -> Drawing:
        """The graph of the pairs beyond chance, and a grid for each kind."""
        said = [f"Not formed: {kind}, because {reason}." for kind, reason in self.left_out.items()]
        said += [f"Keys {self.distance} places behind queries."] if self.distance is not None else []
        note = " ".join(said)
        return tabs(
            "Which heads read what which heads write?", [("graph", self.graph()), *((kind, self.grid(kind)) for kind in self.kinds)], note=note
        )

    def graph(self) -> Drawing:
        """The pairs furthest beyond chance, as edges from senders to the query, key or value of receivers."""
        import polars as pl

        _, _, heads, layers, _ = self.values.shape
        frame = self.to_frame().filter(pl.col("beyond") > 0).sort("beyond", descending=True).head(EDGES)
        edges = [Edge(row["sender"], row["receiver"], row["beyond"], row["kind"].lower()) for row in frame.to_dicts()]
        nodes = [Node(f"{layer}.{head}", f"{layer}.{head}", layer, head) for layer in range(layers) for head in range(heads)]
        title = "Which heads read what which heads write?"
        few = int((frame["z"] > 5).sum())
        return circuit_graph(
            title, "score beyond chance", nodes, edges, rows=list(range(layers)), shown=min(max(few, 1), 40), zero="as by chance", note=NOTE
        )  # fmt: skip

    def grid(self, kind: str) -> Drawing:
        """The scores of all pairs of one kind, beyond chance.

        Arguments:
            kind: one of `kinds`.
        """
        number, (_, layers, heads, *_) = self._number(kind), self.values.shape
        senders = [f"{i}.{a}" for i in range(layers - 1) for a in range(heads)]
        receivers = [f"{j}.{b}" for j in range(1, layers) for b in range(heads)]
        beyond, z = (self._square(one[number]) for one in (self.values - self.expected, self.z))
        details = [[f"{sender} > {receiver}: z {float(z[r, s]):.1f}" for s, sender in enumerate(senders)] for r, receiver in enumerate(receivers)]
        return matrix(
            f"Whose writing decides {SAYS[kind]}?", "score beyond chance", beyond, row_name="receiver", rows=receivers, col_name="sender",
            cols=senders, details=details, zero="as by chance", note=NOTE,
        )  # fmt: skip

    def check(self, model: Model, texts: Rows, kind: str = "K") -> list[Verdict]:
        """Whether the strongest pair works together in texts: without the sender the receiver looks elsewhere, more than without other heads.

        Arguments:
            model: the model that was read.
            texts: texts, or rows of token ids.
            kind: "Q" or "K".
        """
        self.refuse_other(model)
        sender, receiver = self.strongest(kind)
        claim = f"What head {sender} writes decides where head {receiver} looks."
        told = {"threshold": THRESHOLD, "threshold_source": SOURCE}
        others = [f"{i}.{a}" for i in range(int(receiver.split(".")[0])) for a in range(model.n_heads) if f"{i}.{a}" != sender]
        if kind == "V" or len(others) < 2:
            reason = "what a head moves does not show in where it looks" if kind == "V" else "there are no other earlier heads to compare it with"
            return [untestable(claim, MEASURE, reason, **told)]  # type: ignore[arg-type]
        moved = _moved(model, rows_of(model, texts), receiver, [sender, *others])
        return [compare(claim, MEASURE, moved[0], moved[1:], **told)]  # type: ignore[arg-type]

    def _number(self, kind: str) -> int:
        if kind not in self.kinds:
            raise InputError(f"kind={shown(kind)}: {self.left_out.get(kind) or 'choose from ' + ', '.join(self.kinds)}")
        return self.kinds.index(kind)

    def _square(self, values: Float[Tensor, "sender_layer sender layer head"]) -> Float[Tensor, "receiver writer"]:
        return values[:-1, :, 1:].permute(2, 3, 0, 1).flatten(0, 1).flatten(1)


def _moved(model: Model, rows: list[list[int]], receiver: str, senders: list[str]) -> Float[Tensor, "sender row"]:
    """How much of a head's attention goes elsewhere without each of some senders, whose output is replaced by its mean."""
    layer, head = map(int, receiver.split("."))
    site = f"blocks.{layer}.attn.pattern"
    base = model.run(rows, read=[site, *(f"blocks.{i}.attn.z" for i in range(layer))], logits=False)
    mask = base.mask
    assert mask is not None
    found = []
    for sender in senders:
        i, a = map(int, sender.split("."))
        mean = base[f"blocks.{i}.attn.z"][mask].mean(0)[a]
        run = model.run(rows, read=site, edits=Mean(f"blocks.{i}.attn.z[head={a}]", mean), logits=False)
        change = (run[site][:, head] - base[site][:, head]).abs().sum(-1) / 2
        found.append((change * mask).sum(-1) / mask.sum(-1))
    return torch.stack(found).float().cpu()
