"""`sonde dictionary convert` brings dictionaries of other programs into the formats that sonde writes."""

import json

import pytest
import torch
from foreign_dictionaries import D, F, activations, draws, saelens, sparsify
from published import follows

from sonde.cli import main
from sonde.dictionaries import read

X = activations()


def run(capsys, *arguments, code=0):
    assert main(["dictionary", "convert", *map(str, arguments)]) == code
    return capsys.readouterr()


@pytest.fixture
def hooked(tmp_path):
    """A folder of sparsify's with two dictionaries, and one that is cut off."""
    draw = draws()
    for name in ("layers.0", "layers.1"):
        tensors = {"encoder.weight": draw(F, D), "encoder.bias": draw(F), "W_dec": draw(F, D), "b_dec": draw(D)}
        sparsify(tmp_path / "in" / name, {"k": 3}, tensors)
    return tmp_path / "in"


def test_one(capsys, hooked, tmp_path):
    assert "topk 3) of sparsify written to" in run(capsys, hooked / "layers.0", tmp_path / "out").out
    assert torch.allclose(read(tmp_path / "out").reconstruct(X), read(hooked / "layers.0").reconstruct(X), atol=1e-4)
    found = follows(json.loads(run(capsys, hooked, tmp_path / "own", "--part", "layers.1", "--to", "sonde", "--json").out))
    assert found["converted"] == [{"part": "layers.1", "dictionary": "Dictionary(16 latents of 6 entries, topk 3)", "from": "sparsify",
                                   "folder": str(tmp_path / "own")}]  # fmt: skip
    assert read(tmp_path / "own").k == 3


def test_of_many_a_bad_one_is_told_and_the_rest_goes_on(capsys, hooked, tmp_path):
    (hooked / "layers.0" / "sae.safetensors").write_bytes(b"cut off")
    told = run(capsys, hooked, tmp_path / "out", code=2).out
    assert "written to" in told and "not converted: layers.0: " in told and "it is damaged, cut off" in told
    assert read(tmp_path / "out", "layers.1").size == F and not (tmp_path / "out" / "layers.0").exists()
    found = json.loads(run(capsys, hooked, tmp_path / "again", "--json", code=2).out)
    assert [row["part"] for row in found["refused"]] == ["layers.0"]


def test_mistakes_are_one_line(capsys, hooked, tmp_path):
    for arguments, message in [
        ((tmp_path / "nowhere", tmp_path / "out"), "does not exist"),
        ((hooked, tmp_path / "out", "--part", "layers.7"), "does not exist; it has 'layers.0', 'layers.1'"),
        ((hooked / "layers.0", tmp_path / "out", "--to", "onnx"), "format='onnx': choose from sonde, saelens"),
        ((saelens(tmp_path / "t", {"architecture": "temporal"}, {"W": torch.ones(1)}), tmp_path / "out"), "architecture='temporal'"),
    ]:
        told = run(capsys, *arguments, code=2).err
        assert message in told and told.count("\n") == 1 and told.startswith("sonde dictionary: ")
