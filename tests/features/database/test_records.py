"""The record of one latent: examples that really have these activations, intervals, marks, and the list around them."""

import json
import time

import numpy as np
import polars as pl
import pytest
import torch
from feature_database import LATENTS, SITE, database, dictionary, model, shaped

from sonde.features import Features, records
from sonde.results import InputError, LoadError


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return database(tmp_path_factory.mktemp("features") / "all")


def live(found):
    return found.table(sort="firings", descending=True)["latent"].to_list()[:4]


def test_a_record_is_plain_data_of_the_stated_shape(found):
    for latent in range(LATENTS):
        record = found.record(latent)
        assert shaped(record, records.Record), record
        assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert shaped(found.about(), records.About)


def test_examples_have_these_activations(found):
    """By running the model on the context's sequence again."""
    for latent in live(found):
        record = found.record(latent)
        examples = [*record["strongest"], *(e for i in record["intervals"] for e in i["examples"])]
        assert len(examples) > 20
        for example in examples:
            ids = found.storage.sequence(example["sequence"]).tolist()
            values = dictionary().encode(model().run([ids], read=SITE)[SITE][0])[:, latent]
            stop = example["start"] + len(example["tokens"])
            expected = [float(v) if i else 0.0 for i, v in zip(ids, values, strict=True)]
            assert example["values"] == pytest.approx(expected[example["start"] : stop], rel=1e-4, abs=1e-5)
            assert example["tokens"] == [f"w{i}" for i in ids[example["start"] : stop]]
            assert example["values"][example["position"] - example["start"]] != 0


def test_the_strongest_come_first_and_no_context_twice(found):
    for latent in live(found):
        strongest = found.record(latent)["strongest"]
        peaks = [e["values"][e["position"] - e["start"]] for e in strongest]
        assert peaks == sorted(peaks, reverse=True)
        assert peaks[0] == pytest.approx(found.record(latent)["statistics"]["maximum"])
        assert len({e["sequence"] for e in strongest}) == len(strongest)  # contexts here reach over whole sequences
        assert len({tuple(e["tokens"]) for e in strongest}) == len(strongest)


def test_intervals_are_even_and_hold_their_examples(found):
    for latent in live(found):
        record = found.record(latent)
        intervals = record["intervals"]
        assert len(intervals) == 10
        assert sum(i["share"] for i in intervals) == pytest.approx(1)
        edges = [i["low"] for i in reversed(intervals)] + [intervals[0]["high"]]
        np.testing.assert_allclose(edges, np.linspace(0, record["statistics"]["maximum"], 11), rtol=1e-5)
        for interval in intervals:
            inside = [e["values"][e["position"] - e["start"]] for e in interval["examples"]]
            assert all(interval["low"] - 1e-6 <= value <= interval["high"] + 1e-6 for value in inside)
            assert (interval["share"] == 0) == (interval["highest"] is None) == (not interval["examples"])
            if inside:
                assert interval["low"] - 1e-6 <= max(inside) <= interval["highest"] + 1e-6


def test_what_was_shown_before_is_marked(found):
    marks = []
    for latent in live(found):
        record, shown = found.record(latent), set()
        assert not any(e["again"] for e in record["strongest"])
        for group in [record["strongest"], *(i["examples"] for i in record["intervals"])]:
            for example in group:
                assert example["again"] == ((example["sequence"], example["position"]) in shown)
                marks.append(example["again"])
            shown |= {(e["sequence"], e["start"] + n) for e in group for n in range(len(e["tokens"]))}
    assert any(marks)
    assert not all(marks)


def test_a_latent_that_never_fires_has_an_empty_record(found):
    record = found.record(LATENTS - 1)
    assert record["statistics"]["density"] == 0
    assert record["statistics"]["mean_active"] is None
    assert record["strongest"] == record["neurons"] == record["correlated"] == []
    assert record["label"] == ""
    assert [i["share"] for i in record["intervals"]] == [0] * 10
    assert len(record["nearest"]) == 8


def test_the_list_is_filtered_sorted_and_paged(found):
    whole = found.table(limit=None)
    assert whole["latent"].to_list() == list(range(LATENTS))
    dense = found.table(where=["density > 0.05", "firings<200"], sort="maximum", descending=True, limit=None)
    expected = whole.filter((pl.col("density") > 0.05) & (pl.col("firings") < 200)).sort("maximum", descending=True)
    assert dense["latent"].to_list() == expected["latent"].to_list()
    assert found.count(["density > 0.05", "firings<200"]) == len(expected) > 2
    pages = [found.table(sort="density", offset=start, limit=7)["latent"].to_list() for start in (0, 7, 14, 21)]
    assert [latent for page in pages for latent in page] == found.table(sort="density", limit=None)["latent"].to_list()
    assert found.table(sort="mean_active", descending=True, limit=None)["mean_active"][-1] is None


