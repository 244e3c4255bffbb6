"""How influence is drawn: a list of examples, their tokens coloured, a heat map of blocks of weights, a sheet to look through."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import Drawing
from sonde.results.drawing import bars, matrix, table, tabs, tokens

UNIT = "tau, in units of the value that was asked about"
LONGEST = 90


def list_of_examples(
    title: str, ranked: Sequence[tuple[int, str, float]], texts: Sequence[Sequence[str]] | None, colours: Sequence[Sequence[float]] | None, note: str
) -> Drawing:  # fmt: skip
    """Draw examples as bars; where it is known what each token adds, with the coloured texts behind tabs.

    Arguments:
        title: the question.
        ranked: number, text and tau of each example, the most helpful first.
        texts: the tokens of each.
        colours: what each token adds, of each; more numbers than tokens belong to padding.
        note: the sign.
    """
    names = [f"{i}: {short(text)}" for i, text, _ in ranked]
    whole = bars(title, UNIT, names, [tau for *_, tau in ranked], zero="no influence", note=note)
    if texts is None or colours is None or not ranked:
        return whole
    strips = [
        (f"{i} ({tau:+.3g})", tokens(f"Which tokens of example {i} bear on it?", UNIT, row, values[: len(row)], zero="no influence", note=note))
        for (i, _, tau), row, values in zip(ranked, texts, colours, strict=True)
    ]
    return tabs(title, [("all", whole), *strips])


def heat_map(
    title: str, values: Float[Tensor, "example module"], modules: Sequence[str], examples: Sequence[str], numbers: Sequence[int], note: str
) -> Drawing:  # fmt: skip
    """Draw what each block of weights adds to each example's influence: a column for each example, which sums to its tau.

    Arguments:
        title: the question.
        values: what they add.
        modules: the blocks, first to last.
        examples: their texts.
        numbers: of the examples.
        note: the sign.
    """
    details = [[f"{short(text)}: in all {float(values[e].sum()):+.3g}" for e, text in enumerate(examples)] for _ in modules]
    return matrix(
        title, UNIT, values.T, row_name="block of weights", rows=modules, col_name="training example", cols=numbers, details=details,
        zero="adds nothing", note=note,
    )  # fmt: skip


def own_influence(rows: Sequence[tuple[int, str, float, float]], n: int) -> Drawing:
    """Draw a sheet of the examples that bear most on their own loss.

    Arguments:
        rows: number, text, self-influence and loss of each, the strongest first.
        n: how many examples there are in all.
    """
    cells = [[i, short(text), own, loss] for i, text, own, loss in rows]
    note = f"The first {len(rows)} of {n}: outliers and wrong labels come first, but a rare right example does too, so each is to be looked at."
    return table("Which training examples were learned by heart?", ["example", "what it is", "self-influence", "loss"], cells, note=note)


def short(text: str) -> str:
    """A text in one line, cut where it is long.

    Arguments:
        text: of an example.

    >>> short("a  b")
    'a b'
    """
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


def coloured_list(title: str, rows: Sequence[tuple[int, str, float, Sequence[str], Sequence[float]]], note: str) -> Drawing:
    """Draw sequences one under the other, each with its tau at the head, their tokens coloured by what each adds.

    Arguments:
        title: the question.
        rows: number, kind (or nothing), tau, tokens of each sequence and what each adds; the most helpful first.
        note: the sign.
    """
    texts, values, details = list[str](), list[float](), list[str]()
    for i, kind, tau, told, adds in rows:
        texts += [f"{tau:+,.3g} ", f"#{i} {kind}".rstrip() + ": ", *(one.replace("\n", " ") for one in told[:-1]), told[-1].rstrip("\n") + "\n"]
        values += [0.0, 0.0, *adds]
        details += ["tau of the whole sequence", "its number", *(f"of sequence {i}" for _ in told)]
    if not rows:
        texts, values, details = ["none"], [0.0], ["no sequence has an influence above or below zero"]
    return tokens(title, UNIT, texts, values, details=details, zero="adds nothing", note=note)


def layer_map(
    title: str, values: Float[Tensor, "example layer"], layers: Sequence[str], examples: Sequence[str], numbers: Sequence[int], note: str
) -> Drawing:  # fmt: skip
    """Draw what each layer adds to each sequence's influence: a column for each sequence; the last row is the sum.

    Arguments:
        title: the question.
        values: what they add.
        layers: first to last.
        examples: their texts.
        numbers: of the sequences.
        note: the sign.
    """
    whole = values.sum(1, keepdim=True)
    rows = [*layers, "sum"]
    details = [[f"#{i} {short(text)}: in all {float(one):+.3g}" for i, text, one in zip(numbers, examples, whole, strict=True)] for _ in rows]
    shares = (values.abs().sum(0) / values.abs().sum()).tolist()
    said = ", ".join(f"{layer} {share:.0%}" for layer, share in zip(layers, shares, strict=True))
    return matrix(
        title, UNIT, torch.cat([values, whole], 1).T, row_name="layer", rows=rows, col_name="training sequence", cols=numbers, details=details,
        zero="adds nothing", note=f"Shares of the layers in the sizes of all {len(numbers)} columns: {said}. {note}",
    )  # fmt: skip
