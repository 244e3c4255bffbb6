"""Dataset examples beside brute force, a planted unit whose largest pictures lie about it, and receptive fields beside the support of gradients."""

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

import sonde
from sonde.results import InputError, SondeError, UnknownSite
from sonde.vision import DatasetExamples, dataset_examples, examples, receptive_field

COUNT, SIDE = 2000, 6


def network(relu=True):
    """Five units over pictures of six pixels; of the last the bias lets few through, and the fourth is dead."""
    torch.manual_seed(0)
    conv = nn.Conv2d(1, 5, 3)
    with torch.no_grad():
        conv.bias.copy_(torch.tensor([0.1, 0.0, -0.2, -50.0, -0.4]))
        conv.weight[4] *= 2
    return sonde.load(nn.Sequential(conv, nn.ReLU()) if relu else nn.Sequential(conv))


def pictures(count=COUNT):
    """Noise of few greys, some pictures twice, so that values tie."""
    noise = torch.randint(0, 4, (count, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(1)) / 3
    noise[count // 2 : count // 2 + 20] = noise[:20]
    return noise


@pytest.mark.parametrize(("relu", "batch_size"), [(True, 1), (True, 7), (True, 64), (False, 64)])
def test_one_pass_equals_brute_force(relu, batch_size):
    """Largest, smallest, counts and the random pictures of each level, from all values at once; ties go to the earlier picture."""
    count = 300 if batch_size == 1 else COUNT
    model, data = network(relu), pictures(count)
    found = dataset_examples(model, data, "1" if relu else "0", normalise="none", batch_size=batch_size, seed=3)
    # one forward for all differs from those of small batches in the last bit, which would undo ties
    maps = torch.cat([model.run(part, read=["0:out"])["0:out"] for part in data.split(batch_size)])
    flat = (maps.clamp(min=0) if relu else maps).flatten(2).numpy()
    high, low = flat.max(2), flat.min(2)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(3)).numpy()
    for unit in range(5):
        expected = np.lexsort((np.arange(count), -high[:, unit]))[:20]
        assert found.most.number[unit].tolist() == expected.tolist()
        assert found.most.value[unit].tolist() == high[expected, unit].tolist()
        places = flat[expected, unit].argmax(1)
        assert found.most.place[unit].tolist() == [[place // 4, place % 4] for place in places]
        assert found.least.number[unit].tolist() == np.lexsort((np.arange(count), low[:, unit]))[:20].tolist()
        silent = np.flatnonzero(high[:, unit] == 0)
        assert int(found.silences[unit]) == len(silent)
        assert [n for n in found.silent.number[unit].tolist() if n >= 0] == sorted(silent, key=lambda n: order[n])[:5]
        edges = found.edges[unit][~found.edges[unit].isnan()].double().numpy()
        for level, (start, end) in enumerate(itertools.pairwise(edges)):
            inside = np.flatnonzero((high[:, unit] >= start) & (high[:, unit] < end) & (high[:, unit] != 0))
            assert int(found.counts[unit, level]) == len(inside)
            assert [n for n in found.at_level.number[unit, level].tolist() if n >= 0] == sorted(inside, key=lambda n: order[n])[:5]
        if unit != 3:  # dead, or of a range that is narrow beside its distance from zero
            assert 9 <= len(edges) - 1 <= 10 and edges[-2] <= high[:, unit].max() < edges[-1]
            assert len(set(np.diff(edges))) == 1
    assert found.counts.sum(1).add(found.silences).tolist() == [count] * 5 == found.bins.sum(1).add(found.silences).tolist()
    if relu:
        assert any("unit 3 never left zero" in note for note in found.notes) and float(found.density[3]) == 0 and found.edges[3].isnan().all()


def test_the_largest_alone_lie_about_a_unit_of_two_meanings():
    """Class A reaches all strengths, class B the lower ones: the top twenty are all A, and the share of A rises from level to level."""
    count = 1500
    generator = torch.Generator().manual_seed(0)
    is_a = torch.rand(count, generator=generator) < 0.5
    strength = torch.rand(count, generator=generator)
    strength = torch.where(is_a, strength.sqrt(), 0.7 * (1 - strength.sqrt()))  # densities that rise and fall linearly
    data = strength[:, None, None, None].expand(-1, 1, 2, 2)
    model = sonde.load(nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU()))
    with torch.no_grad():
        model.module[0].weight.fill_(1.0)
    names = ["A" if one else "B" for one in is_a]
    found = dataset_examples(model, data, "1", normalise="none", labels=names)
    label, frame = found.purity(0)
    assert label == "A" and all(names[n] == "A" for n in found.most.number[0])
    purity = frame["purity"].to_list()
    assert purity == sorted(purity) and purity[0] < 0.2 and purity[-1] == 1
    exact = Counter((names[n], int(np.searchsorted(found.edges[0].numpy(), float(strength[n]), "right")) - 1) for n in range(count) if strength[n])
    assert found.by_label[0].tolist() == [[exact["A", level], exact["B", level]] for level in range(10)]
    boxed, labelled = found.check(model, data)
    assert labelled.holds and labelled.measured == 1 and boxed.holds is None  # pictures of two pixels are too small to tell
    mixed = dataset_examples(model, data, "1", normalise="none", labels=names[::-1])  # labels that have nothing to do with the unit
    assert not mixed.check(model, data)[1].holds
    shares = mixed.purity(0)[1]["purity"].to_list()
    assert shares != sorted(shares)


@pytest.mark.parametrize("middle", [nn.AvgPool2d(3, 2, ceil_mode=True), nn.Conv2d(4, 4, 5, stride=3, padding=1), nn.Conv2d(4, 4, 3, dilation=2)])
def test_boxes_are_the_support_of_the_gradient(middle):
    """Of networks whose weights are all above zero, so that no slope vanishes."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 4, 3, stride=2, padding=1), middle, nn.Conv2d(4, 3, 3, padding=1))
    for weight in module.parameters():
        nn.init.uniform_(weight, 0.1, 1)
    model, size = sonde.load(module), (41, 30)
    field = receptive_field(model, "2:out", 2, size)
    picture = torch.rand(1, 2, *size, requires_grad=True)
    maps = module(picture)
    assert not field.whole and field.places == tuple(maps.shape[2:])
    for row, col in ((0, 0), (maps.shape[2] // 2, maps.shape[3] // 2), (maps.shape[2] - 1, maps.shape[3] - 1)):
        (slope,) = torch.autograd.grad(maps[0, 0, row, col], picture, retain_graph=True)
        rows, cols = (slope[0].abs().sum((0, axis)).nonzero()[:, 0] for axis in (2, 1))
        assert field.box(row, col) == (int(rows[0]), int(cols[0]), int(rows[-1]) + 1, int(cols[-1]) + 1)


def test_boxes_do_not_depend_on_what_is_off():
    """Where a rectifier or a maximum hides pixels from the gradient they could still matter; and what sees all has the whole picture."""
    model = sonde.load(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(2), nn.Hardtanh()))
    with torch.no_grad():
        model.module[0].bias.fill_(-100.0)
        model.module[0].weight.zero_()
    assert receptive_field(model, "4:out", 1, (20, 20)).box(2, 3) == (4, 6, 8, 10)
    everything = sonde.load(nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)))
    assert (
        receptive_field(everything, "1:out", 1, (12, 12)).box(0, 0) == receptive_field(everything, "3:out", 1, (12, 12)).box(0, 0) == (0, 0, 12, 12)
    )


def test_boxes_hold_what_drives_a_unit_and_wrong_ones_do_not():
    from dataclasses import replace

    model, data = network(), pictures(200)
    found = dataset_examples(model, data, "1", [0, 2], normalise="none")
    assert all(verdict.holds for verdict in found.check(model, data))
    shifted = replace(found, field=replace(found.field, rows=(1, 1, 3)))  # a pixel lower than they are
    assert not any(verdict.holds for verdict in shifted.check(model, data))
    with pytest.raises(SondeError, match="was computed on the model"):
        found.check(network(relu=False), data)
    with pytest.raises(InputError, match="not the pictures"):
        found.check(model, data[:2])


def test_an_interrupted_pass_goes_on(tmp_path, monkeypatch):
    model, data, how = network(), pictures(60), {"normalise": "none", "batch_size": 20, "folder": tmp_path}
    own, done = examples._passed, []

    def interrupted(*arguments):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(arguments[-1])
        return own(*arguments)

    monkeypatch.setattr(examples, "_passed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        dataset_examples(model, data, "1", **how)
    done.clear()
    went_on = dataset_examples(model, data, "1", **how)
    assert done == [range(40, 60)]
    monkeypatch.setattr(examples, "_passed", own)
    whole = dataset_examples(model, data, "1", **how | {"folder": tmp_path / "other"})
    assert torch.equal(went_on.most.number, whole.most.number) and torch.equal(went_on.counts, whole.counts) and went_on.recipe == whole.recipe
    with pytest.raises(SondeError, match="another job"):
        dataset_examples(model, data.flip(0), "1", **how)


def folder_of(place):
    """Files of two folders, one grey and one of colours, beside a broken one, one of a wrong mode, and one that is no picture."""
    image = pytest.importorskip("PIL.Image")
    draw = np.random.default_rng(0)
    for name, mode, size in (("a/1.png", "L", (12, 8)), ("a/2.png", "RGB", (9, 9)), ("b/3.png", "RGB", (8, 16)), ("b/4.png", "RGBA", (8, 8))):
        (place / name).parent.mkdir(exist_ok=True, parents=True)
        image.frombytes(mode, size, draw.integers(0, 256, (size[0] * size[1] * len(mode),), dtype=np.uint8).tobytes()).save(place / name)
    (place / "b" / "5.png").write_bytes((place / "b" / "3.png").read_bytes()[:60])
    (place / "read me.txt").write_text("no picture")
    return place


def test_broken_files_are_named_and_the_rest_goes_on(tmp_path):
    place = folder_of(tmp_path / "some")
    model = sonde.load(nn.Sequential(nn.Conv2d(3, 2, 3)))
    found = dataset_examples(model, place, "0", normalise="none", size=8, labels="folders", batch_size=2)
    assert found.count == 3 and sorted(found.broken) == ["b/4.png", "b/5.png", "read me.txt"]
    assert "has the mode RGBA" in found.broken["b/4.png"] and "3 of 6 files were left out" in found.notes[0]
    assert "brought to 8 x 8 pixels" in found.notes[1]
    assert {found.names[n] for n in found.most.number[0] if n >= 0} == {"a/1.png", "a/2.png", "b/3.png"}
    assert found.labels == [".", "a", "b"] and len(found.check(model, place)) == 4
    kept = DatasetExamples.load(found.save(tmp_path / "kept"))
    assert kept.drawing().to_json() == found.drawing().to_json() and kept.to_frame().equals(found.to_frame()) and kept.field == found.field
    assert kept.histogram().kind == kept.purities().kind == "tabs"
    with pytest.raises(InputError, match="differ in size"):
        dataset_examples(model, place, "0", normalise="none")
    for name in ("a/1.png", "a/2.png", "b/3.png"):
        (place / name).unlink()
    with pytest.raises(InputError, match="none of the 3 files is a picture"):
        dataset_examples(model, place, "0", normalise="none", size=8)


@pytest.mark.parametrize(
    ("given", "how", "error", "words"),
    [
        (torch.rand(4, 6, 6), {}, InputError, "the shape 4 x 6 x 6"),
        (255 * torch.rand(4, 1, 6, 6), {}, InputError, "pixels lie from 0 to 1, and those of picture 0"),
        (torch.rand(0, 1, 6, 6), {}, InputError, "the shape 0 x 1 x 6 x 6"),
        ("nowhere", {}, InputError, "no folder of pictures"),
        (None, {"units": [9]}, InputError, "there is no unit 9 at '1': it has 5"),
        (None, {"units": [1, 1]}, InputError, "each once"),
        (None, {"units": [1], "pictured": [2]}, InputError, "pictured=2"),
        (None, {"layer": "7"}, UnknownSite, "7"),
        (None, {"top": 0}, InputError, "top=0"),
        (None, {"levels": 1.5}, InputError, "levels=1.5"),
        (None, {"labels": ["a"]}, InputError, "1 labels and 4 pictures"),
        (None, {"labels": "folders"}, InputError, "for a folder of files"),
        (None, {"normalise": None}, InputError, "state it with normalise="),
        (None, {"size": 9}, InputError, "size="),
        (torch.rand(4, 3, 6, 6), {}, SondeError, "can't take|channels"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(given, how, error, words):
    how = {"layer": "1", "normalise": "none"} | how
    with pytest.raises(error, match=words) as refusal:
        dataset_examples(network(), torch.rand(4, 1, 6, 6) if given is None else given, how.pop("layer"), how.pop("units", None), **how)
    assert "\n" not in str(refusal.value)
