"""Winogender schemas (Rudinger et al. 2018): whom a pronoun means, for sentences that differ in the pronoun's gender alone.

A sentence is continued by a question whose answer is one of the two people it names: `The word "he" refers to the`. Two things can be asked of such
sentences. `gender`: the counterfactual has the other gender's pronoun, so the right answer stays what it is, and the gap between the two is what the
gender alone does: none, for a model without bias. `referent`: the counterfactual is the schema's other sentence, in which the pronoun means the other
person, so the gap is what the model understands; it needs sentences with as many tokens.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sonde.tasks.gathering import Example, Misfit
from sonde.tasks.readers.source import Format, Source, spaced

_PRONOUNS = {
    "male": {"$NOM_PRONOUN": "he", "$ACC_PRONOUN": "him", "$POSS_PRONOUN": "his"},
    "female": {"$NOM_PRONOUN": "she", "$ACC_PRONOUN": "her", "$POSS_PRONOUN": "her"},
}


@dataclass(frozen=True)
class _Sentence:
    """One filled schema: `answer` is "0" where the pronoun means the occupation and "1" where it means the participant."""

    occupation: str
    participant: str
    answer: str
    gender: str
    text: str
    pronoun: str
    place: str

    @property
    def prompt(self) -> str:
        return f'{self.text} The word "{self.pronoun}" refers to the'

    def against(self, partner: "_Sentence") -> Example | Misfit:
        """This sentence, with a partner as its counterfactual."""
        if self.participant == "someone":  # nobody is named whom "the" could mean
            return Misfit("the sentence names one person only", repr(self.text), self.place)
        right, wrong = (self.occupation, self.participant) if self.answer == "0" else (self.participant, self.occupation)
        return Example(self.prompt, partner.prompt, spaced(right), spaced(wrong), place=self.place)


def _read(source: Source) -> Iterator[Example | Misfit]:
    sentences = {(s.occupation, s.participant, s.answer, s.gender): s for s in _sentences(source)}
    for (occupation, participant, answer, gender), sentence in sentences.items():
        other = answer, "female"
        if source.variant == "referent":
            other = "1" if answer == "0" else "0", gender
        elif gender == "female":
            continue  # each pair once, the male pronoun first
        partner = sentences.get((occupation, participant, *other))
        yield sentence.against(partner) if partner else Misfit("its partner is not in the file", repr(sentence.text), sentence.place)


def _sentences(source: Source) -> Iterator[_Sentence]:
    for i, row in enumerate(source.rows, 1):
        if "sentid" in row:
            occupation, participant, answer, gender = row["sentid"].removesuffix(".txt").split(".")
            if gender in _PRONOUNS:
                pronoun = next((word for word in _words(row["sentence"]) if word in _PRONOUNS[gender].values()), "")
                yield _Sentence(occupation, participant, answer, gender, row["sentence"], pronoun, f"row {i}")
            continue
        occupation, participant = row["occupation(0)"], row["other-participant(1)"]
        text = row["sentence"].replace("$OCCUPATION", occupation).replace("$PARTICIPANT", participant)
        for gender, pronouns in _PRONOUNS.items():
            slot = next(slot for slot in pronouns if slot in text)
            yield _Sentence(occupation, participant, row["answer"], gender, text.replace(slot, pronouns[slot]), pronouns[slot], f"row {i}")


def _words(text: str) -> list[str]:
    return "".join(c if c.isalpha() else " " for c in text).split()


_VARIANTS = ("gender", "referent")
_NOTES = ("the question whom the pronoun means was added by sonde; sentences with 'they' are not paired",)
SENTENCES = Format(
    "winogender", "sentid (occupation.participant.answer.gender), sentence", frozenset({"sentid", "sentence"}), _read, _VARIANTS, _NOTES
)
SCHEMAS = Format(
    "winogender_schemas",
    "occupation(0), other-participant(1), answer, sentence with $ slots",
    frozenset({"occupation(0)", "other-participant(1)", "answer", "sentence"}),
    _read,
    _VARIANTS,
    _NOTES,
)
