"""The words that a model's tokenizer can take as single tokens, and an account of those it cannot.

Beside the lexicon's classes there is one of the tokenizer's own: `token`, any token that is written like a word in lower case.
"""

import random
from dataclasses import dataclass, field, replace

from sonde.access import Tokenizer
from sonde.results import InputError
from sonde.tasks.lexicon import Entry, Lexicon, WordClass, english
from sonde.tasks.pair import is_single

LOOKED_AT = 20_000  # tokens of the vocabulary that are looked at
TOKENS = 1000  # of which at most so many serve


@dataclass
class Fillers:
    """A lexicon's classes, restricted to entries whose forms are single tokens after a space.

    Arguments:
        tokenizer: the model's.
        lexicon: classes of words.
        left_out: filled as classes are asked for: class to the words that are several tokens.
    """

    tokenizer: Tokenizer
    lexicon: Lexicon = field(default_factory=english)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    _known: dict[tuple[str, str], WordClass] = field(default_factory=dict)

    def usable(self, kind: str, form: str = "") -> WordClass:
        """A class with the entries that can be used.

        Arguments:
            kind: the class.
            form: the form that is needed; "*" for all of them, the first one by default.

        Raises:
            InputError: an unknown class or form.
        """
        if (kind, form) not in self._known:
            whole = _tokens(self) if kind == "token" else self.lexicon[kind]
            if form not in ("", "*", *whole.forms):
                raise InputError(f"the class {kind!r} has no form {form!r}; it has {', '.join(whole.forms)}")
            needed = range(len(whole.forms)) if form == "*" else [whole.forms.index(form) if form else 0]
            serves = [not whole.whole or all(self.is_single(entry.forms[i]) for i in needed) for entry in whole.entries]
            kept = tuple(entry for entry, fits in zip(whole.entries, serves, strict=True) if fits)
            out = [entry.forms[needed[0]] for entry, fits in zip(whole.entries, serves, strict=True) if not fits]
            if out:
                self.left_out[kind] = out
            self._known[kind, form] = replace(whole, entries=kept)
        return self._known[kind, form]

    def after(self, entry: Entry, steps: int, form: int) -> str | None:
        """What follows an entry in its ordered class, if it is a single token too."""
        later = self.lexicon[entry.kind].after(entry, steps)
        return later.forms[form] if later is not None and self.is_single(later.forms[form]) else None

    def is_single(self, word: str) -> bool:
        """Whether a word is one token inside a sentence."""
        return is_single(self.tokenizer, f" {word}")

    def notes(self) -> tuple[str, ...]:
        """A line per class on the words that were left out."""
        return tuple(
            f"{len(words)} of {len(self.lexicon[kind].entries)} words of the class {kind!r} are several tokens here and were left out: "
            + ", ".join(words[:6])
            + (", ..." if len(words) > 6 else "")
            for kind, words in self.left_out.items()
        )


def _tokens(fillers: Fillers) -> WordClass:
    """Tokens of the vocabulary that are written like words, drawn at random; words of grammar, which no rule looks at, are left out."""
    vocabulary = random.Random(0).sample(range(fillers.tokenizer.vocab_size), min(fillers.tokenizer.vocab_size, LOOKED_AT))
    written = (text[1:] for text in fillers.tokenizer.strings(vocabulary) if text[:1] == " ")
    like_words = (word for word in written if len(word) > 1 and word.isascii() and word.isalpha() and word.islower())
    usable = (word for word in like_words if not fillers.lexicon.is_function_word(word) and fillers.is_single(word))
    return WordClass("token", ("token",), tuple(Entry((word,), "token") for word, _ in zip(usable, range(TOKENS), strict=False)))
