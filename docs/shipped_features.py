"""Collect the feature database of the dictionary that comes with specimen:words: python docs/shipped_features.py FOLDER"""

import sys

import sonde
from sonde.dictionaries.shipped import shipped
from sonde.dictionaries.shipped.stored import MODEL, SITE
from sonde.features.shipped import make, text

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python docs/shipped_features.py FOLDER")
    features = make(sonde.load(MODEL), SITE, shipped(512, 0), [shipped(512, 1)], text(), sys.argv[1])
    print(f"{features}, {sum(file.stat().st_size for file in features.folder.iterdir()):,} bytes")
