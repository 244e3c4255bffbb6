"""The pages' data: what a list says, how a feature is held, and a file that holds all of it."""

import base64
import json
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from features.planted import Planted
from views.extremes import HOSTILE

from sonde.features import pages, records
from sonde.features.pages import statistics
from sonde.features.pages.rows import best
from sonde.results import InputError
from sonde.views import frames

TYPES = Path(__file__).parents[2] / "web/src/features/types.ts"


@pytest.fixture
def stub_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "asset", lambda name: "")


def blocks(source: str) -> dict[str, str]:
    return dict(re.findall(r'<script type="text/plain" id="([^"]*)">([^<]*)</script>', source))


def data(source: str) -> pages.Site:
    (content,) = re.findall(r'<script type="application/json" id="sonde-data">(.*?)</script>', source, flags=re.DOTALL)
    return json.loads(content)


def opened(block: str) -> dict:
    return json.loads(zlib.decompress(base64.b64decode(block)))


def test_a_file_holds_every_feature_whole(stub_bundle: None, tmp_path: Path) -> None:
    planted = Planted()
    source = pages.export(planted, tmp_path / "some" / "pages.html", title="Planted", effects=planted.effects).read_text(encoding="utf-8")
    kept = {name: opened(block) for name, block in blocks(source).items()}
    assert list(kept) == [f"latent-{latent}" for latent in range(6)]
    for latent in range(6):
        assert kept[f"latent-{latent}"] == {"feature": pages.rounded(planted.record(latent)), "effects": pages.rounded(planted.effects(latent))}
    assert data(source)["latents"] == list(range(6))
    assert not list(tmp_path.rglob("*.part"))


def test_some_features_in_the_order_asked_for(stub_bundle: None, tmp_path: Path) -> None:
    planted = Planted()
    source = pages.export(planted, tmp_path / "pages.html", [4, 1, 4]).read_text(encoding="utf-8")
    assert list(blocks(source)) == ["latent-4", "latent-1"]
    found = data(source)
    (density,) = [column for column in found["table"]["columns"] if column["name"] == "density"]
    assert np.frombuffer(base64.b64decode(density["values"]), "<f4") == pytest.approx([0, planted.statistics(1)["density"]])
    assert opened(blocks(source)["latent-1"])["effects"] is None


@pytest.mark.parametrize("latents, words", [([6], "6 are not there: choose from 0 to 5"), ([-1], "-1 are not there"), ([], "no features")])
def test_features_that_are_not_there(stub_bundle: None, tmp_path: Path, latents: list[int], words: str) -> None:
    with pytest.raises(InputError, match=words):
        pages.export(Planted(), tmp_path / "pages.html", latents)
    assert not (tmp_path / "pages.html").exists()


