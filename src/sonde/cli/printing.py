"""What all commands print alike."""

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from sonde.access import Model


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
