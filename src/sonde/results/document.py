"""A document: sections of plain sentences and drawings, with the verdict beside each sentence that claims something.

`sonde.views` frames it as a page or prints it in the terminal. In texts, what stands between backticks is drawn as a token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sonde.results.drawing import Drawing, DrawingError, evidence
from sonde.results.plain import repeated
from sonde.results.verdict import Verdict


@dataclass(frozen=True)
class Sentence:
    """One sentence, and the verdict that it stands on (`None` where it claims nothing about the model).

    Arguments:
        text: the sentence.
        verdict: the evidence; its badge is drawn beside the sentence.
    """

    text: str
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Section:
    """One question of a report and its answer.

    Arguments:
        key: the section's short name, its anchor in the page ("attribution").
        title: its heading.
        lead: one or two sentences on what is asked and how it is measured; a blank line starts a new paragraph.
        drawings: the figures, in reading order.
        sentences: what was found, drawn between the lead and the figures.
        folded: whether the page shows the heading alone until the reader opens it; on paper it is open.
    """

    key: str
    title: str
    lead: str = ""
    drawings: Sequence[Drawing] = ()
    sentences: Sequence[Sentence] = ()
    folded: bool = False


@dataclass(frozen=True)
class Document:
    """A whole report as plain data.

    Arguments:
        title: its heading.
        subtitle: one sentence under the heading.
        facts: what a reader must know to trust and repeat it, as (label, value) pairs: model, hash, seed, seconds.
        sections: the sections, in reading order; their keys differ.
        command: the command that reproduces the document.

    Raises:
        DrawingError: two sections share a key.
    """

    title: str
    subtitle: str = ""
    facts: Sequence[tuple[str, str]] = ()
    sections: Sequence[Section] = ()
    command: str = ""

    def __post_init__(self) -> None:
        if twice := repeated([section.key for section in self.sections]):
            raise DrawingError(f"document {self.title!r}: two sections have the key {twice[0]!r}; keys are anchors and must differ")

    def to_json(self) -> dict[str, Any]:
        """Give the document as JSON-ready data, drawings and verdicts included.

        >>> Document("Why?", sections=[Section("lens", "Lens", sentences=[Sentence("It knows.")])]).to_json()["sections"][0]["sentences"]
        [{'text': 'It knows.', 'verdict': None}]
        """
        return {
            "title": self.title,
            "subtitle": self.subtitle,
            "facts": [[str(label), str(value)] for label, value in self.facts],
            "sections": [self._section(section) for section in self.sections],
            "command": self.command,
        }

    def _section(self, section: Section) -> dict[str, Any]:
        return {
            "key": section.key,
            "title": section.title,
            "lead": section.lead,
            "sentences": [
                {"text": sentence.text, "verdict": sentence.verdict and evidence(sentence.verdict, self.command)} for sentence in section.sentences
            ],
            "folded": section.folded,
            "drawings": [drawing.to_json() for drawing in section.drawings],
        }
