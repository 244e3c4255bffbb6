"""The server of sonde: pages of features in a browser on the same machine, read-only. Needs `pip install 'sonde[app]'`."""

from sonde.app.features import application
from sonde.app.serving import serve

__all__ = ["application", "serve"]
