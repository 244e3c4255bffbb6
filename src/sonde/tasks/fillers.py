"""The words that a model's tokenizer can take as single tokens, and an account of those it cannot."""

from dataclasses import dataclass, field

from sonde.access import Tokenizer
from sonde.results import InputError
from sonde.tasks.lexicon import Entry, Lexicon, WordClass, english


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
            whole = self.lexicon[kind]
            if form not in ("", "*", *whole.forms):
                raise InputError(f"the class {kind!r} has no form {form!r}; it has {', '.join(whole.forms)}")
            needed = range(len(whole.forms)) if form == "*" else [whole.forms.index(form) if form else 0]
            kept = tuple(entry for entry in whole.entries if all(self.is_single(entry.forms[i]) for i in needed))
            out = [entry.forms[needed[0]] for entry in whole.entries if entry not in kept]
            if out:
                self.left_out[kind] = out
            self._known[kind, form] = WordClass(kind, whole.forms, kept, whole.wider, whole.order)
        return self._known[kind, form]

    def after(self, entry: Entry, steps: int, form: int) -> str | None:
        """What follows an entry in its ordered class, if it is a single token too."""
        later = self.lexicon[entry.kind].after(entry, steps)
        return later.forms[form] if later is not None and self.is_single(later.forms[form]) else None

    def is_single(self, word: str) -> bool:
        """Whether a word is one token inside a sentence."""
        try:
            self.tokenizer.single(f" {word}")
        except InputError:
            return False
        return True

    def notes(self) -> tuple[str, ...]:
        """A line per class on the words that were left out."""
        return tuple(
            f"{len(words)} of {len(self.lexicon[kind].entries)} words of the class {kind!r} are several tokens here and were left out: "
            + ", ".join(words[:6])
            + (", ..." if len(words) > 6 else "")
            for kind, words in self.left_out.items()
        )
