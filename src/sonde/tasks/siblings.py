"""Siblings of a prompt: the same sentence about other people and things.

A claim about one prompt has no spread to judge it by. So its words are renamed, each one everywhere it stands, in the counterfactual, target
and foil too, by others of their class with as many tokens: what the model does by the sentence's form it does on the siblings as well.
"""

import random
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sonde.access import Model
from sonde.results import InputError
from sonde.tasks.lexicon import Entry, Kind, Sense, WordClass
from sonde.tasks.pair import Pair, pair, spells, token_id
from sonde.tasks.prompt import Prompt, Word, tokenizer_of
from sonde.tasks.task import Task
from sonde.tasks.vocabulary import alike

FILLERS = 8  # a class narrower than this gives way to the wider one
TRIES = 100  # draws in a row that give nothing new, after which there is nothing new
SHAPED = 40  # stand-ins looked for, for a repeated word of no class

_YEAR = re.compile(r"(?:1[1-9]|20)\d\d")

Renaming = Mapping[str, str]
Choices = tuple[Renaming, ...]  # renamings of one entry, or of all members of an ordered class, of which one is drawn


def siblings(
    prompt: str, corrupt: str, target: str | int, foil: str | int, model: Model, n: int = 64, seed: int = 0, bos: bool | None = None
) -> Task:  # fmt: skip
    """Other examples of what one prompt and its counterfactual ask.

    Names are exchanged for names of either gender, unless a word of the prompt tells the gender. Members of an ordered class (weekdays) move
    by the same number of steps, and only where the answer is one of them; years move to another century. Where the answer says what a thing is a
    kind of, things of that kind take its place. Where no word is of a class, words that come again in the prompt or
    in the answers are exchanged for tokens that are written alike.

    Arguments:
        prompt, corrupt: the prompt and its counterfactual, of the same number of tokens.
        target, foil: its answers, as text or id; renamed along where they are words of the prompt.
        model: the model whose tokenizer counts.
        n: how many siblings.
        seed: of the draws.
        bos: whether the beginning-of-sequence token comes first; by default as the tokenizer does.

    Returns:
        A task of at most `n` distinct examples, none of them the prompt itself, with the prompt's tokens as labels; empty, with the reason in
        its notes, where no word can be renamed, or none of those in which prompt and counterfactual differ. `task.split(seed)` gives halves
        for searching and judging.

    Raises:
        InputError: a pair that does not fit, as `tasks.pair` says.

    >>> import sonde
    >>> task = siblings("The keys on the cabinet", "The key on the cabinet", " are", " is", sonde.load("specimen:words"), n=8)
    >>> len(task), task.length == len(task.labels)
    (8, True)
    """
    tokenizer = tokenizer_of(model)
    original = pair(tokenizer, prompt, corrupt, target, foil, bos)
    family = _Family(Prompt(prompt, tokenizer, bos), Prompt(corrupt, tokenizer, bos), original)
    parts = family.parts()
    rng = random.Random(seed)
    reason = family.untestable(parts)
    found: dict[str, Pair] = {}
    missed = TRIES if reason else 0
    while len(found) < n and missed < TRIES:
        renaming = _draw(parts, family.words, rng)
        sibling = family.renamed(renaming) if renaming else None
        missed += 1
        if sibling is not None and sibling.clean not in found and sibling.clean != prompt:
            found[sibling.clean], missed = sibling, 0
    notes = [reason] if reason else [f"only {len(found)} distinct siblings of the {n} asked for were found"] if len(found) < n else []
    return Task.of(list(found.values()), "siblings", family.clean.strings, notes=notes)


