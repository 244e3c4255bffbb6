"""The worked examples in the docs were made with the weights that are shipped, and every report is there."""

import tomllib
from pathlib import Path

import sonde

HERE = Path(__file__).parents[1] / "docs" / "examples"


def test_every_example_is_of_the_shipped_weights():
    page = (HERE / "index.md").read_text(encoding="utf-8")
    assert f"`{sonde.load('specimen:words').hash}`" in page
    for key, entry in tomllib.loads((HERE / "prompts.toml").read_text(encoding="utf-8")).items():
        assert f"({key}.html)" in page and f"## {entry['title']}" in page and entry["look"] in page
        assert (HERE / f"{key}.html").stat().st_size < 3e6
