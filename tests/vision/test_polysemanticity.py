"""Units planted to stand for one thing or for two unrelated ones: counted right, with a null, and unchanged by the order of channels."""

import functools
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

import sonde
from sonde.results import CheckRefused, InputError
from sonde.vision import Polysemanticity, dataset_examples, polysemanticity
from sonde.vision.clusters import grouped, silhouettes

CLASSES = 4


def planted(seed, permuted=False):
    """64 detectors of unrelated patterns; unit 0 sums two of them, unit 1 takes one, unit 2 sums two that mean the same class.

    Pictures show noise and one of four patterns; classes 0, 1, 2 follow the patterns 0, 1 and (2 or 3), by detectors and by the units.
    """
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(64, 64, generator=generator)).Q
    order = torch.randperm(64, generator=torch.Generator().manual_seed(seed)) if permuted else torch.arange(64)
    model = nn.Sequential(
        nn.Conv2d(1, 64, 8, bias=False), nn.ReLU(), nn.Conv2d(64, 3, 1), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(3, CLASSES)
    )
    read = torch.zeros(3, 64)
    read[0, 0] = read[0, 1] = read[1, 0] = read[2, 2] = read[2, 3] = 1
    say = torch.tensor([[1.0, 3.0, -1.0], [1.5, -3.0, -1.0], [-1.0, -1.0, 1.0], [0.0, 0.0, 0.0]])
    with torch.no_grad():
        model[0].weight.copy_(basis[order].view(64, 1, 8, 8))
        model[2].weight.copy_(read[:, order].view(3, 64, 1, 1))
        model[2].bias.zero_()
        model[6].weight.copy_(say)
        model[6].bias.zero_()
    noise = 0.04 * torch.randn(1200, 64, generator=generator)
    kind = torch.randint(0, 5, (1200,), generator=generator)
    size = 0.4 + 0.3 * torch.rand(1200, 1, generator=generator)
    flat = noise + torch.where(kind[:, None] < 4, size * basis[kind.clamp(max=3)], 0.0)
    pictures = (0.5 + flat).clamp(0, 1).view(-1, 1, 8, 8)
    return sonde.load(model), pictures, kind.clamp(max=4)


@functools.cache
def found(seed, permuted=False):
    model, pictures, kind = planted(seed, permuted)
    # the grey ground is seen by no detector: what it adds is taken away
    normalise = sonde.vision.Normalisation((0.5,), (1.0,))
    seen = dataset_examples(model, pictures, "2", normalise=normalise, top=200, labels=kind.tolist(), pictured=[0, 1, 2])
    return model, pictures, seen, polysemanticity(model, pictures, seen, "1", draws=60)


@pytest.mark.parametrize("seed", range(3))
def test_two_things_are_two_and_one_is_one(seed):
    *_, result = found(seed)
    assert result.groups == [2, 1, 2]
    assert sorted(result.labels[0]) == ["0", "1"] and result.labels[1] == ["0"] and sorted(result.labels[2]) == ["2", "3"]
    frame = result.to_frame()
    assert frame["silhouette"][0] > frame["cut"][0] and frame["silhouette"][1] <= frame["cut"][1]


def test_what_follows_tells_a_union_from_two_things():
    """Unit 2 joins two cases of one class, whose answers are alike; unit 0 two classes, whose answers are not."""
    model, *_, result = found(0)
    assert result.downstream[2] > 0.95 and result.downstream[0] < 0.5 and math.isnan(float(result.downstream[1]))
    verdicts = result.check(model)
    assert len(verdicts) == 5 and all(verdict.holds for verdict in verdicts)


def test_geometry_and_entropy():
    """Weights of one shared detector of two: cosine 1/sqrt 2; the shares of a dimension by the formula; labels are purest of one thing."""
    *_, result = found(0)
    assert float(result.cosines[0, 1]) == pytest.approx(math.sqrt(0.5), abs=1e-6) and float(result.cosines[0, 2]) == 0
    assert result.coherence.tolist() == pytest.approx([math.sqrt(0.5), math.sqrt(0.5), 0], abs=1e-6)
    assert result.dimension.tolist() == pytest.approx([2 / (2 + 0.5), 1 / (1 + 1), 1], abs=1e-6)
    assert 0 < float(result.entropy[1]) < result.most_entropy <= math.log(5)


def test_the_order_of_channels_does_not_matter():
    *_, one = found(1)
    *_, other = found(1, True)
    assert one.groups == other.groups and torch.allclose(one.silhouette, other.silhouette, atol=1e-4)
    assert torch.equal(one.pictures, other.pictures) and torch.equal(one.group, other.group)


def test_one_gaussian_cloud_is_one_group_and_silhouettes_are_those_of_the_book():
    """Clouds of ten shapes; the chance of groups is 5 % each, so that more than 2 would have one of 1.2 %."""
    clouds = [torch.randn(200, 12, generator=torch.Generator().manual_seed(seed)) * torch.linspace(0.2, 2, 12) for seed in range(10)]
    assert sum(grouped(cloud, draws=40, seed=seed).count > 1 for seed, cloud in enumerate(clouds)) <= 2
    for seed in range(8):  # a rectified layer that answers to one thing, with noise
        generator = torch.Generator().manual_seed(seed)
        points = 0.04 * torch.randn(200, 64, generator=generator)
        points[:, 0] += 0.4 + 0.3 * torch.rand(200, generator=generator)
        assert grouped(nn.functional.normalize(points.relu(), dim=1), draws=20, seed=seed).count == 1
    from sklearn.metrics import silhouette_samples

    points, group = clouds[0][:50, :3], torch.arange(50) % 3
    mine = silhouettes(torch.cdist(points, points)[None], group[None], 3)[0]
    assert torch.allclose(mine, torch.from_numpy(silhouette_samples(points.numpy(), group.numpy())).float(), atol=1e-4)


def test_cross_entropy_prefers_two_things_to_one():
    """Four things as likely as one another and one binary neuron: naming one costs 3/4 ln 3, splitting two and two ln 2."""
    assert 3 / 4 * math.log(3) > math.log(2)


def test_results_are_kept_drawn_and_refused(tmp_path):
    model, pictures, seen, result = found(0)
    kept = Polysemanticity.load(result.save(tmp_path / "result"))
    assert kept.drawing().to_json() == result.drawing().to_json() and kept.interference().kind == "matrix" and kept.drawing().kind == "tabs"
    with pytest.raises(CheckRefused):
        result.check(sonde.load("specimen:digits"))
    after = dataset_examples(model, pictures, "3", normalise=seen.normalise, top=40, pictured=[1])
    some = polysemanticity(model, pictures, after, "1", draws=20)
    assert some.drawing().kind == "scatter" and "no weights of its own" in some.notes[-1] and some.to_frame()["entropy"][0] is None
    with pytest.raises(InputError, match="has no weights of its own"):
        some.interference()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda m, p, s: polysemanticity(m, p, "examples", "1"), "are no dataset examples"),
        (lambda m, p, s: polysemanticity(m, p[:40], s, "1"), "not the pictures that were looked at"),
        (lambda m, p, s: polysemanticity(m, p, s, "1", [9]), "unit 9 was not looked at"),
        (lambda m, p, s: polysemanticity(m, p, s, "1", []), "name some"),
        (lambda m, p, s: polysemanticity(m, p, replace(s, most=replace(s.most, value=0 * s.most.value)), "1"), "fewer than 24 pictures excite 2:0"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(make, words):
    with pytest.raises(InputError, match=words) as refusal:
        make(*found(0)[:3])
    assert "\n" not in str(refusal.value)