@dataclass(frozen=True)
class _Family:
    """A prompt, its counterfactual and its answers, to be renamed together."""

    clean: Prompt
    corrupt: Prompt
    original: Pair

    @property
    def answers(self) -> tuple[str, str]:
        right, wrong = self.clean.tokenizer.strings([self.original.target, self.original.foil])
        return right, wrong

    @property
    def words(self) -> set[str]:
        """Every word of the family."""
        return {word.text for word in (*self.clean.words, *self.corrupt.words)} | {answer.strip() for answer in self.answers}

    def parts(self) -> list[Choices]:
        """What can be renamed: the choices that leave every other token where it was."""
        lexicon = self.clean.lexicon
        things = self._things()
        senses = {word: sense for word in sorted(self.words) if (sense := lexicon.sense(word)) is not None and word not in things}
        said = {s.entry for word in (*self.clean.words, *self.corrupt.words) if (s := lexicon.sense(word.text)) is not None}
        gendered = any(lexicon.is_a(word, "gendered") for word in self.words)
        parts = [
            self._entry(entry, senses, gendered) for entry in dict.fromkeys(s.entry for s in senses.values() if s.entry in said and not s.kind.order)
        ]
        parts += [self._shift(kind, senses) for kind in dict.fromkeys(s.kind for s in senses.values() if s.kind.order)]
        parts += [self._centuries(), *(self._of_its_kind(word, kind) for word, kind in things.items())]
        usable = [choices for choices in parts if choices]
        return usable or [choices for choices in map(self._shaped, self._repeated()) if choices]

    def untestable(self, parts: list[Choices]) -> str:
        """Why renaming would test nothing; empty where it does."""
        if not parts:
            return "no word of the prompt can be exchanged for another of its class with as many tokens, so there are no siblings to test claims on"
        renamed = {word for choices in parts for word in choices[0]}
        differing = [
            word.text for prompt in (self.clean, self.corrupt) for word in prompt.words if set(prompt.positions(word)) & set(self.original.changed)
        ]
        if renamed & set(differing):
            return ""
        exchanged = " and ".join(repr(word) for word in dict.fromkeys(differing))
        return f"the exchanged words ({exchanged}) are of no class, so that every sibling would repeat the same exchange, and test nothing afresh"

    def _entry(self, entry: Entry, senses: Mapping[str, Sense], gendered: bool) -> Choices:
        """One entry with all its forms, exchanged within the narrowest class that offers enough."""
        forms = {word: sense.form for word, sense in senses.items() if sense.entry == entry}
        sense = senses[next(iter(forms))]
        classes = self.clean.lexicon.fillers(sense)
        if sense.kind.wider == "name":
            classes = classes[:1] if gendered else classes[-1:]
        if sense.kind.wider == "adjective":
            classes = classes[:1]  # where a colour is asked for, no other adjective will do
        choices: Choices = ()
        for kind in classes:
            choices = self._fitting({word: other.forms[form] for word, form in forms.items()} for other in kind.entries if other != entry)
            if len(choices) >= FILLERS:
                break
        return choices

    def _things(self) -> dict[str, Kind]:
        """The words whose kind matters: where an answer is the name of a kind, all that are of any."""
        lexicon = self.clean.lexicon
        names = {name for kind in lexicon.kinds.values() for name in kind.names}
        if not any(answer.strip() in names for answer in self.answers):
            return {}
        return {word: kind for word in sorted(self.words) if (kind := lexicon.kind_of(word)) is not None}

    def _of_its_kind(self, word: str, kind: Kind) -> Choices:
        """A thing, exchanged for others of its kind."""
        form = next(entry.forms.index(word) for entry in kind.members if word in entry.forms)
        return self._fitting({word: other.forms[form]} for other in kind.members if other.forms[form] != word)

    def _centuries(self) -> Choices:
        """The years, moved to another century with the century itself, if it is said too."""
        years = [word for word in self.words if _YEAR.fullmatch(word)]
        centuries = {year[:2] for year in years}
        if len(centuries) != 1 or not centuries <= self.words:
            return ()
        (century,) = centuries
        return self._fitting(
            {century: str(other), **{year: f"{other}{year[2:]}" for year in years}} for other in range(11, 21) if str(other) != century
        )

    def _shift(self, kind: WordClass, senses: Mapping[str, Sense]) -> Choices:
        """All members of an ordered class, moved by the same number of steps, if the answer is one of them."""
        members = {word: sense.entry for word, sense in senses.items() if sense.kind == kind}
        if self.answers[0].strip() not in members:
            return ()
        moved = [
            {word: kind.after(entry, step) for word, entry in members.items()} for step in range(1 - len(kind.entries), len(kind.entries)) if step
        ]
        whole = [{word: other.forms[0] for word, other in one.items() if other is not None} for one in moved]
        distinct = {tuple(one.items()): one for one in whole if len(one) == len(members) and one != {word: word for word in members}}
        return self._fitting(distinct.values())

    def _repeated(self) -> list[str]:
        """The content words that stand more than once in prompt and answers: what they are called matters less than that they return."""
        said = [word.text for word in self.clean.words] + [answer.strip() for answer in self.answers]
        return [word for word in dict.fromkeys(said) if said.count(word) > 1 and not self.clean.lexicon.is_function_word(word)]

    def _shaped(self, word: str) -> Choices:
        token = next((text for text in (*self.clean.strings, *self.answers) if text.strip() == word), "")
        found = (other.strip() for other in alike(self.clean.tokenizer, token)) if token else iter(())
        return self._fitting({word: other} for other, _ in zip(found, range(SHAPED), strict=False))

    def _fitting(self, renamings: Iterable[Renaming]) -> Choices:
        known = (one for one in renamings if all(spells(self.clean.tokenizer, word) for word in one.values()))
        return tuple(renaming for renaming in known if self.renamed(renaming) is not None)

    def renamed(self, renaming: Renaming) -> Pair | None:
        """The family under a renaming; `None` where it does not keep every token in its place."""
        clean, corrupt = (_rename(prompt, renaming.get) for prompt in (self.clean, self.corrupt))
        try:
            right, wrong = (
                token_id(self.clean.tokenizer, text.replace(text.strip(), renaming[text.strip()])) if text.strip() in renaming else token
                for text, token in zip(self.answers, (self.original.target, self.original.foil), strict=True)
            )
            made = pair(self.clean.tokenizer, clean, corrupt, right, wrong, self.clean.bos)
        except InputError:
            return None
        if not all(_article_fits(prompt, renaming) for prompt in (self.clean, self.corrupt)):
            return None
        same = (
            made.changed == self.original.changed
            and _in_place(self.clean, renaming, made.clean_ids)
            and _in_place(self.corrupt, renaming, made.corrupt_ids)
        )
        return made if same else None


