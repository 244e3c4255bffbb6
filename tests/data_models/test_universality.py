"""Two real networks on the same photographs, each scaled in its own way: early units recur above both controls, and layers are alike in order."""

import pytest
from data_models import nets
from data_models.shared import DATA, needs

from sonde.access import Model
from sonde.vision import Normalisation, match_units, similarity

pytestmark = needs("squeezenet_v1.0_dc", "mobilenet_v2_q", "imagenet_samples")
HOW = {
    "normalise": Normalisation((104.0, 117.0, 123.0), scale=255.0, order="bgr"), "other_normalise": Normalisation((0.5,), (0.5,)), "size": 99,
    "other_size": 96,
}  # fmt: skip


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The networks, and a folder of every fourth photograph."""
    folder = tmp_path_factory.mktemp("photographs")
    for file in sorted((DATA / "imagenet_samples" / "images").glob("*.jpg"))[::4]:
        (folder / file.name).symlink_to(file)
    squeezenet = Model(nets.squeezenet(DATA / "squeezenet_v1.0_dc"), name="SqueezeNet")
    return squeezenet, Model(nets.mobilenet(DATA / "mobilenet_v2_q"), name="MobileNetV2"), folder


def test_units_of_one_stride_and_field_recur_above_both_controls(pair):
    model, other, pictures = pair
    found = match_units(model, "fire2", other, "relu6.conv07", pictures, samples=3000, **HOW)
    assert found.grid == (23, 23) and found.recurring()[0] > 0.9
    assert float(found.held.nanmean()) > 5 * float(found.null_held.nanmean())
    assert [verdict.holds for verdict in found.check(model, other, pictures, draws=3)] == [True, True]


def test_early_layers_are_most_like_early_layers(pair):
    model, other, pictures = pair
    found = similarity(model, ["conv1_relu", "fire4"], other, ["relu6.conv00", "relu6.conv16"], pictures, samples=1500, draws=4, **HOW)
    debiased = found.values[0]
    assert debiased.argmax(1).tolist() == [0, 1] and (found.null[0].amax(0) < debiased).all() and float(found.null[0].max()) < 0.2
