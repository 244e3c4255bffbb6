"""Two real ImageNet networks, of no known family, through the handle: the accuracies of their READMEs, their channels, their gradients."""

import csv

import numpy as np
import pytest
import torch
from data_models import nets
from data_models.shared import DATA, needs

import sonde

Image = pytest.importorskip("PIL.Image", reason="the pictures are read by Pillow")
pytestmark = needs("squeezenet_v1.0_dc", "mobilenet_v2_q", "imagenet_samples")

BGR_MEANS = np.array([104, 117, 123], dtype="float32")


@pytest.fixture(scope="module")
def pictures():
    """The 89 pictures and their classes."""
    with open(DATA / "imagenet_samples" / "labels.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    opened = [Image.open(DATA / "imagenet_samples" / "images" / row["file"]).convert("RGB") for row in rows]
    return opened, torch.tensor([int(row["class_index"]) for row in rows])


def for_squeezenet(picture):
    """The centre of 227 x 227, blue first, minus the means of the channels."""
    left, top = (picture.size[0] - 227) // 2, (picture.size[1] - 227) // 2
    pixels = np.asarray(picture.crop((left, top, left + 227, top + 227)), dtype="float32")[:, :, ::-1] - BGR_MEANS
    return torch.tensor(pixels).permute(2, 0, 1)


def for_mobilenet(picture):
    """The central 87.5 % at 224 x 224, from -1 to 1."""
    width, height = picture.size
    inner = round(0.875 * width), round(0.875 * height)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    small = picture.crop((left, top, left + inner[0], top + inner[1])).resize((224, 224), Image.BILINEAR)
    return torch.tensor((np.asarray(small, dtype="float32") - 127.5) / 127.5).permute(2, 0, 1)


NETS = {
    "squeezenet": (nets.squeezenet, "squeezenet_v1.0_dc", for_squeezenet, (57, 80)),  # of 89: 64.0 % and 89.9 %
    "mobilenet": (nets.mobilenet, "mobilenet_v2_q", for_mobilenet, (70, 86)),  # 78.7 % and 96.6 %
}


@pytest.fixture(scope="module", params=NETS)
def case(request):
    build, folder, prepare, figures = NETS[request.param]
    return request.param, sonde.load(build(DATA / folder)), prepare, figures


def test_the_published_accuracies(case, pictures):
    _, model, prepare, figures = case
    opened, classes = pictures
    images = torch.stack([prepare(picture) for picture in opened])
    top = torch.cat([model.run(part).logits.topk(5).indices for part in images.split(16)])
    assert (int((top[:, 0] == classes).sum()), int((top == classes[:, None]).any(1).sum())) == figures


def test_maps_are_read_as_they_flow(case, pictures):
    """Both nets overwrite their maps by ReLU in place."""
    name, model, prepare, _ = case
    images = torch.stack([prepare(picture) for picture in pictures[0][:2]])
    first, after = ("conv1:out", "pool1:in") if name == "squeezenet" else ("conv00:out", "relu6.conv00:out")
    run = model.run(images, read=[first, after])
    assert run.axes(first) == ("batch", "channel", "row", "col")
    assert (run[first] < 0).any()
    assert torch.equal(run[after], run[first].clamp(0, 6 if name == "mobilenet" else None))
    with torch.no_grad():
        assert torch.equal(run.logits, model.module(images))


def test_channels_by_edits_sweeps_and_gradients(case, pictures):
    name, model, prepare, _ = case
    image, site = prepare(pictures[0][0])[None], "fire9.conv1x1_2:out" if name == "squeezenet" else "conv50:out"

    def metric(run):
        return run.logits[:, 0]

    edits = [sonde.Zero(f"{site}[channel={channel}]") for channel in range(3)]
    sweep = model.sweep(image, edits, metric)
    for edit, values in zip(edits, sweep.values, strict=True):
        assert torch.allclose(metric(model.run(image, edits=[edit])), values, rtol=1e-4, atol=1e-4)
    pixels = image.clone().requires_grad_()
    expected = torch.autograd.grad(model.module(pixels)[:, 0].sum(), pixels)[0]
    assert torch.allclose(model.grad(image, metric, at=":in")[":in"], expected, atol=1e-5 * float(expected.abs().max()))
