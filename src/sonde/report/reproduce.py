"""The command that makes a report again."""

import shlex
from collections.abc import Sequence


def command_line(
    prompt: str, model: str, target: str | None, foils: Sequence[str], corrupt: str | None, bos: bool | None, seed: int, profile: str = "researcher",
    foil_sentence: str = "",
) -> str:  # fmt: skip
    """The command that makes an explanation again; what is as by default is left out."""
    options = [
        ("--model", model if model != "specimen:words" else None),
        ("--target", target),
        *(("--foil", foil) for foil in foils),
        ("--corrupt", corrupt),
        ("--foil-sentence", foil_sentence or None),
        ("--seed", str(seed) if seed else None),
        ("--for", profile if profile != "researcher" else None),
    ]
    words = ["sonde", "explain", prompt, *(word for name, value in options if value is not None for word in (name, value))]
    return shlex.join(words) + ("" if bos is None else " --bos" if bos else " --no-bos") + " --out report.html"
