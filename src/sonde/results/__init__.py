"""What methods return, and how it is kept: knows no model."""

from sonde.results.drawing import Drawing
from sonde.results.errors import CheckRefused, EditError, InputError, LoadError, SiteUnavailable, SondeError, UnknownSite
from sonde.results.verdict import Verdict

__all__ = [
    "CheckRefused",
    "Drawing",
    "EditError",
    "InputError",
    "LoadError",
    "SiteUnavailable",
    "SondeError",
    "UnknownSite",
    "Verdict",
]