@pytest.mark.parametrize("where", ["density", "density > many", "1 = 1; drop table listing", "name < 3", "density > 1e"])
def test_what_is_no_filter(found, where):
    with pytest.raises(InputError, match=r"is no filter: compare a statistic"):
        found.table(where=[where])


def test_what_is_no_page(found):
    with pytest.raises(InputError, match="sort='size': choose from latent, label"):
        found.table(sort="size")
    with pytest.raises(InputError, match="offset=-1"):
        found.table(offset=-1)
    for latent in (-1, LATENTS, "3", True):
        with pytest.raises(InputError, match="there is no latent"):
            found.record(latent)
    with pytest.raises(InputError, match="there is no sequence"):
        found.storage.sequence(10_000)


@pytest.mark.parametrize(
    "query", ["COPY (SELECT 1) TO '/tmp/out.csv'", "SELECT 1; SELECT 2", "DROP TABLE listing", "SELECT * FROM read_csv('/etc/passwd')",
              "SELECT * FROM '../../secret.parquet'", "SELECT nothing", "ATTACH 'x.db'", "SET enable_external_access = true", ""],
)  # fmt: skip
def test_queries_read_the_tables_and_nothing_else(found, query):
    with pytest.raises(InputError):
        found.sql(query)
    assert found.sql("SELECT count(*) AS n FROM listing")["n"][0] == LATENTS


def test_descriptions_are_kept_searched_and_ordered(found, tmp_path):
    features = database(tmp_path / "described")
    assert features.record(9)["label"].startswith("“w")
    features.describe({
        9: [{"text": "fires on cats", "author": "templates", "scores": {"detection": 0.7, "fuzzing": None}, "controls": {}, "note": "n=50"}],
        4: [{"text": "fires on dogs", "author": "templates", "scores": {"detection": 0.9}, "controls": {}, "note": ""}],
    })  # fmt: skip
    features.describe({9: [{"text": "animals", "author": "human", "scores": {}, "controls": {}, "note": ""}]})
    again = Features.load(tmp_path / "described")
    assert [one["author"] for one in again.descriptions(9)] == ["human", "templates"]
    assert again.record(9)["label"] == "animals"
    assert again.descriptions(9)[1]["scores"] == {"detection": 0.7, "fuzzing": None}
    assert again.table(text="CATS")["latent"].to_list() == [9]
    assert again.table(text="fires on")["latent"].to_list() == [4, 9]
    assert again.table(sort="score", descending=True)["latent"][0] == 4
    again.describe({4: [{"text": "fires on wolves", "author": "templates", "scores": {}, "controls": {}, "note": ""}]})
    assert [one["text"] for one in again.descriptions(4)] == ["fires on wolves"]
    assert again.table(text="100%_")["latent"].to_list() == []
    again.verify()


def test_what_is_no_description(found):
    for latent, one in ((99, {"text": "a", "author": "b"}), (1, {"text": " ", "author": "b"}), (1, {"text": "a", "author": ""})):
        with pytest.raises(InputError, match=r"there is no latent 99|is no description"):
            found.describe({latent: [one]})


def test_damaged_folders_are_told(tmp_path):
    features = database(tmp_path / "damaged")
    table = tmp_path / "damaged" / "latents.parquet"
    table.write_bytes(table.read_bytes()[:-1] + b"x")
    with pytest.raises(LoadError, match=r"latents\.parquet was changed"):
        features.verify()
    (tmp_path / "damaged" / "codes.parquet").unlink()
    with pytest.raises(LoadError, match=r"lacks codes\.parquet"):
        Features.load(tmp_path / "damaged")
    with pytest.raises(LoadError, match="is no artifact"):
        Features.load(tmp_path)
    with pytest.raises(InputError, match="was collected with"):
        Features.load(database(tmp_path / "other").folder, basis=dictionary(seed=99))


def test_sixteen_thousand_latents_are_asked_in_time(tmp_path):
    """Rows of a real database, repeated: lists, filters, searches and records stay fast. The bound is twice the promise, for slow machines."""
    features = database(tmp_path / "many")
    size = 16_384
    frame = pl.read_parquet(tmp_path / "many" / "latents.parquet")
    many = pl.concat([frame] * -(-size // len(frame))).head(size).with_columns(latent=pl.int_range(size).cast(pl.UInt32))
    many.write_parquet(tmp_path / "many" / "latents.parquet", row_group_size=2048)
    features._what["size"] = size
    features = _reopened(features)
    torch.manual_seed(0)
    asked = {
        "list": lambda: features.table(sort="density", descending=True, offset=8000, limit=100),
        "filter": lambda: features.count(["density > 0.01", "maximum < 3"]),
        "search": lambda: features.table(text="w7"),
        "record": lambda: features.record(3),
    }
    for name, ask in asked.items():
        ask()
        start = time.process_time()
        ask()
        assert time.process_time() - start < 0.4, name


def _reopened(features):
    from sonde.features.database import descriptions
    from sonde.features.database.storage import Storage

    features.storage = Storage(features.folder)
    features.storage.refresh(descriptions.kept(features.folder))
    return features
