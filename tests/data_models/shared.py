"""Where the shared data are, and how a test says that they are not."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SONDE_DATA", ROOT.parent / "shared" / "data"))


def needs(*names):
    """Skip a test where one of these folders is not there."""
    missing = [name for name in names if not (DATA / name).is_dir()]
    return pytest.mark.skipif(bool(missing), reason=f"no {', '.join(missing)} in {DATA}; set SONDE_DATA")
