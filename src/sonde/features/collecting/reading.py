"""Activations of a corpus, one a row, with the place where each was read.

Shape legend: N places, W entries of an activation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.access.placed import by_place
from sonde.features.collecting.corpus import Corpus
from sonde.results import InputError


@dataclass(frozen=True, eq=False)
class Places:
    """Where activations were read.

    Arguments:
        sequence: the number of the sequence.
        position: in it; in pictures row by row.
    """

    sequence: Int[Tensor, " place"]
    position: Int[Tensor, " place"]


def read(model: Model, corpus: Corpus, numbers: Sequence[int], groups: Sequence[Sequence[str]]) -> tuple[Places, list[Float[Tensor, "place entry"]]]:
    """Activations of some sequences, those of tokens that are counted.

    Arguments:
        model: is run once; the forward ends after the last site.
        corpus: holds the sequences.
        numbers: which of them.
        groups: sites whose entries are put side by side; one table of activations is made of each group.
    """
    run = model.run(corpus.inputs(numbers), read=sorted({site for sites in groups for site in sites}), logits=False)
    tables = [torch.cat([by_place(run, site) for site in sites], dim=-1) for sites in groups]
    if len({table.shape[:2] for table in tables}) > 1:
        raise InputError(f"{', '.join(map(str, groups))} have other numbers of places: read sites of one kind")
    batch, places = tables[0].shape[:2]
    counted = torch.ones(batch, places, dtype=torch.bool)
    if corpus.texts:
        lengths = torch.tensor([len(corpus.rows[i]) for i in numbers])
        if int(lengths.max()) != places:
            raise InputError(
                f"{groups[0][0]!r} has {places} places for {int(lengths.max())} tokens: choose a site with one activation for each token"
            )
        counted = torch.arange(places) < lengths[:, None]
        if corpus.left_out:
            ids = torch.nn.utils.rnn.pad_sequence([corpus.rows[i] for i in numbers], batch_first=True)
            counted &= ~torch.isin(ids, torch.tensor(sorted(corpus.left_out), dtype=ids.dtype))
    row, position = counted.nonzero(as_tuple=True)
    return Places(torch.tensor(numbers)[row], position), [table.float().cpu()[row, position] for table in tables]
