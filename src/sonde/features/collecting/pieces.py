"""One piece of a corpus: its sparse codes sorted by latent, and what goes with them, added up.

    for latent i and neuron j:  sum over places n of f_ni (y_nj - shift_j)

from which Pearson's correlation and the cosine follow when the pieces are put together. The shift keeps the sum from cancelling.

Shape legend: N places, E entries that are not 0, F latents, M neurons.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

from sonde import bases
from sonde.access import Basis, Model
from sonde.bases import Codes
from sonde.features.collecting.corpus import Corpus
from sonde.features.collecting.reading import read
from sonde.results import InputError

ENTRIES = 2**25
"""Of the codes, and of the neurons' activations, that one piece holds: 128 MB in float32."""
PLACES = (4096, 2**18)
SPARSE = 16
"""Products of codes with activations are formed entry by entry where fewer than one in so many is not 0."""


@dataclass(frozen=True, eq=False)
class Reader:
    """What is read of each piece.

    Arguments:
        model: is run.
        corpus: what it is run on.
        basis: whose codes are made.
        sites: what the basis reads, side by side.
        neurons: the site whose entries are correlated with the codes; empty for none.
        shift: taken from the neurons' activations before products are formed.
    """

    model: Model
    corpus: Corpus
    basis: Basis
    sites: tuple[str, ...]
    neurons: str
    shift: Float[Tensor, " neuron"]

    def __call__(self, passes: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        """The codes of some passes, and their sums."""
        parts: list[Codes] = []
        sequences, positions, neurons = [], [], []
        groups = [self.sites, *([(self.neurons,)] if self.neurons else [])]
        for numbers in passes:
            places, (x, *y) = read(self.model, self.corpus, numbers, groups)
            parts.append(bases.codes(self.basis, x))
            sequences.append(places.sequence)
            positions.append(places.position)
            neurons += y
        codes, sequence, position = Codes.together(parts), torch.cat(sequences), torch.cat(positions)
        rows = codes.rows
        refuse_infinite(codes, sequence[rows], position[rows])
        order = codes.latents.argsort(stable=True)
        found = {
            "latent": codes.latents[order].int(), "sequence": sequence[rows[order]].int(), "position": position[rows[order]].int(),
            "value": codes.values[order].float(), "places": torch.bincount(position),
        }  # fmt: skip
        if self.neurons:
            y_nm = torch.cat(neurons) - self.shift
            found |= {"products": products(codes, y_nm, order), "sum": y_nm.double().sum(0), "square": y_nm.double().square().sum(0)}
        return found


def products(codes: Codes, y_nm: Float[Tensor, "place neuron"], order: Int[Tensor, " entry"]) -> Float[Tensor, "latent neuron"]:
    """Codes, transposed, times activations.

    Arguments:
        codes: of the places.
        y_nm: activations there.
        order: of the entries by latent.
    """
    if len(codes.values) * SPARSE > len(codes) * codes.size:
        return codes.dense().T.float() @ y_nm
    counts = torch.bincount(codes.latents, minlength=codes.size)
    found: Tensor = embedding_bag(
        codes.rows[order], y_nm, counts.cumsum(0) - counts, per_sample_weights=codes.values[order].to(y_nm), mode="sum"
    )  # fmt: skip
    return found


def in_pieces(passes: Iterator[list[int]], corpus: Corpus, density: float, neurons: int) -> list[list[list[int]]]:
    """Passes in groups that memory can hold.

    Arguments:
        passes: numbers of sequences.
        corpus: of these sequences.
        density: entries of the codes at each place that are not 0.
        neurons: entries of the neurons' activations there.
    """
    places = int(min(PLACES[1], max(PLACES[0], ENTRIES / max(1.0, density, neurons))))
    pieces: list[list[list[int]]] = [[]]
    held = 0
    for numbers in passes:
        size = sum(len(corpus.rows[i]) for i in numbers) if corpus.texts else 64 * len(numbers)
        if pieces[-1] and held + size > places:
            pieces.append([])
            held = 0
        pieces[-1].append(numbers)
        held += size
    return pieces


def refuse_infinite(codes: Codes, sequence: Tensor, position: Tensor) -> None:
    """Raise `InputError` at the first code that is NaN or infinite."""
    bad = (~codes.values.isfinite()).nonzero().flatten()
    if len(bad):
        i = int(bad[0])
        raise InputError(
            f"latent {int(codes.latents[i])} is {float(codes.values[i])} at token {int(position[i])} of sequence {int(sequence[i])} "
            f"({len(bad)} codes are not finite): the model's activations or the basis hold nan or inf there"
        )
