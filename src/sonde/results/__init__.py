"""What methods return, and how it is kept: knows no model."""

from sonde.results.artifact import Artifact
from sonde.results.drawing import Drawing
from sonde.results.errors import CheckRefused, EditError, InputError, LoadError, SiteUnavailable, SondeError, UnknownSite, shown
from sonde.results.hashing import content_hash
from sonde.results.recipe import Recipe
from sonde.results.result import Result
from sonde.results.verdict import Verdict

__all__ = [
    "Artifact",
    "CheckRefused",
    "Drawing",
    "EditError",
    "InputError",
    "LoadError",
    "Recipe",
    "Result",
    "SiteUnavailable",
    "SondeError",
    "UnknownSite",
    "Verdict",
    "content_hash",
    "shown",
]
