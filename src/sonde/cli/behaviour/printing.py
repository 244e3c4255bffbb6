"""What all actions of `sonde behaviour` print alike."""

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sonde.access import Model

SCHEMA = "sonde/behaviour/1"


def print_json(arguments: argparse.Namespace, start: float, model: "Model | None" = None, **content: Any) -> None:
    """Print what was found as JSON, under the fields that every command has.

    Arguments:
        arguments: of the command.
        start: `time.perf_counter()` at its beginning.
        model: the model that it is about, the first where there are several.
        content: the action's own fields; `warnings` too where there are any.
    """
    import sonde

    weights = None if model is None else next(model.module.parameters(), None)
    head: dict[str, Any] = {
        "schema": SCHEMA, "sonde_version": sonde.__version__, "command": "behaviour", "action": arguments.action,
        "model": None if model is None else model.name, "model_hash": None if model is None else model.hash,
        "seed": getattr(arguments, "seed", None), "dtype": None if weights is None else str(weights.dtype).removeprefix("torch."),
        "seconds": round(time.perf_counter() - start, 3), "warnings": [],
    }  # fmt: skip
    json.dump({**head, **content}, sys.stdout, ensure_ascii=False, indent=2)
    print()
