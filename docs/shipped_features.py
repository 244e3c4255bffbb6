"""Collect the feature databases of the dictionaries that come with specimen:words: python docs/shipped_features.py FOLDER"""

import sys

import sonde
from sonde.dictionaries.shipped import shipped
from sonde.dictionaries.shipped.stored import MODEL, SEEDS, SITE, SIZES
from sonde.features.shipped import make, text

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python docs/shipped_features.py FOLDER")
    dictionaries = {size: [shipped(size, seed) for seed in SEEDS] for size in SIZES}
    for size, features in make(sonde.load(MODEL), SITE, dictionaries, text(), sys.argv[1]).items():
        print(f"{size}: {features}, {sum(file.stat().st_size for file in features.folder.iterdir()):,} bytes")
