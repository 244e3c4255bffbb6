"""Single words exchanged for others of the same class: counterfactuals for a prompt that no template knows."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

from sonde.access import Model
from sonde.tasks.pair import spells
from sonde.tasks.prompt import Prompt, Word
from sonde.tasks.vocabulary import neighbours

PER_WORD = 3  # exchanges tried for each word
TRIES = 30  # fillers looked at for each word, of which many may have another number of tokens


@dataclass(frozen=True)
class Swap:
    """One exchange.

    Arguments:
        text: the text after it.
        reason: what was exchanged and why, as a clause.
        renamable: whether siblings can rename the exchanged word, so that the exchange is tested afresh.
    """

    text: str
    reason: str
    renamable: bool


def swaps(model: Model, prompt: Prompt, seed: int = 0) -> list[Swap]:
    """Exchanges of one word each that leave every other token where it was.

    A word of a class gives way to its own other forms, to others of its narrowest class, and to those of the opposite class, if there is one; a
    word of no class, if it is a single token, to those that are written alike and have the most similar embeddings. Words of grammar and the
    last word are left alone as long as others can be exchanged.

    Arguments:
        model: the model, for its embeddings.
        prompt: the text.
        seed: of the draws from classes.
    """
    # the last token is where the model reads off its answer: another one there would ask another question
    before, last = list(prompt.words[:-1]), list(prompt.words[-1:])
    content = [word for word in before if not prompt.lexicon.is_function_word(word.text)]
    for words in (content, before, last):
        found = [swap for word in words for swap in _of(model, prompt, word, random.Random(f"{seed}/{word.start}"))]
        if found:
            return found
    return []


def _of(model: Model, prompt: Prompt, word: Word, rng: random.Random) -> list[Swap]:
    """The exchanges of one word."""
    sense = prompt.sense(word)
    renamable = sense is not None and not sense.kind.order
    found: list[Swap] = []
    for (filler, why), _ in zip(_fillers(model, prompt, word, rng), range(TRIES), strict=False):
        text = prompt.replaced({word: filler})
        if len(found) < PER_WORD and filler != word.text and spells(prompt.tokenizer, filler) and _fits(prompt, word, text):
            found.append(Swap(text, f"{filler!r} instead of {word.text!r}, {why}", renamable))
    return found


def _fillers(model: Model, prompt: Prompt, word: Word, rng: random.Random) -> Iterator[tuple[str, str]]:
    sense = prompt.sense(word)
    if sense is not None:
        yield from ((form, "another form of it") for form in sense.entry.forms if form != word.text)
        same = [(entry, f"of the same class ({sense.kind.name})") for entry in sense.kind.entries if entry != sense.entry]
        others = prompt.lexicon[sense.kind.opposite].entries if sense.kind.opposite else ()
        opposite = [(entry, f"of the opposite class ({sense.kind.opposite})") for entry in others]
        # by turns, since either may hold no word with as many tokens
        turns = itertools.zip_longest(rng.sample(opposite, len(opposite)), rng.sample(same, len(same)))
        yield from ((drawn[0].forms[sense.form], drawn[1]) for turn in turns for drawn in turn if drawn is not None)
        return
    positions = prompt.positions(word)
    if len(positions) == 1 and prompt.strings[positions[0]].strip() == word.text:
        alike = neighbours(model, prompt.tokenizer, prompt.ids[positions[0]])
        yield from ((text.strip(), "the most similar embedding among tokens written alike") for text in alike)


def _fits(prompt: Prompt, word: Word, text: str) -> bool:
    """Whether nothing but the word's own tokens differs."""
    ids = prompt.tokenizer.encode(text, prompt.bos)
    if len(ids) != len(prompt.ids):
        return False
    differing = {i for i, (a, b) in enumerate(zip(prompt.ids, ids, strict=True)) if a != b}
    return bool(differing) and differing <= set(prompt.positions(word))
