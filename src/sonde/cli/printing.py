"""What all commands print alike."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonde.results import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from sonde.access import Model
    from sonde.results import Drawing, Verdict
    from sonde.results.document import Document, Section


def print_json(arguments: argparse.Namespace, start: float, subject: "Model | None" = None, **content: Any) -> None:
    """Print what was found as JSON, under the fields that every command has.

    Arguments:
        arguments: of the command.
        start: `time.perf_counter()` at its beginning.
        subject: the model that it is about, the first where there are several.
        content: the command's own fields; of the common ones those that it knows better, such as `warnings`.
    """
    import sonde

    action = {"action": arguments.action} if getattr(arguments, "action", None) else {}
    head: dict[str, Any] = {
        "schema": f"sonde/{arguments.command}/1", "sonde_version": sonde.__version__, "command": arguments.command, **action,
        "model": None if subject is None else getattr(arguments, "model", subject.name), "model_hash": None if subject is None else subject.hash,
        "seed": getattr(arguments, "seed", None), "dtype": None if subject is None else subject.dtype,
        "seconds": round(time.perf_counter() - start, 3), "warnings": [],
    }  # fmt: skip
    json.dump({**head, **content}, sys.stdout, ensure_ascii=False, indent=2)
    print()


def console() -> "Console":
    """A console that prints texts as they are, without colouring what looks like a number."""
    from rich.console import Console

    return Console(highlight=False)


def refuse_unwritable(arguments: argparse.Namespace) -> None:
    """Refuse a page that can't be written: said before the work, not after it."""
    if arguments.out and (Path(arguments.out).is_dir() or not Path(arguments.out).parent.is_dir()):
        raise InputError(f"the page can't be written to {arguments.out}: give a file in a folder that exists with --out")


def told(arguments: argparse.Namespace, document: "Document") -> None:
    """Print the findings, unless they were printed as JSON, and write the page that was asked for."""
    if not arguments.json:
        from sonde.views import terminal

        terminal.show(document, console())
    if arguments.out:
        from sonde.views import page

        Path(arguments.out).write_text(page(document), encoding="utf-8")
        if not arguments.json:
            print(f"page written to {arguments.out}")


def plain_verdict(verdict: "Verdict") -> dict[str, Any]:
    """A verdict as plain data, with whether it holds."""
    return {**asdict(verdict), "holds": verdict.holds}


def noted(notes: Sequence[str]) -> "list[Section]":
    """What was decided or left out, as the last section; none where there is nothing to say."""
    from sonde.results.document import Section, Sentence

    said = [note + ("" if note.endswith((".", "!", "?")) else ".") for note in notes if note]
    return [Section("notes", "Notes", sentences=[Sentence(note) for note in said])] if said else []


def report(
    arguments: argparse.Namespace, start: float, model: "Model | None", title: str, drawings: "Sequence[Drawing]", verdicts: "Sequence[Verdict]" = (),
    notes: "Sequence[str]" = (), **content: Any,
) -> int:  # fmt: skip
    """Print or write what was found.

    Arguments:
        arguments: of the command.
        start: `time.perf_counter()` at its beginning.
        model: what was asked, where it is one.
        title: the question.
        drawings, verdicts: the findings.
        notes: what was decided or left out.
        content: the action's own fields of the JSON.
    """
    from sonde.results.document import Document, Section, Sentence

    if arguments.json:
        print_json(arguments, start, model, warnings=list(notes), **content, verdicts=[plain_verdict(verdict) for verdict in verdicts])
    sections = [Section("found", title, drawings=list(drawings))]
    if verdicts:
        sections.append(Section("evidence", "Is it true?", sentences=[Sentence(verdict.claim, verdict) for verdict in verdicts]))
    facts = [] if model is None else [("model", f"{model.name} ({model.hash[:8]})")]
    told(arguments, Document(title, "", facts, [*sections, *noted(list(notes))]))
    return 0
