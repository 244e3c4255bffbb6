"""The recipe of a shipped feature database: small enough for a wheel, beside another seed, over text that no dictionary was trained on.

Only examples are kept, with descriptions that were made and scored on all codes, and of the other seeds which of their latents are closest.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sonde.access import Basis, Model
from sonde.features.collecting import collect
from sonde.features.database import Features
from sonde.features.descriptions import describe
from sonde.results import InputError

BYTES = 3_000_000
"""The most that all databases together may take."""
DOCUMENTS, SEED = 8000, 33
DATABASE = Path(__file__).with_name("words-512")
"""That of `specimen:words`, 512 latents."""


def text(n: int = DOCUMENTS, seed: int = SEED) -> list[str]:
    """Documents of the words world.

    Arguments:
        n: how many.
        seed: of the documents; other ones than those that dictionaries learn from or are measured on.
    """
    from sonde.specimens.words import documents

    return [document.text for document in documents(n=n, seed=seed)]


def make(model: Model, site: str, basis: Basis, others: Sequence[Basis], corpus: Any, folder: str | Path, most: int = BYTES) -> Features:
    """Collect a dictionary's features, describe them without a language model, and put dictionaries of other seeds beside them.

    Arguments:
        model: is run.
        site: what the dictionaries read.
        basis: the dictionary.
        others: the same with other seeds.
        corpus: as for `collect`.
        folder: for the database.
        most: bytes that it may take.

    Returns:
        The database.

    Raises:
        InputError: a database that is larger.
    """
    kept = collect(model, site, basis, corpus, Path(folder), keep=0)
    with tempfile.TemporaryDirectory() as aside:
        # matches and descriptions need all codes; what is shipped are examples
        whole, *beside = [collect(model, site, one, corpus, Path(aside) / str(i)) for i, one in enumerate((basis, *others))]
        for seed, other in enumerate(beside, 1):
            whole.put_beside(f"seed {seed}", other)
        describe(whole)
        for file in whole.folder.iterdir():
            if not (kept.folder / file.name).exists():
                (kept.folder / file.name).write_bytes(file.read_bytes())
    taken = sum(file.stat().st_size for file in kept.folder.iterdir())
    if taken > most:
        raise InputError(f"the database in {folder} takes {taken:,} bytes, and {most:,} are allowed: collect over fewer tokens")
    return Features.load(kept.folder)
