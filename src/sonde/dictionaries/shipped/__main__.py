"""Train the shipped dictionaries again: `python -m sonde.dictionaries.shipped FOLDER`; what was interrupted goes on."""

import sys
from pathlib import Path

import sonde
from sonde.dictionaries.shipped.recipe import make
from sonde.dictionaries.shipped.stored import MODEL

if len(sys.argv) != 2:
    sys.exit("usage: python -m sonde.dictionaries.shipped FOLDER")
for name, figures in make(sonde.load(MODEL), Path(sys.argv[1])).items():
    print(name, figures)
