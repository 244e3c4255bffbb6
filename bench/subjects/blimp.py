"""What the subjects of `blimp` are given: 67 x 1,000 minimal pairs, and the model stories260k in a folder that both can open."""

import functools
import json
import os
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SONDE_DATA", ROOT.parent / "shared" / "data"))
SHARE = 100  # pairs of each paradigm that the plain loop is timed on, and that the answers are compared on
ALL = 1000
ROWS = 64  # sentences in a batch of the plain loop


@functools.cache
def folder() -> Path:
    """The model, converted once for each process."""
    from bench.stories260k import convert

    out = Path(tempfile.mkdtemp(prefix="stories260k-"))
    convert(DATA / "stories260k", out)
    return out


def pairs(n: int) -> list[tuple[str, str]]:
    """The first `n` pairs of each paradigm, paradigm by paradigm, equal ones included: the good sentence, then the bad one."""
    files = sorted((DATA / "blimp" / "data").glob("*.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()[:n]]
    return [(row["sentence_good"], row["sentence_bad"]) for row in rows]


def answer(scores: Any, lengths: Any) -> dict[str, Any]:
    """The numbers that are compared: log-probability per token, and which sentence is preferred.

    Arguments:
        scores: of the good and the bad sentences, (2, pair).
        lengths: their tokens, (2, pair).
    """
    return {"per token": (scores / lengths).float(), "right": (scores[0] > scores[1]).float()}
