"""The finished explanation: what was found, as a page, in the terminal, or as JSON."""

import json
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import sonde
from sonde.attribution import Attribution
from sonde.attribution.check import tested
from sonde.patching import PatchResult
from sonde.report.profiles import arranged, profile_of
from sonde.results import InputError, Result, Verdict
from sonde.results.document import Document, Section

SCHEMA = "sonde/explain/1"


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """One prediction, explained.

    Arguments:
        model, model_hash, dtype: what was explained.
        prompt, tokens: the prompt and its tokens, special ones included.
        target, foil: the answer and what it is contrasted with.
        foils: all foils, the first one among them.
        corrupt: the counterfactual prompt; `None` where there is none.
        seed: of every random draw.
        seconds: how long it took.
        warnings: what a reader should know before trusting it.
        sections: `summary`, `prediction`, `task`, `minimal_pair` (where it was asked for), `attribution`, `contributions`, `heads`, `lens`,
            `representation`, `patching`, `circuit`, `verification`.
        results: the results behind the sections, by name; each can be saved and checked.
        claims: the verdicts of each section.
        examples: sibling prompts on which claims were judged: prompt, counterfactual, right answer, and whether the model prefers it in either.
        command: the command that makes it again.
        profile: who reads it.
    """

    model: str
    model_hash: str
    dtype: str
    prompt: str
    tokens: list[str]
    target: str
    foil: str
    corrupt: str | None
    seed: int
    seconds: float
    warnings: list[str]
    sections: list[Section]
    foils: list[str] = field(default_factory=list)
    results: dict[str, Result] = field(default_factory=dict)
    claims: dict[str, list[Verdict]] = field(default_factory=dict)
    examples: list[tuple[str, str, str, bool, bool]] = field(default_factory=list)
    command: str = ""
    profile: str = "researcher"

    @property
    def verdicts(self) -> list[Verdict]:
        """Every claim of the summary, with its evidence."""
        return [sentence.verdict for sentence in self.section("summary").sentences if sentence.verdict is not None]

    @property
    def summary(self) -> list[str]:
        """The summary's sentences."""
        return [sentence.text for sentence in self.section("summary").sentences]

    @property
    def verified(self) -> bool:
        """Whether any claim holds."""
        return any(verdict.holds for verdict in self.verdicts)

    @property
    def highest(self) -> list[str]:
        """The tokens that the chosen attribution ranks highest, as many as its claim is about."""
        attribution = self.results["attribution.chosen"]
        assert isinstance(attribution, Attribution)
        return [self.tokens[i] for i in attribution.highest(0, tested(attribution.special[0].count(False)))]

    @property
    def turned(self) -> bool | None:
        """Whether the model prefers the foil under the counterfactual; `None` where there is none, or it does not lower the preference at all."""
        places = self.results.get("patching.residual")
        return bool(places.corrupt.item() < 0) if isinstance(places, PatchResult) else None

    def has(self, key: str) -> bool:
        """Whether there is a section of this key; a minimal pair is only there where it was asked for."""
        return any(section.key == key for section in self.sections)

    def section(self, key: str) -> Section:
        """One section by its key."""
        return next(section for section in self.sections if section.key == key)

    def document(self) -> Document:
        """The report as plain data, for any view."""
        facts = [
            ("written for", profile_of(self.profile).reader),
            ("model", f"{self.model} ({self.model_hash[:8]}, {self.dtype})"),
            ("contrast", f"`{self.target}` against {', '.join(f'`{foil}`' for foil in self.foils)}"),
            ("counterfactual", self.corrupt or "none found"),
            ("seed", str(self.seed)),
            ("time", f"{self.seconds:.1f} s"),
            ("made by", f"sonde {sonde.__version__}"),
        ]
        facts += [("note", warning) for warning in self.warnings]
        title = f"Why `{self.target}` after “{self.prompt}”?"
        return Document(title, facts=facts, sections=arranged(self), command=self.command)

    def to_html(self, path: str | Path) -> Path:
        """Write the report as one page that needs no network.

        Raises:
            BundleMissing: this installation was built without the drawings.
        """
        from sonde.views import page

        return written(page(self.document()), path)

    def to_json(self) -> dict[str, Any]:
        """Plain data that follows the published schema (`Explanation.schema()`)."""
        document = self.document().to_json()
        return {
            "schema": SCHEMA,
            "sonde_version": sonde.__version__,
            "command": "explain",
            "model": self.model,
            "model_hash": self.model_hash,
            "seed": self.seed,
            "dtype": self.dtype,
            "seconds": round(self.seconds, 3),
            "warnings": self.warnings,
            "prompt": self.prompt,
            "tokens": self.tokens,
            "target": self.target,
            "foil": self.foil,
            "foils": self.foils,
            "profile": self.profile,
            "corrupt": self.corrupt,
            "sections": {section["key"]: {name: part for name, part in section.items() if name != "key"} for section in document["sections"]},
        }

    @staticmethod
    def schema() -> dict[str, Any]:
        """The JSON Schema of `to_json()`, with the drawings' schema inside."""
        own = json.loads(resources.files("sonde.report").joinpath("schemas/explain.json").read_text(encoding="utf-8"))
        text = resources.files("sonde.results").joinpath("schemas/drawing.json").read_text(encoding="utf-8")
        drawing = json.loads(text.replace('"$ref": "#"', '"$ref": "#/$defs/drawing"'))  # drawings that hold drawings
        own["$defs"] |= drawing.pop("$defs")
        own["$defs"]["drawing"] = {key: part for key, part in drawing.items() if key != "$schema"}
        return dict(own)

    def __repr__(self) -> str:
        return "\n".join(
            [f"Explanation of {self.target!r} against {self.foil!r} after {self.prompt!r} by {self.model}", *(f"  {s}" for s in self.summary)]
        )


def written(html: str, path: str | Path) -> Path:
    """Write a page; raises `InputError` where that is not possible."""
    try:
        Path(path).write_text(html, encoding="utf-8")
    except OSError as error:
        raise InputError(f"the report can't be written to {path}: {error.strerror or error}; choose another place with --out") from None
    return Path(path)
