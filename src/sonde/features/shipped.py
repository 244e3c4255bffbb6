"""The recipe of a shipped feature database: small enough for a wheel, beside another seed, over text that no dictionary was trained on.

Only examples are kept, and of the other seeds only which of their latents are closest.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sonde.access import Basis, Model
from sonde.features.collecting import collect
from sonde.features.database import Features
from sonde.results import InputError

BYTES = 3_000_000
"""The most that all databases together may take."""
DOCUMENTS, SEED = 8000, 33


def text(n: int = DOCUMENTS, seed: int = SEED) -> list[str]:
    """Documents of the words world.

    Arguments:
        n: how many.
        seed: of the documents; other ones than those that dictionaries learn from or are measured on.
    """
    from sonde.specimens.words import documents

    return [document.text for document in documents(n=n, seed=seed)]


def make(model: Model, site: str, by_size: Mapping[int, Sequence[Basis]], corpus: Any, folder: str | Path, most: int = BYTES) -> dict[int, Features]:
    """Collect the first dictionary of each size, and put the others of its size beside it.

    Arguments:
        model: is run.
        site: what the dictionaries read.
        by_size: dictionaries of several seeds for each size.
        corpus: as for `collect`.
        folder: for the databases, named by their sizes.
        most: bytes that they may take together.

    Returns:
        The database of each size.

    Raises:
        InputError: databases that are larger.
    """
    found = {}
    with tempfile.TemporaryDirectory() as aside:
        for size, seeds in by_size.items():
            # matches take all codes; what is shipped are examples
            whole = [collect(model, site, basis, corpus, Path(aside) / f"{size}-{seed}") for seed, basis in enumerate(seeds)]
            kept = collect(model, site, seeds[0], corpus, Path(folder) / str(size), keep=0)
            for seed, other in enumerate(whole[1:], 1):
                name = f"seed {seed}"
                whole[0].put_beside(name, other)
                beside = f"parallel-{name}.parquet"
                (kept.folder / beside).write_bytes((whole[0].folder / beside).read_bytes())
            found[size] = kept
    taken = sum(file.stat().st_size for features in found.values() for file in features.folder.iterdir())
    if taken > most:
        raise InputError(f"the databases in {folder} take {taken:,} bytes, and {most:,} are allowed: collect over fewer tokens")
    return found