def test_a_file_that_fails_leaves_the_old_one(stub_bundle: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pages.export(Planted(), tmp_path / "pages.html", [0])
    before = path.read_text(encoding="utf-8")

    def torn(*_: object) -> object:
        yield "half a page"
        raise OSError("disk full")

    monkeypatch.setattr("sonde.features.pages.single_file.browser", torn)
    with pytest.raises(OSError, match="disk full"):
        pages.export(Planted(), path, [1])
    assert path.read_text(encoding="utf-8") == before
    assert [file.name for file in tmp_path.iterdir()] == ["pages.html"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_leaves_its_place(stub_bundle: None, tmp_path: Path, text: str) -> None:
    planted = Planted(texts=[text] * 16, rules=[text] * 6)
    source = pages.export(planted, tmp_path / "p.html", title=text, extras={"prompts": [planted.active(text)]}).read_text(encoding="utf-8")
    assert source.lower().count("<script") == 2 + 6  # the data, the script, and a block for each feature
    assert source.lower().count("</script") == 2 + 6
    assert "<!--" not in source
    assert data(source)["title"] == text
    assert opened(blocks(source)["latent-0"])["feature"]["strongest"][0]["tokens"][0] == text


def test_numbers_that_json_does_not_know_are_refused() -> None:
    record = Planted().record(0)
    record["statistics"]["mean"] = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        pages.held(record, None)


def test_a_row_says_where_a_feature_is_strongest() -> None:
    planted = Planted()
    row = pages.row_of(planted.record(0))
    assert row["tokens"] == [" cat"]
    strongest = planted.record(0)["strongest"][0]
    assert row["glance"] is not None
    at = row["glance"]["at"]
    assert row["glance"]["tokens"][at] == " cat"
    assert row["glance"]["values"][at] == max(strongest["values"]) == planted.values[..., 0].max()
    silent = pages.row_of(planted.record(4))
    assert silent["glance"] is None
    assert silent["tokens"] == []


def test_the_best_description_is_a_persons_then_the_best_scored() -> None:
    one, two, person = (
        records.Description(text=text, author=author, scores=scores, controls={}, note="")
        for text, author, scores in (("one", "a", {"detection": 0.6}), ("two", "b", {"detection": 0.9, "fuzzing": None}), ("mine", "human", {}))
    )
    assert best([]) is None
    assert best([one, two]) == two
    assert best([one, two, person]) == person


def test_unknown_numbers_are_nan_and_not_zero() -> None:
    table = Planted().table()
    (mean,) = [column for column in statistics.columns(table, [4, 0]) if column["name"] == "mean"]
    values = np.frombuffer(base64.b64decode(mean["values"]), "<f4")
    assert np.isnan(values[0])
    assert values[1] > 0


def test_each_feature_hangs_below_the_nearest_one() -> None:
    draw = torch.Generator().manual_seed(5)
    small = torch.randn(5, 16, generator=draw)
    order = [3, 3, 0, 4, 1, 1, 2]
    large = 2 * small[order] + 0.1 * torch.randn(7, 16, generator=draw)
    sizes = [pages.Size(name=name, directions=of, labels=[""] * len(of), here=False) for name, of in (("large", large), ("small", small))]
    first, second = pages.levels(sizes)
    assert (first["name"], second["name"]) == ("small", "large")
    assert second["parents"] == order
    assert min(cosine for cosine in second["cosines"] if cosine is not None) > 0.9
    assert first["parents"] == [None] * 5


def test_sizes_that_make_no_tree() -> None:
    with pytest.raises(InputError, match="entries"):
        pages.levels([pages.Size(name=str(width), directions=torch.ones(1, width), labels=[""], here=False) for width in (3, 4)])
    with pytest.raises(InputError, match="2 labels for the 1 latents of a"):
        pages.levels([pages.Size(name="a", directions=torch.ones(1, 3), labels=["", ""], here=False)])


def test_alike_directions_lie_together() -> None:
    draw = torch.Generator().manual_seed(7)
    centres = torch.nn.functional.normalize(torch.randn(3, 32, generator=draw), dim=1)
    found = pages.plane(centres.repeat_interleave(20, 0) + 0.05 * torch.randn(60, 32, generator=draw))
    x, y = (torch.frombuffer(bytearray(base64.b64decode(found[axis])), dtype=torch.float32) for axis in ("x", "y"))
    apart = torch.cdist(torch.stack([x, y], 1), torch.stack([x, y], 1)) + 1e9 * torch.eye(60)
    groups = torch.arange(3).repeat_interleave(20)
    assert (groups[apart.argmin(1)] == groups).all()
    shuffled = groups[torch.randperm(60, generator=draw)]
    assert (shuffled[apart.argmin(1)] == shuffled).float().mean() < 0.7  # the control: labels that mean nothing
    with pytest.raises(InputError, match="3 directions"):
        pages.plane(torch.eye(3))


def test_the_browser_knows_the_same_fields() -> None:
    declared = {
        name: set(re.findall(r"^  (\w+)\??:", body, flags=re.MULTILINE))
        for name, body in re.findall(r"^export interface (\w+) \{\n(.*?)^\}", TYPES.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    }
    kinds = [getattr(records, name) for name in dir(records) if hasattr(getattr(records, name), "__required_keys__")]
    kinds += [pages.Baseline, pages.Comparison, pages.Glance, pages.Level, pages.Match, pages.Plane, pages.Site, statistics.Column]
    assert len(kinds) > 20
    named = {"Record": "Feature"}
    for kind in kinds:
        name = named.get(kind.__name__, kind.__name__)
        if name != "Baseline":  # declared inside Comparison
            assert declared[name] == set(kind.__annotations__), name
