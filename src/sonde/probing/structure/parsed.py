"""Sentences with their trees and the states of their words, site by site."""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Model
from sonde.probing.data import Sentence, sentences
from sonde.probing.labelled import Labelled
from sonde.probing.pooling import Pooling
from sonde.probing.reading import read_states
from sonde.probing.structure.trees import tree_depths, tree_distances
from sonde.results import InputError

PUNCTUATION = "PUNCT"
SHOWN = 3  # sentences that are left out are named, so many at most


@dataclass(frozen=True, eq=False)
class Parsed:
    """Sentences, their trees, and their words' states.

    Arguments:
        words: the forms, sentence by sentence.
        heads: for each word the number of the one that it hangs on; -1 for the root.
        kept: which words are no punctuation: the others take no part in what is judged.
        groups: the document of each sentence, as a number; sentences without one are their own.
        values: by site the states of each sentence's words.
        model_hash: of the model that was read; empty where states were given.
        notes: what was decided or left out.

    Raises:
        InputError: heads, words or states that do not fit one another.
    """

    words: tuple[tuple[str, ...], ...]
    heads: tuple[tuple[int, ...], ...]
    kept: tuple[Bool[Tensor, " _"], ...]
    groups: tuple[int, ...]
    values: Mapping[str, tuple[Float[Tensor, "_ _"], ...]]
    model_hash: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sizes = [len(one) for one in self.words]
        if not sizes:
            raise InputError("there is no sentence with a tree: give a treebank whose words have heads")
        parts: dict[str, Sequence[Sized]] = {"heads": self.heads, "words that are kept": self.kept, **self.values}
        for name, part in parts.items():
            if [len(one) for one in part] != sizes:
                raise InputError(f"the {name} do not fit the words: give one for each word of each of the {len(sizes)} sentences")

    @staticmethod
    def of(values: Mapping[str, Sequence[Float[Tensor, "_ _"]]], heads: Sequence[Sequence[int]]) -> "Parsed":
        """Trees of states that were read elsewhere.

        Arguments:
            values: by site the states of each sentence's words.
            heads: for each word the number of the one that it hangs on; -1 for the root.

        >>> Parsed.of({"given": [torch.eye(2)]}, [[-1, 0]]).sites
        ['given']
        """
        rows = tuple(tuple(one) for one in heads)
        for one in rows:
            tree_depths(one)
        words = tuple(tuple(str(i) for i in range(len(one))) for one in rows)
        kept = tuple(torch.ones(len(one), dtype=torch.bool) for one in rows)
        return Parsed(words, rows, kept, tuple(range(len(rows))), {site: tuple(x.float() for x in held) for site, held in values.items()})

    def __len__(self) -> int:
        return len(self.words)

    @property
    def sites(self) -> list[str]:
        """The sites in the order of the computation."""
        return list(self.values)

    @property
    def content(self) -> list[object]:
        """What makes the sentences what they are, as plain data to be hashed."""
        return [self.words, self.heads]

    def select(self, numbers: Sequence[int]) -> "Parsed":
        """Some of the sentences.

        Arguments:
            numbers: which.
        """
        parts: dict[str, Any] = {name: tuple(getattr(self, name)[i] for i in numbers) for name in ("words", "heads", "kept", "groups")}
        return replace(self, **parts, values={site: tuple(x[i] for i in numbers) for site, x in self.values.items()})


def parse(path: str | Path | Sequence[Sentence], n: int | None = None, longest: int = 60, seed: int = 0) -> tuple[list[Sentence], list[str]]:
    """The sentences of a treebank that have a tree, and what is to be said of the others.

    Arguments:
        path: a file in CoNLL-U, or sentences that were read.
        n: so many, drawn at random; all by default.
        longest: sentences of more words are left out.
        seed: of the draw.

    Raises:
        InputError: no sentence has a tree.
    """
    read, notes = sentences(path) if isinstance(path, str | Path) else (list(path), [])
    found: list[Sentence] = []
    wrong: list[str] = []
    long = 0
    order = range(len(read)) if n is None else torch.randperm(len(read), generator=torch.Generator().manual_seed(seed)).tolist()
    for i in order:
        if len(found) == n:
            break
        try:
            tree_distances(read[i].heads)
        except InputError as error:
            wrong.append(f"{read[i].name}: {error}")
            continue
        long += len(read[i].words) > longest
        if 2 <= len(read[i].words) <= longest:
            found.append(read[i])
    notes = [*notes, *(f"a sentence was left out: {one}" for one in wrong[:SHOWN])]
    notes += [f"{len(wrong) - SHOWN} more sentences without a tree were left out"] if len(wrong) > SHOWN else []
    notes += [f"{long} sentences of more than {longest} words were left out"] if long else []
    if not found:
        raise InputError(f"no sentence of 2 to {longest} words has a tree" + (f": {wrong[0]}" if wrong else ""))
    return found, notes


def read_trees(
    model: Model, given: Sequence[Sentence], sites: str | Sequence[str] | None = None, pooling: Pooling = "mean", notes: Sequence[str] = (),
    progress: bool = False,
) -> Parsed:  # fmt: skip
    """The states of every word, in one pass over the model.

    Arguments:
        model: reads the sentences.
        given: sentences with trees.
        sites: names or globs; by default the embedding and what every block leaves behind.
        pooling: how a word of several tokens becomes one vector.
        notes: what was said of the sentences already.
        progress: show a bar.

    Raises:
        InputError: a sentence without a tree; what `read_states` refuses.
    """
    trees = [sentence.heads for sentence in given]
    data = Labelled(
        "tree", tuple(sentence.text for sentence in given), torch.tensor([i for i, s in enumerate(given) for _ in s.words]),
        tuple((word.span,) for s in given for word in s.words), torch.cat([tree_depths(heads).float() for heads in trees]), (),
        tuple(word.form for s in given for word in s.words), torch.tensor([i for i, s in enumerate(given) for _ in s.words]),
    )  # fmt: skip
    states = read_states(model, data, sites, pooling, progress=progress)
    counts = torch.bincount(states.data.text, minlength=len(given))
    whole = [i for i, s in enumerate(given) if int(counts[i]) == len(s.words)]
    if not whole:
        raise InputError(f"{model.name} can take none of the {len(given)} sentences: {'; '.join(states.notes[:1])}")
    rows = [(states.data.text == i).nonzero().flatten() for i in whole]
    documents = {name: i for i, name in enumerate(dict.fromkeys(s.document or s.name for s in given))}
    kept = [given[i] for i in whole]
    return Parsed(
        tuple(tuple(word.form for word in s.words) for s in kept), tuple(trees[i] for i in whole),
        tuple(torch.tensor([word.upos != PUNCTUATION for word in s.words]) for s in kept), tuple(documents[s.document or s.name] for s in kept),
        {site: tuple(states[site][row] for row in rows) for site in states.sites}, states.model_hash, (*notes, *states.notes),
    )  # fmt: skip
