"""Results are saved and read back whole, refuse another model, and print well."""

import json
import math
from dataclasses import dataclass
from types import SimpleNamespace

import polars as pl
import pytest
import torch
from jaxtyping import Float
from polars.testing import assert_frame_equal
from torch import Tensor

from sonde.results import CheckRefused, Drawing, LoadError, Recipe, Result, SondeError, Verdict


@dataclass(frozen=True)
class Part:
    site: str
    effect: float


@dataclass(frozen=True, eq=False, repr=False)
class Example(Result):
    values: Float[Tensor, "layer pos"]
    names: tuple[str, ...]
    details: object = None

    def to_frame(self) -> pl.DataFrame:
        return pl.DataFrame({"value": self.values.flatten().tolist()})

    def drawing(self) -> Drawing:
        return Drawing("table", "an example", "", {})


@dataclass(frozen=True, eq=False, repr=False)
class Other(Example):
    pass


VERDICT = Verdict("It matters.", "drop, share", 0.8, 0.1, (0.5, 0.9), 12, "greater", 0.2, "convention")
UNTESTED = Verdict("It matters.", "drop, share", None, None, None, 0, "greater", 0.2, "convention", reason="no sibling prompts")


def make(cls=Example, details=None):
    recipe = Recipe.of("sonde.example", {"k": 5, "sites": ("embed",)}, model_hash="a" * 16, inputs=["The keys"], seed=3)
    return cls(torch.arange(6.0).reshape(2, 3), ("a", "b", "c"), details, recipe=recipe)


@pytest.mark.parametrize(
    "details",
    [
        None,
        (1, [2.5, True, "x"], ("y",)),
        {"verdicts": [VERDICT, UNTESTED], "parts": (Part("blocks.0.attn.z[head=1]", 0.5),)},
        {(0, 1): "head 0.1", "$odd": "key"},
        {"inf": math.inf, "low": -math.inf},
    ],
)
def test_it_comes_back_as_it_was(details, tmp_path):
    result = make(details=details)
    read = Result.load(result.save(tmp_path / "r"))
    assert type(read) is Example
    assert torch.equal(read.values, result.values)
    assert (read.names, read.details, read.recipe) == (result.names, details, result.recipe)


def test_tensors_and_frames_lie_beside(tmp_path):
    frame = pl.DataFrame({"head": [1, 2]})
    inner = make()
    folder = make(details={"frame": frame, "inner": inner, "rows": [torch.ones(2), torch.zeros(1, dtype=torch.int64)]}).save(tmp_path / "r")
    details = Example.load(folder).details
    assert_frame_equal(details["frame"], frame)
    assert torch.equal(details["inner"].values, inner.values) and details["inner"].recipe == inner.recipe
    assert torch.equal(details["rows"][0], torch.ones(2)) and details["rows"][1].dtype == torch.int64
    assert {p.suffix for p in folder.iterdir()} == {".json", ".safetensors", ".parquet"}


def test_nan_survives(tmp_path):
    assert math.isnan(Result.load(make(details=math.nan).save(tmp_path / "r")).details)


def test_a_subclass_loads_only_its_own(tmp_path):
    folder = make(Other).save(tmp_path / "r")
    assert type(Example.load(folder)) is Other
    with pytest.raises(LoadError, match=r"keeps a .*Example, not a .*Other"):
        Other.load(make().save(tmp_path / "e"))


def test_what_cannot_be_kept_is_named(tmp_path):
    with pytest.raises(SondeError, match=r"^details\.0 is a function"):
        make(details=[lambda: None]).save(tmp_path / "r")


def test_a_file_cannot_choose_what_is_built(tmp_path):
    from sonde.results.artifact import Artifact

    for kind in ("os.system", "subprocess.Popen", "sonde.results.Nothing", "sonde.nowhere.Result", "builtins.dict"):
        folder = Artifact(kind, {}, {}).save(tmp_path / kind)
        with pytest.raises(LoadError, match="nothing here is called"):
            Result.load(folder)


def test_other_fields_are_named(tmp_path):
    from sonde.results.artifact import Artifact

    whole = Artifact.load(make().save(tmp_path / "r"))
    folder = Artifact(whole.kind, {"values": whole.configuration["values"]}, whole.provenance, whole.tensors).save(tmp_path / "s")
    with pytest.raises(LoadError, match=r"other fields .*\(details, names\)"):
        Result.load(folder)


def test_another_model_is_refused():
    assert make().check(SimpleNamespace(hash="a" * 16)) == []
    with pytest.raises(CheckRefused, match="computed on the model aaaaaaaa, and the model given is bbbbbbbb"):
        make().check(SimpleNamespace(hash="b" * 16))


def test_it_prints_well():
    assert repr(make(details=torch.tensor(0.25))).splitlines() == [
        "Example",
        "  values   float32 2 x 3",
        "  names    ('a', 'b', 'c')",
        "  details  0.25",
        "  by sonde.example(k=5, sites=['embed']), seed 3, model aaaaaaaa, inputs " + make().recipe.inputs_hash[:8],
    ]
    assert all(len(line) < 140 for line in repr(make(details=list(range(500)))).splitlines())


def test_a_recipe_is_plain_data():
    recipe = Recipe.of("f", {"x": torch.zeros(2), "of": make, "parts": [Part("s", 1.0)]}, model_hash="m", inputs=torch.zeros(1, 3))
    assert json.loads(json.dumps(recipe.arguments)) == recipe.arguments
    assert recipe.arguments["x"].startswith("tensor [2] ")
    assert recipe.arguments["of"].endswith("test_result.make")
    assert {"python", "sonde", "torch"} <= recipe.versions.keys()
