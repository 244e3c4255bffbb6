"""Make what is shipped of a specimen's influences again: `python -m sonde.influence.shipped NAME FOLDER`; the curvature is kept beside it."""

import sys
from pathlib import Path

import torch

import sonde
from sonde.influence.shipped.recipe import make

if len(sys.argv) != 3:
    sys.exit("usage: python -m sonde.influence.shipped NAME FOLDER")
torch.set_num_threads(1)
print(make(sonde.load(f"specimen:{sys.argv[1]}"), sys.argv[1], Path(sys.argv[2])).to_frame())
