"""Drawings and documents as people see them: a page, a notebook cell, a terminal."""

from sonde.views import terminal
from sonde.views.assets import BundleMissing
from sonde.views.frames import Notebook, browser, notebook, page

__all__ = ["BundleMissing", "Notebook", "browser", "notebook", "page", "terminal"]
