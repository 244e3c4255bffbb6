"""Does a head count by the last digit? What it writes for numbers, looked at modulo ten.

Successor heads share features between numbers of one last digit (Gould et al. 2023, "Successor heads": features modulo ten). Such a head, looking
at 23, raises not 24 alone but 34, 44, ... as well. With M[a, b] how much looking at number a raises number b (`sonde.weights.written`), standardised
over the numbers b of other decades than a's, the score of a is

    mean of M[a, b] over all b of other decades whose last digit is that of a + 1

in standard deviations: what a head knows of the pair (a, a + 1) itself does not enter, save where a + 1 begins the next decade. By chance: the last
digits shuffled among the numbers.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model, Tokenizer
from sonde.evidence import compare, corrected
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import head_grid, matrix
from sonde.weights.results import chance_of_any
from sonde.weights.written import Writing, reason_against, unembedding

if TYPE_CHECKING:
    from polars import DataFrame

DECADES = 3  # fewer leave a digit no other decades to be compared in
LEAST = 1.0  # standard deviations: a convention


@dataclass(frozen=True, eq=False, repr=False)
class LastDigits(Result):
    """How much each head raises the numbers that end in the next digit, in other decades.

    Arguments:
        numbers: that are single tokens.
        values: of every head and number, in standard deviations.
        control: the same with the last digits shuffled.
        digits: how much looking at a last digit raises another one, in other decades.
    """

    numbers: list[int]
    values: Float[Tensor, "layer head number"]
    control: Float[Tensor, "draw layer head number"]
    digits: Float[Tensor, "layer head looked_at raised"]

    @property
    def chance(self) -> float:
        """What the best head of the model does not reach in 19 of 20 shufflings."""
        return float(chance_of_any(self.control.mean(-1)))

    def named(self) -> list[str]:
        """The heads that count by the last digit, the strongest first."""
        means = self.values.mean(-1)
        found = ((means >= LEAST) & (means > self.chance)).nonzero().tolist()
        return [f"{layer}.{head}" for layer, head in sorted(found, key=lambda place: -float(means[place[0], place[1]]))]

    @property
    def nearest(self) -> str:
        """The head with the highest mean, whether it has a name or not."""
        layer, head = divmod(int(self.values.mean(-1).argmax()), self.values.shape[1])
        return f"{layer}.{head}"

    def by_head(self) -> "DataFrame":
        """One row per head, the one that counts most first: its mean, and that with shuffled digits."""
        import polars as pl

        n_layers, n_heads = self.values.shape[:2]
        names = [f"{layer}.{head}" for layer in range(n_layers) for head in range(n_heads)]
        columns = {"head": names, "value": self.values.mean(-1).flatten().tolist(), "shuffled": self.control.mean((0, -1)).flatten().tolist()}
        return pl.DataFrame(columns).sort("value", descending=True)

    def to_frame(self) -> "DataFrame":
        """One row per head and number."""
        import polars as pl

        rows = [
            (f"{layer}.{head}", number, float(value))
            for layer, of in enumerate(self.values)
            for head, values in enumerate(of)
            for number, value in zip(self.numbers, values, strict=True)
        ]
        return pl.DataFrame(rows, ["head", "number", "value"], orient="row")

    def drawing(self) -> Drawing:
        """The mean of every head."""
        note = f"A name is given from {LEAST:g} on, if it is more than chance: {self.chance:.2f} for the best head."
        return head_grid("Which heads count by the last digit?", "standard deviations", self.values.mean(-1), zero="no digit is raised", note=note)

    def table(self, head: str) -> Drawing:
        """Which last digit one head raises, by the last digit that it looks at.

        Arguments:
            head: "1.2".

        Raises:
            InputError: no such head.
        """
        heads = sorted(self.by_head()["head"], key=lambda name: [int(part) for part in name.split(".")])
        if head not in heads:
            raise InputError(f"there is no head {head!r}: give one of {heads[0]} to {heads[-1]}")
        layer, number = map(int, head.split("."))
        return matrix(
            f"Which last digits does head {head} raise?", "standard deviations", self.digits[layer, number], row_name="looks at", rows=range(10),
            col_name="raises", cols=range(10), note="Numbers of other decades only.",
        )  # fmt: skip

    def check(self, model: Model) -> list[Verdict]:
        """Whether the heads that are named do it on the numbers that they were measured on, more than with shuffled digits.

        Arguments:
            model: the model that was measured.
        """
        self.refuse_other(model)
        found = []
        for head in self.named():
            layer, number = map(int, head.split("."))
            found.append(
                compare(
                    f"Head {head} counts by the last digit.", "raising of the next digit's numbers, standard deviations; control: digits shuffled",
                    self.values[layer, number], self.control[:, layer, number], threshold=LEAST, threshold_source="a convention", exceeding="draw",
                )
            )  # fmt: skip
        return corrected(found)


def last_digits(model: Model, draws: int = 20, seed: int = 0) -> LastDigits:
    """Measure whether heads count by the last digit.

    Arguments:
        model: a language model of a known family whose tokenizer has numbers as single tokens.
        draws: how often the digits are shuffled.
        seed: of the shuffles.

    Raises:
        InputError: what heads write cannot be read; a vocabulary without numbers of three decades; fewer than 20 draws.
    """
    if draws < 20:
        raise InputError(f"draws={draws}: take at least 20, of which one is chance")
    if reason := reason_against(model):
        raise InputError(f"what heads write cannot be read here: {reason}")
    known = {} if model.tokenizer is None else _numbers(model.tokenizer)
    numbers = torch.tensor(sorted(known))
    if len(set((numbers // 10).tolist())) < DECADES or len(set((numbers % 10).tolist())) < 10:
        raise InputError(f"{model.name} has {len(known)} numbers below 100 as single tokens: {DECADES} decades with all last digits are needed")
    tokens = [known[number] for number in numbers.tolist()]
    W_U = unembedding(model, tokens)
    raised = torch.stack([Writing(model, layer).of(tokens) @ W_U.T for layer in range(model.n_layers)])
    apart = numbers[:, None] // 10 != numbers // 10
    standard = _standardised(raised, apart)
    generator = torch.Generator().manual_seed(seed)
    shuffled = [(numbers % 10)[torch.randperm(len(numbers), generator=generator)] for _ in range(draws)]
    ends = torch.nn.functional.one_hot(numbers % 10).float()
    pairs = torch.einsum("ar,ab,bs->rs", ends, apart.float(), ends)
    return LastDigits(
        numbers=numbers.tolist(),
        values=_following(standard, apart, numbers % 10),
        control=torch.stack([_following(standard, apart, digits) for digits in shuffled]),
        digits=torch.einsum("ar,lhab,bs->lhrs", ends, standard, ends) / pairs,
        recipe=Recipe.of("sonde.weights.last_digits", {"draws": draws}, model_hash=model.hash, inputs=numbers.tolist(), seed=seed),
    )


def _numbers(tokenizer: Tokenizer) -> dict[int, int]:
    """The numbers below 100 that are single tokens, with a space before them or without."""
    found = {}
    for number in range(100):
        for text in (f" {number}", str(number)):
            try:
                found[number] = tokenizer.single(text)
                break
            except InputError:
                continue
    return found


def _standardised(raised: Float[Tensor, "layer head a b"], apart: Tensor) -> Float[Tensor, "layer head a b"]:
    """Mean 0 and deviation 1 over the numbers of other decades; 0 for those of the own."""
    n = apart.sum(-1, keepdim=True)
    centred = (raised - (raised * apart).sum(-1, keepdim=True) / n) * apart
    # what differs by rounding alone does not differ
    return centred / (centred.square().sum(-1, keepdim=True) / n).sqrt().clamp(min=1e-5 * float(raised.abs().max()))


def _following(standard: Float[Tensor, "layer head a b"], apart: Tensor, digits: Int[Tensor, " a"]) -> Float[Tensor, "layer head a"]:
    """The mean over the numbers of other decades that end in the digit after a's."""
    wanted = (apart & (digits == (digits[:, None] + 1) % 10)).float()
    return (standard * wanted).sum(-1) / wanted.sum(-1).clamp(min=1)
