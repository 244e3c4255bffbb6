"""An artifact comes back as it was, or says in one line why not."""

import json

import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

from sonde.results import Artifact, LoadError, SondeError


@pytest.fixture
def artifact():
    table = torch.arange(6.0).reshape(2, 3)
    return Artifact(
        "example",
        {"k": 5, "name": "Žofie \u2028"},
        {"seed": 0},
        {"table": table, "turned": table.T, "row": table[0], "half": torch.ones(2, dtype=torch.bfloat16)},
        {"scores": pl.DataFrame({"head": [0, 1], "score": [0.5, None]})},
    )


def refused(folder, kind=None):
    with pytest.raises(LoadError) as error:
        Artifact.load(folder, kind)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_it_comes_back_as_it_was(artifact, tmp_path):
    read = Artifact.load(artifact.save(tmp_path / "new" / "example"), kind="example")
    assert (read.kind, read.configuration, read.provenance) == (artifact.kind, artifact.configuration, artifact.provenance)
    assert read.tensors.keys() == artifact.tensors.keys()
    for name, tensor in artifact.tensors.items():
        assert torch.equal(read.tensors[name], tensor) and read.tensors[name].dtype == tensor.dtype
    assert_frame_equal(read.frames["scores"], artifact.frames["scores"])
    assert sorted(p.name for p in (tmp_path / "new" / "example").iterdir()) == ["artifact.json", "scores.parquet", "tensors.safetensors"]


def test_only_an_artifact_is_replaced(artifact, tmp_path):
    folder = artifact.save(tmp_path / "example")
    Artifact("example", {"k": 6}).save(folder)
    assert Artifact.load(folder).configuration == {"k": 6}
    assert [p.name for p in folder.iterdir()] == ["artifact.json"]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.png").write_bytes(b"")
    with pytest.raises(SondeError, match="is no artifact; choose another folder"):
        artifact.save(tmp_path / "photos")


def test_a_write_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        Artifact("example", {"k": float("nan")}).save(tmp_path / "example")
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_old_one(artifact, tmp_path):
    folder = artifact.save(tmp_path / "example")
    with pytest.raises(TypeError):
        Artifact("example", {"k": object()}).save(folder)
    assert Artifact.load(folder).configuration == artifact.configuration
    assert [p.name for p in tmp_path.iterdir()] == ["example"]


def test_the_wrong_kind(artifact, tmp_path):
    assert refused(artifact.save(tmp_path / "example"), "circuit").endswith("keeps a example, not a circuit")


def test_no_artifact(tmp_path):
    assert "is no artifact" in refused(tmp_path / "nowhere")
    (tmp_path / "artifact.json").write_text("{")
    assert "cannot be read as an artifact" in refused(tmp_path)
    (tmp_path / "artifact.json").write_text("[]")
    assert "cannot be read as an artifact" in refused(tmp_path)


@pytest.mark.parametrize("name", ["tensors.safetensors", "scores.parquet"])
def test_a_changed_file(artifact, tmp_path, name):
    folder = artifact.save(tmp_path / "example")
    data = bytearray((folder / name).read_bytes())
    data[-1] ^= 1
    (folder / name).write_bytes(data)
    assert f"{name} was changed after it was written" in refused(folder)
    (folder / name).unlink()
    assert f"lacks its file '{name}'" in refused(folder)


@pytest.mark.parametrize("change", [{"configuration": {"k": 6}}, {"kind": "circuit"}, {"provenance": {}}, {"checksums": {}}])
def test_a_changed_manifest(artifact, tmp_path, change):
    folder = artifact.save(tmp_path / "example")
    rewrite(folder, **change)
    assert "was changed after it was written" in refused(folder)


def test_a_newer_schema(artifact, tmp_path):
    folder = artifact.save(tmp_path / "example")
    rewrite(folder, schema=99)
    assert "written with schema 99" in refused(folder) and "install a newer sonde" in refused(folder)


def rewrite(folder, **change):
    path = folder / "artifact.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
