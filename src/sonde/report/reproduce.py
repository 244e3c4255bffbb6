"""The command that makes a report again."""

import shlex
from collections.abc import Mapping, Sequence

PLACE = "FOLDER"
"""Stands for where a basis is kept, which a model does not know of the bases attached to it."""


def command_line(
    prompt: str, model: str, target: str | None, foils: Sequence[str], corrupt: str | None, bos: bool | None, seed: int, profile: str = "researcher",
    foil_sentence: str = "", sites: Sequence[str] = (), databases: Sequence[str] = (),
) -> str:  # fmt: skip
    """The command that makes an explanation again; what is as by default is left out, `sites` are those at which bases are attached."""
    options = [
        ("--model", model if model != "specimen:words" else None),
        ("--target", target),
        *(("--foil", foil) for foil in foils),
        ("--corrupt", corrupt),
        ("--foil-sentence", foil_sentence or None),
        ("--seed", str(seed) if seed else None),
        ("--for", profile if profile != "researcher" else None),
        *(("--basis", f"{site}={PLACE}") for site in sites),
        *(("--features", folder) for folder in databases),
    ]
    words = ["sonde", "explain", prompt, *(word for name, value in options if value is not None for word in (name, value))]
    return shlex.join(words) + ("" if bos is None else " --bos" if bos else " --no-bos") + " --out report.html"


def with_places(command: str, places: Mapping[str, str]) -> str:
    """A command line in which stands where the bases are kept.

    Arguments:
        command: of `command_line`.
        places: by site.

    >>> with_places("sonde explain 'The keys' --basis blocks.1.resid_post=FOLDER", {"blocks.1.resid_post": "my sae"})
    "sonde explain 'The keys' --basis 'blocks.1.resid_post=my sae'"
    """
    named = {f"{site}={PLACE}": f"{site}={place}" for site, place in places.items()}
    return shlex.join(named.get(word, word) for word in shlex.split(command))
