"""Make the shipped probes again: `python -m sonde.probing.shipped FOLDER`; the table of properties that they come from is kept beside them."""

import sys
from pathlib import Path

import torch

import sonde
from sonde.probing.shipped.recipe import make
from sonde.probing.shipped.stored import MODEL

if len(sys.argv) != 2:
    sys.exit("usage: python -m sonde.probing.shipped FOLDER")
torch.set_num_threads(1)
print(make(sonde.load(MODEL), Path(sys.argv[1])).to_frame())
