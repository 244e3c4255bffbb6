"""What a treebank says of its words, as labelled examples: parts of speech, relations, features, and arcs.

Arcs are pairs: a word and the one that it hangs on. A probe that is asked whether there is an arc needs pairs without one; drawn blindly they lie
farther apart than arcs do, and the distance would tell. So each is as far apart as an arc of its sentence, wherever there is such a pair.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from sonde.probing.data.sentences import Sentence, Span, Word, sentences
from sonde.probing.labelled import Labelled
from sonde.results import InputError, shown

TAGS: dict[str, Callable[[Word], str]] = {"upos": lambda word: word.upos, "xpos": lambda word: word.xpos, "deprel": lambda word: word.relation}
"""Fields that are columns of their own."""

PAIRS = ("arc", "head")
"""Fields of two words: the relation of a word to its head; and whether the second is the head of the first."""

Example = tuple[tuple[Span, ...], str, tuple[Word, ...]]


def treebank(
    path: str | Path | Sequence[Sentence], field: str = "upos", group: Literal["sentence", "document"] = "sentence", n: int | None = None,
    seed: int = 0,
) -> Labelled:  # fmt: skip
    """Words of a treebank, or pairs of them, with what it says of them.

    Arguments:
        path: a file in CoNLL-U, plain or compressed with gzip; or sentences that were read.
        field: "upos", "xpos" or "deprel", the word's part of speech, its tag in the language, its relation; a feature, such as "Number" or "Tense",
            of the words that have it; "arc", of a word and its head the relation; "head", of two words whether the second is the head of the first.
        group: what is not divided between train and test.
        n: sentences, drawn at random; all by default.
        seed: of the draw, and of the pairs without an arc.

    Raises:
        InputError: a file that can't be read; a field that the treebank does not have, or that has one value only; fewer than one sentence.
    """
    notes: list[str] = []
    if isinstance(path, str | Path):
        read, notes = sentences(path)
    else:
        read = list(path)
    if group not in ("sentence", "document"):
        raise InputError(f"group={shown(group, 40)}: keep together what is of one 'sentence', or of one 'document'")
    if n is not None and n < 1:
        raise InputError(f"n={n} sentences: draw 1 or more, or leave n out for all")
    rng = random.Random(seed)
    if n is not None and n < len(read):
        read = [read[i] for i in sorted(rng.sample(range(len(read)), n))]
    found = [(i, example) for i, sentence in enumerate(read) for example in _examples(sentence, field, rng)]
    _refuse_unknown(read, field, len(found))
    lost = Counter(word.form for sentence in read for word in sentence.words if not word.own)
    if lost:
        some = ", ".join(map(repr, list(lost)[:3]))
        notes.append(f"{lost.total()} words that the text does not spell by themselves, such as {some}, were left out")
    texts = [sentence.text for sentence in read]
    if group == "document" and not all(sentence.document for sentence in read):
        raise InputError("group='document': the treebank does not say which document each sentence is of ('# newdoc id = ...'); take 'sentence'")
    return Labelled.of(
        texts, [label for _, (_, label, _) in found], _name(path, field), [i for i, _ in found], [spans for _, (spans, _, _) in found],
        types=["\t".join(word.form for word in words) for _, (_, _, words) in found],
        groups=[read[i].document if group == "document" else read[i].text for i, _ in found], notes=notes,
    )  # fmt: skip


def _name(path: str | Path | Sequence[Sentence], field: str) -> str:
    return f"{field} in {Path(path).name}" if isinstance(path, str | Path) else field


def _examples(sentence: Sentence, field: str, rng: random.Random) -> Iterator[Example]:
    """The examples of one sentence; none of words that the text does not spell by themselves, or of which the treebank says nothing."""
    own = [i for i, word in enumerate(sentence.words) if word.own]
    words = sentence.words
    if field == "arc":
        for i, head in _arcs(sentence):
            if words[i].relation:
                yield (words[i].span, words[head].span), words[i].relation, (words[i], words[head])
    elif field == "head":
        arcs = list(_arcs(sentence))
        for (i, head), (j, other) in zip(arcs, _no_arcs(arcs, own, rng), strict=False):
            yield (words[i].span, words[head].span), "head", (words[i], words[head])
            yield (words[j].span, words[other].span), "no head", (words[j], words[other])
    else:
        tag = TAGS.get(field, lambda word: word.feats.get(field, ""))
        for word in (words[i] for i in own):
            if label := tag(word):
                yield (word.span,), label, (word,)


def _arcs(sentence: Sentence) -> Iterator[tuple[int, int]]:
    """Words with their heads, both spelt by themselves."""
    for i, word in enumerate(sentence.words):
        if word.head is not None and word.head >= 0 and word.own and sentence.words[word.head].own:
            yield i, word.head


def _no_arcs(arcs: Sequence[tuple[int, int]], own: Sequence[int], rng: random.Random) -> Iterator[tuple[int, int]]:
    """For each arc a pair of words without one, as far apart and in the same direction where there is such a pair, else any; none twice."""
    taken, spelt = set(arcs), set(own)
    for i, head in arcs:
        apart = head - i
        alike = [(j, j + apart) for j in own if j + apart in spelt and (j, j + apart) not in taken]
        free = alike or [(j, k) for j in own for k in own if j != k and (j, k) not in taken]
        if not free:  # every pair of a sentence of one or two words
            return
        taken.add(chosen := rng.choice(free))
        yield chosen


def _refuse_unknown(read: Sequence[Sentence], field: str, found: int) -> None:
    """Raise `InputError` where the treebank says nothing of a field, and name those of which it does."""
    if not found:
        features = Counter(name for sentence in read for word in sentence.words for name in word.feats)
        known = ", ".join([*TAGS, *PAIRS, *(name for name, _ in features.most_common())])
        raise InputError(f"the treebank says nothing of {shown(field, 40)}; it has {known}")
