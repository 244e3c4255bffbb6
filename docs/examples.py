"""Make the worked examples: ten prompts of different kinds, each with its whole report.

    python docs/examples.py

Writes `docs/examples/index.md` and one page without network for each report. What the page says about a report is computed from it; only the
sentence on what to look for is written by hand, in `docs/examples/prompts.toml`, and quotes no figure.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import sonde
from sonde.report import Explanation
from sonde.results import Verdict
from sonde.views.text import visible

HERE = Path(__file__).parent / "examples"
MODEL = "specimen:words"


@dataclass(frozen=True)
class Example:
    """One prompt, and what a reader may learn from its report."""

    key: str
    title: str
    prompt: str
    look: str


def examples() -> list[Example]:
    """The prompts, in the order of the page."""
    entries = tomllib.loads((HERE / "prompts.toml").read_text(encoding="utf-8"))
    return [Example(key, **entry) for key, entry in entries.items()]


def main() -> None:
    """Explain every prompt, and write the page that lists them."""
    model = sonde.load(MODEL)
    sections = []
    for example in examples():
        report = sonde.explain(model, example.prompt)
        report.to_html(HERE / f"{example.key}.html")
        sections.append(_section(example, report))
        print(f"{example.key}: {report.seconds:.1f} s")
    (HERE / "index.md").write_text(_INTRODUCTION.format(model=MODEL, hash=model.hash) + "\n".join(sections), encoding="utf-8")


_INTRODUCTION = """# Worked examples

Ten prompts of different kinds, explained by `sonde explain` with its default settings on `{model}` (hash `{hash}`), made by
`python docs/examples.py`. A claim that does not hold is as much a result as one that does. ✓ holds, ✗ does not hold, – could not be tested.

"""


def _section(example: Example, report: Explanation) -> str:
    """What one report found, as Markdown."""
    guesses = report.results["prediction"].to_frame().head(3).iter_rows()
    said = ", ".join(f"{_code(token)} {probability:.1%}" for token, probability, _ in guesses)
    lines = [
        f"## {example.title}",
        "",
        f"> {_code(example.prompt)}",
        "",
        f"The model says {said}. Explained is {_code(report.target)} against {_code(report.foil)}; the counterfactual is "
        + (f"{_code(report.corrupt)}." if report.corrupt else "none: no word could be exchanged."),
        "",
        *(f"- {_claim(sentence.text, sentence.verdict)}" for sentence in report.section("summary").sentences),
        "",
        example.look,
        "",
        f"[The whole report]({example.key}.html)",
        "",
    ]
    return "\n".join(lines)


def _claim(text: str, verdict: Verdict | None) -> str:
    """A sentence of the summary with its figures."""
    if verdict is None:
        return text
    mark = {True: "✓", False: "✗", None: "–"}[verdict.holds]
    if verdict.holds is None or verdict.interval is None:
        return f"{mark} {text}"
    low, high = verdict.interval
    figures = f"{verdict.measured:.2f} against {verdict.control:.2f}, difference {low:+.2f} to {high:+.2f}, n = {verdict.n}"
    return f"{mark} {text} ({figures})"


def _code(text: str) -> str:
    """A text as code, its spaces and control characters visible."""
    return f"`{visible(text)}`"


if __name__ == "__main__":
    main()
