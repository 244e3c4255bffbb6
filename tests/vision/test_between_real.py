"""Weights between units of two real networks: sources and parts are those of their files, and contributions are the units on any picture."""

import pytest
import torch
from data_models import nets
from data_models.shared import DATA, needs

import sonde
from sonde.vision import feeding, slices, weights_between

pytestmark = needs("squeezenet_v1.0_dc", "mobilenet_v2_q")


def test_squeezenet_is_read_as_its_files_say():
    model = sonde.load(nets.squeezenet(DATA / "squeezenet_v1.0_dc"))
    seen = feeding(model, 64)
    assert seen.source("fire3") == "fire2:out" and seen.source("fire2") == "pool1:out" and seen.readers("fire2") == ["fire3.conv1x1_1"]
    assert [part.said("it") for part in seen.at("fire2:out")] == [
        "channels 0 to 63 of it are fire2.conv1x1_2",
        "channels 64 to 127 of it are fire2.conv3x3_2",
    ]
    found = weights_between(model, "fire3.conv1x1_1", units=[3, 7], size=64)
    assert torch.allclose(found.weight, slices(model, "fire3.conv1x1_1")[[3, 7]], rtol=0, atol=1e-6)
    picture = 100 * torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    run = model.run(picture, read=["fire2:out", "fire3.conv1x1_1:out"])
    for unit in (3, 7):
        given = float(found.contributions(run["fire2:out"][0], unit, 5, 6).sum() + found.bias[found.units.index(unit)])
        largest = float(run["fire3.conv1x1_1:out"].abs().max())
        assert given == pytest.approx(float(run["fire3.conv1x1_1:out"][0, unit, 5, 6]), abs=1e-5 * largest)
    composed = weights_between(model, "fire3", "pool1", units=[100], size=64)
    assert composed.weight.shape == (1, 96, 5, 5) and composed.stride == (1, 1) and composed.passed == ("relu as the identity",)


def test_mobilenet_is_followed_by_what_its_functions_read():
    """Its padding and sums are functions, its separable filters read one channel each."""
    model = sonde.load(nets.mobilenet(DATA / "mobilenet_v2_q"))
    seen = feeding(model, 64)
    assert seen.readers("conv05") == ["conv06", "conv09"]  # one reads it alone, the other its sum with what came of it
    (part,) = seen.at(seen.source("conv09"))
    assert set(part.layers) == {("conv05", 0), ("conv08", 0)}
    found = weights_between(model, "conv04", units=[5], size=64)
    assert found.labels[5] == "conv03:5" and bool((found.weight[0].flatten(1) != 0).any(1).nonzero().flatten().tolist() == [5])
