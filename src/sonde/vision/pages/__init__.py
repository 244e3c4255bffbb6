"""All that is known of a unit on one page, and all units of a layer on another."""

from sonde.vision.pages.atlas import Atlas, atlas
from sonde.vision.pages.result import UnitPage
from sonde.vision.pages.unit import unit_page

__all__ = ["Atlas", "UnitPage", "atlas", "unit_page"]
