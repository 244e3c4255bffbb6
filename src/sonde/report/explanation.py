"""The finished explanation: what was found, as a page, in the terminal, or as JSON."""

import json
import shlex
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import sonde
from sonde.results import Result, Verdict
from sonde.results.document import Document, Section

SCHEMA = "sonde/explain/1"


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """One prediction, explained.

    Arguments:
        model, model_hash, dtype: what was explained.
        prompt, tokens: the prompt and its tokens, special ones included.
        target, foil: the answer and what it is contrasted with.
        corrupt: the counterfactual prompt; `None` where there is none.
        seed: of every random draw.
        seconds: how long it took.
        warnings: what a reader should know before trusting it.
        sections: `prediction`, `attribution`, `lens`, `patching`, `verification`, `summary`, in reading order of the page: the summary first.
        results: the results behind the sections, by name; each can be saved and checked.
        command: the command that makes it again.
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
    results: dict[str, Result] = field(default_factory=dict)
    command: str = ""

    @property
    def verdicts(self) -> list[Verdict]:
        """Every claim of the summary, with its evidence."""
        return [sentence.verdict for sentence in self.section("summary").sentences if sentence.verdict is not None]

    @property
    def summary(self) -> list[str]:
        """The summary's sentences."""
        return [sentence.text for sentence in self.section("summary").sentences]

    def section(self, key: str) -> Section:
        """One section by its key."""
        return next(section for section in self.sections if section.key == key)

    def document(self) -> Document:
        """The report as plain data, for any view."""
        facts = [
            ("model", f"{self.model} ({self.model_hash[:8]}, {self.dtype})"),
            ("contrast", f"`{self.target}` against `{self.foil}`"),
            ("counterfactual", self.corrupt or "none found"),
            ("seed", str(self.seed)),
            ("time", f"{self.seconds:.1f} s"),
            ("made by", f"sonde {sonde.__version__}"),
        ]
        facts += [("note", warning) for warning in self.warnings]
        return Document(f"Why `{self.target}` after “{self.prompt}”?", facts=facts, sections=self.sections, command=self.command)

    def to_html(self, path: str | Path) -> Path:
        """Write the report as one page that needs no network.

        Raises:
            BundleMissing: this installation was built without the drawings.
        """
        from sonde.results import InputError
        from sonde.views import page

        html = page(self.document())
        try:
            Path(path).write_text(html, encoding="utf-8")
        except OSError as error:
            raise InputError(f"the report can't be written to {path}: {error.strerror or error}; choose another place with --out") from None
        return Path(path)

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
            "corrupt": self.corrupt,
            "sections": {section["key"]: {name: part for name, part in section.items() if name != "key"} for section in document["sections"]},
        }

    @staticmethod
    def schema() -> dict[str, Any]:
        """The JSON Schema of `to_json()`, with the drawings' schema inside."""
        own = json.loads(resources.files("sonde.report").joinpath("schemas/explain.json").read_text(encoding="utf-8"))
        drawing = json.loads(resources.files("sonde.results").joinpath("schemas/drawing.json").read_text(encoding="utf-8"))
        own["$defs"] |= drawing.pop("$defs")
        own["$defs"]["drawing"] = {key: part for key, part in drawing.items() if key != "$schema"}
        return dict(own)

    def __repr__(self) -> str:
        return "\n".join(
            [f"Explanation of {self.target!r} against {self.foil!r} after {self.prompt!r} by {self.model}", *(f"  {s}" for s in self.summary)]
        )


def command_line(prompt: str, model: str, target: str | None, foil: str | None, corrupt: str | None, bos: bool | None, seed: int) -> str:
    """The command that makes an explanation again."""
    options = [
        ("--model", model if model != "specimen:words" else None),
        ("--target", target),
        ("--foil", foil),
        ("--corrupt", corrupt),
        ("--seed", str(seed) if seed else None),
    ]
    words = ["sonde", "explain", prompt, *(word for name, value in options if value is not None for word in (name, value))]
    return shlex.join(words) + ("" if bos is None else " --bos" if bos else " --no-bos") + " --out report.html"
