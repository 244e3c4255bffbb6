"""Repetition: the prompt's end has stood before, so what followed it then may follow again.

(Olsson et al. 2022, "In-context learning and induction heads".) The counterfactual replaces the last word where it stood earlier, so that
nothing is found to continue. The token that followed stays where it was: what breaks is the match alone, on which both previous-token heads
and induction heads depend.
"""

from collections.abc import Iterator

from sonde.tasks.prompt import Prompt
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
    others = [text for text in prompt.strings if text != target and text.strip() != words[last] and same_shape(text, target)]
    for filler in _fillers(prompt, words[last]):
        yield Case(
            prompt.replaced({prompt.words[i]: filler for i in earlier}),
            target,
            others[0] if others else None,
            f"{filler!r} instead of the earlier {words[last]!r}, so that the end repeats nothing",
            {"matched before": prompt.words[place]},
        )


def _match(words: list[str], place: int) -> int:
    """How many words up to a place equal those up to the end."""
    length = 0
    while length <= place and words[place - length] == words[len(words) - 1 - length]:
        length += 1
    return length


def _fillers(prompt: Prompt, word: str) -> Iterator[str]:
    """Words of the same class; where it has none, words of the vocabulary that are written alike; none that stands in the prompt already."""
    sense, present = prompt.lexicon.sense(word), {w.text for w in prompt.words}
    if sense is not None:
        found = (entry.forms[sense.form] for kind in prompt.lexicon.fillers(sense) for entry in kind.entries)
    else:
        found = (text.strip() for text in alike(prompt.tokenizer, prompt.strings[-1]))
    yield from (text for text in found if text not in present)


_LIST = "{z:name} {a:noun} {b:noun} {c:noun} {d:noun} {e:noun}"

REPEAT = Template(
    "repeat",
    "What followed the same words before?",
    (
        f"{_LIST} {{a}} {{b}}",
        f"{_LIST} {{a}} {{b}} {{c}}",
        f"{_LIST} {{f:noun}} {{a}} {{b}} {{c}} {{d}}",
    ),
    what_followed_before,
)
