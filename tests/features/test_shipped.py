"""The recipe of a shipped database keeps examples, descriptions and the closest latents of another seed; what is shipped opens."""

import pytest
from feature_database import SITE, corpus, dictionary, model

from sonde.features import Features
from sonde.features.shipped import BYTES, DATABASE, make
from sonde.results import InputError


def test_recipe(tmp_path):
    features = make(model(), SITE, dictionary(), [dictionary(seed=12)], corpus()[:60], tmp_path / "database")
    assert features.kept == "examples"
    assert len(features.record(9)["parallel"]["seed 1"]) >= 5
    assert any(record["descriptions"] for record in map(features.record, range(16)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["database"]
    with pytest.raises(InputError, match="and 1,000 are allowed"):
        make(model(), SITE, dictionary(size=8), [], corpus()[:60], tmp_path / "small", most=1000)


def test_what_is_shipped_opens_and_says_something():
    features = Features.load(DATABASE)
    assert features.size == 512 and sum(file.stat().st_size for file in DATABASE.iterdir()) < BYTES
    described = [record for record in map(features.record, range(0, 512, 16)) if record["descriptions"]]
    assert len(described) > 16
