"""The built drawings and feature pages: a script and a style sheet each, made from `web/` while the package is built."""

from functools import cache
from importlib.resources import files

from sonde.results import SondeError


class BundleMissing(SondeError):
    """HTML was asked for, but this installation was built without the drawings."""


@cache
def asset(name: str) -> str:
    """Read a file of the bundle: `sonde.js` and `sonde.css` for drawings, `features.js` and `features.css` for the pages of features.

    Raises:
        BundleMissing: the package was built where npm could not be reached.
    """
    try:
        return files("sonde.views").joinpath("bundle", name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BundleMissing(
            f"HTML output needs the drawings, and this installation has no views/bundle/{name}: they are built by npm during installation; "
            "reinstall sonde (pip install --force-reinstall --no-deps .) with npm's registry reachable, or use the terminal view or --json"
        ) from None
