"""Two dictionaries over the same tokens: a reordered copy is found, and what only one of them has is told."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from views.browser import chromium

import sonde
from sonde.dictionaries import Dictionary
from sonde.features import Features, collect, pages
from sonde.results import InputError

SITE = "blocks.0.resid_post"
ORDER = [5, 2, 0, 7, 1, 3, 6, 4]


def dictionary(directions: torch.Tensor, bias: torch.Tensor) -> Dictionary:
    return Dictionary(directions, bias, directions, torch.zeros(directions.shape[1]), "relu")


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Features]:
    """One dictionary; the same in another order with two features replaced by ones of their own; one over other tokens; one cut short."""
    model = sonde.load("specimen:induction")
    draw = torch.Generator().manual_seed(11)
    rows = torch.randint(1, 30, (60, 24), generator=draw)
    x = model.run(rows[:20], read=SITE, logits=False)[SITE].flatten(0, 1)
    mean, deviation = x.mean(0), x.std(0)
    own = torch.randn(10, model.d_model, generator=draw) / deviation
    bias = -(own @ mean) - 1.2 * (x @ own.T).std(0)  # active in about one place of eight
    here = dictionary(own[:8], bias[:8])
    there = dictionary(torch.cat([3 * own[ORDER[:6]], own[8:]]), torch.cat([3 * bias[ORDER[:6]], bias[8:]]))
    folder = tmp_path_factory.mktemp("databases")
    others = torch.randint(1, 30, (60, 24), generator=draw)
    return {
        "here": collect(model, SITE, here, rows, folder / "here", neurons=""),
        "there": collect(model, SITE, there, rows, folder / "there", neurons=""),
        "elsewhere": collect(model, SITE, there, others, folder / "elsewhere", neurons=""),
        "cut": collect(model, SITE, there, rows, folder / "cut", neurons="", keep=200),
    }


def test_a_reordered_copy_is_found(databases: dict[str, Features]) -> None:
    here, there = databases["here"], databases["there"]
    assert here.basis is not None and there.basis is not None
    found = pages.compare(here, there, "a copy", (here.basis.directions, there.basis.directions))  # type: ignore[attr-defined]
    matches = {match["latent"]: match for match in found["matches"] if match["latent"] is not None}
    for place, latent in enumerate(ORDER[:6]):
        assert matches[latent]["other"] == place
        assert matches[latent]["relation"] == "match"
        assert matches[latent]["correlation"] == pytest.approx(1, abs=1e-5)  # a scale does not matter
        assert matches[latent]["cosine"] == pytest.approx(1, abs=1e-5)
    for latent in ORDER[6:]:
        assert (matches[latent]["correlation"] or 0) < 0.9
    (baseline,) = found["baselines"]
    assert max(baseline["values"]) < 0.5 < 0.99 < (matches[ORDER[0]]["correlation"] or 0)  # the control: shuffled sequences


def test_correlations_are_numpys(databases: dict[str, Features]) -> None:
    here, there = databases["here"], databases["there"]
    dense = []
    for features in (here, there):
        table = np.zeros((60, 24, features.size))
        for row in features.sql("SELECT * FROM codes").iter_rows(named=True):
            table[row["sequence"], row["position"], row["latent"]] = row["value"]
        dense.append(table.reshape(-1, features.size))
    r = np.corrcoef(dense[0].T, dense[1].T)[:8, 8:]
    found = pages.compare(here, there, "a copy")
    for match in found["matches"]:
        if match["latent"] is not None:
            assert match["other"] == r[match["latent"]].argmax()
            assert match["correlation"] == pytest.approx(r[match["latent"]].max(), abs=1e-6)
            assert match["cosine"] is None


def test_what_can_not_be_compared(databases: dict[str, Features]) -> None:
    with pytest.raises(InputError, match="was collected over other tokens"):
        pages.compare(databases["here"], databases["elsewhere"], "x")
    with pytest.raises(InputError, match="keeps only some of its codes"):
        pages.compare(databases["here"], databases["cut"], "x")
    with pytest.raises(InputError, match="directions of 3 and 4 entries"):
        pages.compare(databases["here"], databases["there"], "x", (torch.ones(8, 3), torch.ones(8, 4)))


def test_the_list_of_a_database_is_that_of_its_records(databases: dict[str, Features]) -> None:
    for name in ("here", "cut"):
        features = databases[name]
        for latent, row in pages.lines(features, range(features.size)).items():
            strongest = features.record(latent)["strongest"]
            assert (row["glance"] is None) == (not strongest)
            if row["glance"]:
                own = strongest[0]["position"] - strongest[0]["start"]
                assert row["glance"]["values"][row["glance"]["at"]] == pytest.approx(strongest[0]["values"][own])
                assert row["tokens"]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator:
    with chromium(tmp_path, "features.js") as one:
        yield one


def test_a_database_as_pages(databases: dict[str, Features], watched, tmp_path: Path) -> None:
    model, here = sonde.load("specimen:induction"), databases["here"]
    extras = pages.Extras(comparisons=[pages.compare(here, databases["there"], "a copy")])
    path = pages.export(here, tmp_path / "p.html", effects=lambda latent: here.effects(model, latent), extras=extras)
    page = watched.open(path.read_text(encoding="utf-8"))
    assert page.get_by_role("listitem").count() == 8
    page.get_by_role("listitem").first.click()
    page.locator(".line").first.wait_for()
    assert page.locator(".helps, .hurts").count() > 2
    page.get_by_role("link", name="Beside another").click()
    page.get_by_text("6 match").wait_for()
    assert watched.mishaps == []
