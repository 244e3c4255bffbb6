"""Two explanations side by side: of two models on one prompt, of two prompts on one model, or of any two.

Section by section, what both have is drawn beside each other on one scale; what only one has stands by itself under its name. Nothing is averaged or
subtracted: positions, heads and layers of two models need not mean the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sonde
from sonde.report.explanation import Explanation, written
from sonde.report.profiles import REST
from sonde.results import Drawing, InputError
from sonde.results.document import Document, Section, Sentence
from sonde.results.drawing import beside, table

SCHEMA = "sonde/explain-beside/1"


@dataclass(frozen=True, eq=False, repr=False)
class SideBySide:
    """Two explanations, compared.

    Arguments:
        left, right: the explanations.
        labels: what tells them apart: their models, their prompts, or both.
    """

    left: Explanation
    right: Explanation
    labels: tuple[str, str]

    def document(self) -> Document:
        """The comparison as plain data, for any view."""
        facts = [("left", self.labels[0]), ("right", self.labels[1]), ("made by", f"sonde {sonde.__version__}")]
        facts += [("note", f"{label}: {warning}") for label, one in self._both() for warning in one.warnings]
        commands = "\n".join(one.command for _, one in self._both())
        sections = [self._differences(), *(self._section(key) for key in REST if all(one.has(key) for _, one in self._both()))]
        return Document(f"{self.labels[0]} beside {self.labels[1]}", facts=facts, sections=sections, command=commands)

    def to_html(self, path: str | Path) -> Path:
        """Write the comparison as one page that needs no network.

        Raises:
            BundleMissing: this installation was built without the drawings. InputError: the place can't be written to.
        """
        from sonde.views import page

        return written(page(self.document()), path)

    def to_json(self) -> dict[str, Any]:
        """Both explanations as plain data, each by the schema of `Explanation.schema()`, under what tells them apart."""
        return {
            "schema": SCHEMA,
            "sonde_version": sonde.__version__,
            "command": "explain",
            "labels": list(self.labels),
            "explanations": [self.left.to_json(), self.right.to_json()],
        }

    def _both(self) -> Iterator[tuple[str, Explanation]]:
        yield from zip(self.labels, (self.left, self.right), strict=True)

    def _differences(self) -> Section:
        """What was explained and what holds, in two columns."""
        rows: list[list[str]] = [
            [name, *(str(value) for value in values)]
            for name, values in {
                "model": (self.left.model, self.right.model),
                "prompt": (self.left.prompt, self.right.prompt),
                "target": (self.left.target, self.right.target),
                "foil": (self.left.foil, self.right.foil),
                "counterfactual": (self.left.corrupt or "none found", self.right.corrupt or "none found"),
            }.items()
        ]
        for key in REST:
            claims = [[_answer(verdict.holds) for verdict in one.claims.get(key, [])] for one in (self.left, self.right)]
            if any(claims):
                rows.append([f"claims: {key}", *(", ".join(answers) or "none" for answers in claims)])
        lead = (
            "Both were explained alike; what differs stands in the rows. That a claim holds for one and not for the other is no proof that the two "
            "differ: each was tested against its own control."
        )
        return Section("differences", "Beside each other", lead, [table("What is compared?", ["", *self.labels], rows)])

    def _section(self, key: str) -> Section:
        left, right = self.left.section(key), self.right.section(key)
        sentences: list[Sentence] = []
        for side, label, section in zip(("Left", "Right"), self.labels, (left, right), strict=True):
            sentences += [Sentence(f"{side}, {label}:"), *section.sentences] if section.sentences else []
        return Section(key, left.title, left.lead if key != "summary" else "", self._drawings(left, right), sentences)

    def _drawings(self, left: Section, right: Section) -> list[Drawing]:
        """The drawings of both, those that answer the same question beside each other."""
        others = {drawing.title: drawing for drawing in right.drawings}
        drawn: list[Drawing] = []
        for drawing in left.drawings:
            other = others.pop(drawing.title, None)
            pairs = [(self.labels[0], drawing), *([(self.labels[1], other)] if other is not None else [])]
            drawn.append(beside(drawing.title, pairs))
        return drawn + [beside(other.title, [(self.labels[1], other)]) for other in others.values()]

    def __repr__(self) -> str:
        return "\n".join([f"{self.labels[0]} beside {self.labels[1]}", repr(self.left), repr(self.right)])


def side_by_side(left: Explanation, right: Explanation) -> SideBySide:
    """Put two explanations beside each other.

    Arguments:
        left, right: explanations that differ in their model, their prompt, or what they contrast.

    Returns:
        The comparison: `document()`, `to_html(path)`, `to_json()`.

    Raises:
        InputError: nothing tells the two apart.
    """
    named = [_apart(left, right), _apart(right, left)]
    if named[0] == named[1]:
        raise InputError(f"both explanations are of {left.prompt!r} by {left.model}: give two that differ in model, prompt, target, foil or seed")
    return SideBySide(left, right, (named[0], named[1]))


def _apart(one: Explanation, other: Explanation) -> str:
    """What tells an explanation from another one, in as few words as do."""
    told = [one.model if one.model != other.model else "", f"“{one.prompt}”" if one.prompt != other.prompt else ""]
    if not any(told):
        told = [f"`{one.target}` against `{one.foil}`"]
        told += [f"content {one.model_hash[:8]}" if one.model_hash != other.model_hash else "", f"seed {one.seed}" if one.seed != other.seed else ""]
    return ", ".join(filter(None, told))


def _answer(holds: bool | None) -> str:
    return {True: "holds", False: "does not hold", None: "not tested"}[holds]
