"""The pages of features as one file that opens without network and without Python: the list, and every feature on a page of its own.

A feature with all its examples takes a few kilobytes in the file; a browser opens files of some hundred megabytes. A reader's own prompt needs the
model, so it is not in a file; what the features do to the loss is, where that was computed.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from sonde.features.pages.rows import lines
from sonde.features.pages.site import Browsable, Extras, held, site
from sonde.features.records import Effects
from sonde.jobs import track
from sonde.results import InputError
from sonde.views import browser


def export(
    features: Browsable,
    path: str | Path,
    latents: Sequence[int] | None = None,
    *,
    title: str = "Features",
    effects: Callable[[int], Effects] | None = None,
    extras: Extras | None = None,
    progress: bool = False,
) -> Path:
    """Write the pages of features as one HTML file.

    Arguments:
        features: a feature database.
        path: of the file.
        latents: which features; all by default.
        title: of the pages.
        effects: gives what a latent does in its examples; without it the file does not tell.
        extras: comparisons, sizes, a map and prompts, made beforehand.
        progress: whether a bar is drawn while it is made.

    Returns:
        The file's path.

    Raises:
        InputError: latents that the database does not have, or none. BundleMissing: this installation was built without the drawings.
    """
    chosen = _chosen(features, latents)
    known = site(features, lines(features, chosen), title, extras or {})
    blocks = (
        (f"latent-{latent}", held(features.record(latent), effects(latent) if effects else None))
        for latent in track(chosen, "making pages", shown=progress)
    )
    return _written(Path(path), browser(title, known, blocks))


def _chosen(features: Browsable, latents: Sequence[int] | None) -> list[int]:
    size = features.about()["size"]
    chosen = list(range(size)) if latents is None else list(dict.fromkeys(latents))
    wrong = [latent for latent in chosen if not 0 <= latent < size]
    if wrong or not chosen:
        named = f"features {', '.join(map(str, wrong[:5]))} are not there" if wrong else "no features"
        raise InputError(f"{named}: choose from 0 to {size - 1}")
    return chosen


def _written(path: Path, parts: Iterable[str]) -> Path:
    """Whole or not at all: a reader never opens half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.writelines(parts)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path