def _rename(prompt: Prompt, new: Callable[[str], str | None]) -> str:
    changes: dict[Word, str] = {}
    for word in prompt.words:
        other = new(word.text)
        if other is not None:
            changes[word] = other
    return prompt.replaced(changes)


def _article_fits(prompt: Prompt, renaming: Renaming) -> bool:
    """Whether "a" and "an" still suit the words after them."""
    vowels = "aeiou"
    after = [word for before, word in zip(prompt.words, prompt.words[1:], strict=False) if before.text.lower() in ("a", "an")]
    return all((word.text[0] in vowels) == (renaming[word.text][0] in vowels) for word in after if word.text in renaming)


def _in_place(prompt: Prompt, renaming: Renaming, ids: tuple[int, ...]) -> bool:
    """Whether the tokens of the words that were not renamed are where they were."""
    if len(ids) != len(prompt.ids):
        return False
    renamed = {i for word in prompt.words if word.text in renaming for i in prompt.positions(word)}
    return all(a == b for i, (a, b) in enumerate(zip(prompt.ids, ids, strict=True)) if i not in renamed)


def _draw(parts: list[Choices], words: set[str], rng: random.Random) -> Renaming | None:
    """One renaming of everything; `None` where two words would become one."""
    renaming: dict[str, str] = {}
    for choices in parts:
        renaming |= rng.choice(choices)
    kept = words - set(renaming)
    return renaming if len(set(renaming.values())) == len(renaming) and not kept & set(renaming.values()) else None
