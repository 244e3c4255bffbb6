"""Features as pages that people look at: a list, a page for each, a map, comparisons; one file, or what a server sends."""

from sonde.features.pages.comparison import Baseline, Comparison, Match, compare
from sonde.features.pages.plane import Plane, plane
from sonde.features.pages.rows import Glance, Row, lines, row_of
from sonde.features.pages.single_file import export
from sonde.features.pages.site import Browsable, Extras, Site, held, rounded, site
from sonde.features.pages.sizes import Level, Size, levels

__all__ = [
    "Baseline", "Browsable", "Comparison", "Extras", "Glance", "Level", "Match", "Plane", "Row", "Site", "Size",
    "compare", "export", "held", "levels", "lines", "plane", "rounded", "row_of", "site",
]  # fmt: skip
