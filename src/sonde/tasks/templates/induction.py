"""Induction: the prompt's end has stood before, so what followed it then may follow again.

(Olsson et al. 2022, "In-context learning and induction heads".) The counterfactual replaces the last word where it stood earlier, so that
nothing is found to continue. The token that followed stays where it was: what breaks is the match alone, on which both previous-token heads
and induction heads depend. The other counterfactual leaves the match and exchanges what followed, so that something else is copied.
"""

from collections.abc import Iterator
from itertools import zip_longest

from sonde.tasks.pair import is_single
from sonde.tasks.prompt import Prompt, Word
from sonde.tasks.template import Case, Template
from sonde.tasks.vocabulary import alike, same_shape


def what_followed_before(prompt: Prompt) -> Iterator[Case]:
    """The token after the latest earlier place where the longest possible part of the prompt's end has stood."""
    words = [word.text for word in prompt.words]
    last = len(words) - 1
    earlier = [i for i in range(last) if words[i] == words[last]]
    if not earlier or prompt.lexicon.is_function_word(words[last]) or prompt.words[last].end != len(prompt.text.rstrip()):
        return
    place = max(earlier, key=lambda i: (_match(words, i), i))
    # one word of content that comes again says little in a running text, but much in a list
    said_again = [word for word in words[place - _match(words, place) + 1 : place + 1] if not prompt.lexicon.is_function_word(word)]
    if len(said_again) < 2 and any(map(prompt.lexicon.is_function_word, words[place + 1 : last])):
        return
    target = prompt.strings[prompt.positions(prompt.words[place])[-1] + 1]
    if not target.strip().isalnum():
        return
    followed = prompt.words[place + 1]
    others = [text for text in prompt.strings if text != target and text.strip() != words[last] and same_shape(text, target)]
    roles = {"matched before": prompt.words[place], "followed": followed}

    def broken() -> Iterator[Case]:
        for filler in _fillers(prompt, prompt.words[last]):
            reason = f"{filler!r} instead of the earlier {words[last]!r}, so that the end repeats nothing"
            yield Case("match", prompt.replaced({prompt.words[i]: filler for i in earlier}), (target,), tuple(others[:1]), reason, roles)

    def exchanged() -> Iterator[Case]:
        single = (filler for filler in _fillers(prompt, followed) if is_single(prompt.tokenizer, f" {filler}"))
        for filler in single if target.strip() == followed.text else ():
            again = {word: filler for word in prompt.words if word.text == followed.text}
            yield Case("answer", prompt.replaced(again), (target,), (f" {filler}",), f"{filler!r} followed instead of {followed.text!r}", roles)

    for cases in zip_longest(broken(), exchanged()):
        yield from (case for case in cases if case is not None)


def _match(words: list[str], place: int) -> int:
    """How many words up to a place equal those up to the end."""
    length = 0
    while length <= place and words[place - length] == words[len(words) - 1 - length]:
        length += 1
    return length


def _fillers(prompt: Prompt, word: Word) -> Iterator[str]:
    """Words of the same class; where it has none, words of the vocabulary that are written alike; none that stands in the prompt already."""
    sense, present = prompt.lexicon.sense(word.text), {w.text for w in prompt.words}
    if sense is not None:
        found = (entry.forms[sense.form] for kind in prompt.lexicon.fillers(sense) for entry in prompt.shuffled(kind.entries))
    else:
        found = (text.strip() for text in alike(prompt.tokenizer, prompt.strings[prompt.positions(word)[-1]]))
    yield from (text for text in found if text not in present)


_LIST = "{z:name} {a:noun} {b:noun} {c:noun} {d:noun} {e:noun}"
_TOKENS = "{a:token} {b:token} {c:token} {d:token} {e:token}"

INDUCTION = Template(
    "induction",
    "What followed the same words before?",
    'Olsson et al. 2022, "In-context learning and induction heads"',
    (
        f"{_LIST} {{a}} {{b}}",
        f"{_LIST} {{a}} {{b}} {{c}}",
        f"{_LIST} {{f:noun}} {{a}} {{b}} {{c}} {{d}}",
        f"{_TOKENS} {{a}} {{b}}",
        f"{_TOKENS} {{f:token}} {{g:token}} {{a}} {{b}} {{c}}",
    ),
    what_followed_before,
    {
        "match": "the last word is exchanged where it stood before, so that the end repeats nothing",
        "answer": "what followed it is exchanged, so that something else is copied",
    },
)
