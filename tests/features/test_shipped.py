"""The recipe of a shipped database keeps examples and the closest latents of other seeds, within its size."""

import pytest
from feature_database import LATENTS, SITE, corpus, dictionary, model

from sonde.features.shipped import make
from sonde.results import InputError


def test_recipe(tmp_path):
    seeds = {LATENTS: [dictionary(), dictionary(seed=12)], 8: [dictionary(size=8), dictionary(size=8, seed=12)]}
    found = make(model(), SITE, seeds, corpus()[:60], tmp_path / "databases")
    assert sorted(found) == [8, LATENTS]
    features = found[LATENTS]
    assert features.kept == "examples"
    assert len(features.record(9)["parallel"]["seed 1"]) >= 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["databases"]
    with pytest.raises(InputError, match="and 1,000 are allowed"):
        make(model(), SITE, {8: seeds[8]}, corpus()[:60], tmp_path / "small", most=1000)
