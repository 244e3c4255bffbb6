"""Feature visualisation on units whose best picture is known; and what must fail: random pictures, shuffled weights, dead units."""

import functools

import pytest
import torch
from torch import nn
from vision.planted import ANGLES, FREQUENCY, PLAIN, SIDE, bank, dominant, linear, optimum

import sonde
from sonde.bases import Neurons
from sonde.results import InputError, SiteUnavailable, SondeError, UnknownSite
from sonde.results.drawing import Drawing
from sonde.vision import (
    CPPN,
    Channel,
    Class,
    Direction,
    Diversity,
    Fourier,
    Layer,
    Neuron,
    Normalisation,
    Shared,
    Smoothness,
    Visualisation,
    show,
    spectrum,
)

STEPS = 192


@functools.cache
def found(made):
    """Pictures of the four linear units, without transforms."""
    model, weights = linear()
    return show(model, [Neuron("0", unit) for unit in range(4)], of=made, transforms=(), normalise="none", steps=STEPS), weights


@pytest.mark.parametrize(("made", "least"), [(PLAIN, 0.95), (Fourier(SIDE), 0.65), (Fourier(SIDE, colours="grey"), 0.65)])
def test_the_best_picture_of_a_linear_unit_is_reached(made, least):
    """The sum of the positive weights bounds what a picture of 0 to 1 can reach."""
    result, weights = found(made)
    for unit, reached in enumerate(result.reached.tolist()):
        assert least <= reached / optimum(weights, unit) <= 1 + 1e-5


def test_random_pictures_reach_next_to_nothing():
    """The control: the best of 20,000."""
    _, weights = found(PLAIN)
    generator = torch.Generator().manual_seed(0)
    best = torch.full((4,), -1.0)
    for _ in range(20):
        pictures = torch.rand(1000, 3 * SIDE * SIDE, generator=generator)
        best = torch.maximum(best, (pictures @ weights.flatten(1).T).amax(0))
    assert all(float(best[unit]) / optimum(weights, unit) <= 0.15 for unit in range(4))


@pytest.mark.parametrize("made", [PLAIN, Fourier(SIDE)])
def test_the_picture_has_the_planted_frequency_and_angle(made):
    result, _ = found(made)
    for angle, picture in zip(ANGLES, result.pictures, strict=True):
        frequency, turned, _ = dominant(picture)
        assert abs(frequency - FREQUENCY) <= 1 / SIDE  # a step of the spectrum's grid
        assert turned == pytest.approx(angle)


def test_a_network_of_shuffled_weights_has_no_grating():
    """The null: the strongest wave holds far less of the power than that of the planted grating."""
    model, _ = linear(shuffled=True)
    null = show(model, [Neuron("0", unit) for unit in range(4)], of=PLAIN, transforms=(), normalise="none", steps=STEPS)
    result, _ = found(PLAIN)
    assert max(dominant(picture)[2] for picture in null.pictures) < 0.05
    assert min(dominant(picture)[2] for picture in result.pictures) > 0.15


def test_the_first_draw_falls_with_frequency():
    """The slope of amplitude by frequency, both logarithmic, is -1."""
    of = Fourier(128, colours="plain")
    plane = of.plane(of.start(8, torch.Generator().manual_seed(0)))
    amplitude = torch.fft.rfft2(plane).abs().square().mean((0, 1)).sqrt()
    radius = (torch.fft.fftfreq(128)[:, None].square() + torch.fft.rfftfreq(128).square()).sqrt()
    kept = (radius > 2 / 128) & (radius < 0.5)
    x, y = radius[kept].log(), amplitude[kept].log()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    assert float(slope) == pytest.approx(-1, abs=0.05)


def test_pictures_survive_shifts_and_their_spectrum_alone_does_not_do():
    robust = show(bank(), [Channel("1", unit) for unit in range(4)], of=Fourier(48), normalise="none", steps=48)
    verdicts = robust.check(bank(), draws=0)
    assert len(verdicts) == 4 and all(verdict.holds for verdict in verdicts)


def test_pictures_come_from_the_weights():
    model = bank()
    verdicts = show(model, Channel("1", 1), of=Fourier(32), normalise="none", steps=48).check(model, copies=8, draws=3)
    assert [verdict.holds for verdict in verdicts] == [True, True]
    with pytest.raises(SondeError, match="was computed on the model"):
        found(PLAIN)[0].check(model)


def test_a_minimum_is_the_maximum_of_minus_one():
    """The negative of a linear unit without mean: its best picture is the other's complement."""
    model, weights = linear()
    both = show(model, [Neuron("0", 0), -Neuron("0", 0)], of=PLAIN, transforms=(), normalise="none", steps=STEPS)
    assert float(both.reached[1]) / float((-weights[0]).clamp(min=0).sum()) > 0.95
    assert float((both.pictures[0] + both.pictures[1] - 1)[(weights[0].abs() > 0.1)].abs().max()) < 0.1
    assert both.names == ["0:0 in the middle", "-0:0 in the middle"]


def test_objectives_add_up():
    """A sum's value is the sum of its parts', also with a weight for each picture; the end of a row is its unit's picture."""
    model, _ = linear()
    row = show(model, spectrum(Neuron("0", 0), Neuron("0", 2), n=3), of=Shared(PLAIN, (2,)), transforms=(), normalise="none", steps=96)
    assert row.pictures.shape == (3, 3, SIDE, SIDE) and row.group == [0, 0, 0]
    for t, terms, reached in zip((0, 0.5, 1), row.terms, row.reached.tolist(), strict=True):
        first, second = terms.values()
        assert reached == pytest.approx((1 - t) * first + t * second, rel=1e-4)
    firsts, seconds = ([list(terms.values())[i] for terms in row.terms] for i in (0, 1))
    assert firsts == sorted(firsts, reverse=True) and seconds == sorted(seconds)
    assert str(2 * (Channel("a", 1) - 0.5 * Channel("b", 2))) == "2 a:1 - b:2"
    with pytest.raises(InputError, match="of 2 and 4 pictures"):
        [1.0, 0.0] * Channel("a", 1) + Diversity("a", 4)


def test_a_direction_and_a_coordinate_are_units_too():
    """The first axis as a direction is the first unit; an attached basis has coordinates that are climbed like channels."""
    model = bank(relu=False)
    how = {"of": Fourier(24), "transforms": (), "normalise": "none", "steps": 8}
    vector = torch.eye(4)[2]
    along = show(model, Direction("0", vector), **how).pictures
    assert torch.allclose(show(model, Channel("0", 2), **how).pictures, along, atol=1e-5)
    assert not torch.allclose(show(model, Direction("0", vector[:, None, None]), **how).pictures, along, atol=1e-2)  # one place in the middle
    attached = model.attach("0:out", Neurons(4), name="own")
    assert torch.allclose(show(attached, Channel("0:out.own", 2), **how).pictures, along, atol=1e-5)
    assert show(attached, Channel("0:out.own", 2), **how).check(attached, copies=8, draws=2)[1].n == 8


def test_diverse_pictures_differ_more():
    model = bank()
    goal = Layer("1")
    alone = show(model, [goal, goal], of=Fourier(24), normalise="none", steps=32)
    pushed = show(model, goal + 1.0 * Diversity("1", 2), of=Fourier(24), normalise="none", steps=32)

    def alike(result):
        return Diversity("1", 2).value(seen(model, result.pictures))

    assert float(alike(pushed).mean()) > float(alike(alone).mean())


def seen(model, pictures):
    from sonde.vision.objectives import Seen

    maps = model.run(pictures, read="1:out")["1:out"]
    return Seen(lambda layer: maps, lambda: maps, pictures)


def test_the_same_seed_gives_the_same_pictures_whatever_the_batch():
    model = bank()
    how = {"of": Fourier(24), "normalise": "none", "steps": 12, "seed": 3}
    units = [Channel("1", unit) for unit in range(3)]
    one, other = show(model, units, **how), show(model, units, batch_size=2, **how)
    assert torch.equal(one.pictures, show(model, units, **how).pictures)
    # the draws are the same; rounding is not, and Adam makes whole steps of slopes that are next to nothing
    assert torch.allclose(one.trace[:, :3], other.trace[:, :3], rtol=1e-3)
    assert not torch.allclose(one.pictures, show(model, units, **how | {"seed": 4}).pictures, atol=1e-2)


def test_restarts_keep_the_best_and_snapshots_the_way():
    model, _ = linear()
    result = show(
        model, Neuron("0", 0), of=PLAIN, transforms=(), normalise="none", steps=12, restarts=3, snapshots=(0, 6), dataset=torch.rand(9, 3, 32, 32)
    )
    assert result.starts.shape == (1, 3) and float(result.reached) == pytest.approx(float(result.starts.max()), rel=1e-4)
    assert result.snapshots.shape == (2, 1, 3, SIDE, SIDE) and result.percentiles.tolist() == [100.0]
    assert isinstance(result.drawing(), Drawing) and result.course().kind == "lines" and result.to_frame().height == 1


def test_a_folder_to_compare_with_is_read_as_examples_are(tmp_path):
    """Files are brought to the picture's size, broken ones are named, and the share is that of the same pictures by hand."""
    images = pytest.importorskip("PIL.Image")
    model, weights = linear()
    generator = torch.Generator().manual_seed(0)
    pixels = (255 * torch.rand(5, SIDE, SIDE, 3, generator=generator)).byte()
    for i, one in enumerate(pixels):
        images.fromarray(one.numpy()).save(tmp_path / f"{i}.png")
    images.new("L", (2 * SIDE, SIDE), 128).save(tmp_path / "grey.png")
    (tmp_path / "torn.png").write_bytes(b"no picture")
    how = {"of": PLAIN, "transforms": (), "normalise": "none", "steps": 0}
    found = show(model, [Neuron("0", 0), Neuron("0", 1)], dataset=tmp_path, batch_size=4, **how)
    grey = torch.full((1, 3, SIDE, SIDE), 128 / 255)
    by_hand = torch.cat([pixels.permute(0, 3, 1, 2) / 255, grey]).flatten(1) @ weights[:2].flatten(1).T
    assert found.percentiles.tolist() == pytest.approx([100 * float((by_hand[:, i] < found.reached[i]).float().mean()) for i in (0, 1)])
    assert any(note.startswith("1 of 7 files were left out: torn.png") for note in found.notes)
    with pytest.raises(InputError, match="1 channels, and those that are sought 3"):
        show(model, Neuron("0", 0), dataset=torch.rand(2, 1, SIDE, SIDE), **how)
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "torn.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="none of the dataset's 1 files"):
        show(model, Neuron("0", 0), dataset=tmp_path / "none", **how)


def test_a_search_goes_on_where_it_was_interrupted(tmp_path, monkeypatch):
    model, _ = linear()
    how = {"of": PLAIN, "transforms": (), "normalise": "none", "steps": 6, "batch_size": 2, "folder": tmp_path}
    units = [Neuron("0", unit) for unit in range(4)]
    from sonde.vision import render

    done, own = [], render._ascent

    def interrupted(*arguments):
        if done:
            raise KeyboardInterrupt
        done.append(1)
        return own(*arguments)

    monkeypatch.setattr(render, "_ascent", interrupted)
    with pytest.raises(KeyboardInterrupt):
        show(model, units, **how)
    monkeypatch.setattr(render, "_ascent", own)
    went_on = show(model, units, **how)
    assert torch.equal(went_on.pictures, show(model, units, **how | {"folder": None}).pictures)
    with pytest.raises(SondeError, match="another job"):
        show(model, units, **how, seed=1)


def test_results_are_kept(tmp_path):
    model = bank()
    goal = Channel("1", 0) + 0.1 * Smoothness() + Direction("1", torch.ones(4))
    result = show(model, goal, of=CPPN(16), normalise=Normalisation((0.5,), (0.2,)), steps=2)
    kept = Visualisation.load(result.save(tmp_path / "kept"))
    assert torch.equal(kept.pictures, result.pictures) and kept.setting == result.setting and kept.names == [goal.name]
    assert len(kept.check(model, copies=8, draws=0)) == 1


def test_a_dead_unit_is_said_to_be_dead_and_a_redirected_start_is_left():
    """A bias far below what any picture reaches: no gradient, whatever the picture. One that only the start does not reach is left."""
    conv = nn.Conv2d(3, 2, 5)
    with torch.no_grad():
        conv.weight.fill_(0.1)
        conv.bias.copy_(torch.tensor([-1e3, -4.5]))  # 75 weights of 0.1: grey gives 3.75, white 7.5
    model = sonde.load(nn.Sequential(conv, nn.ReLU()))
    how = {"of": PLAIN, "transforms": (), "normalise": "none", "steps": 48}
    dead, alive = (show(model, Channel("1", unit), **how) for unit in (0, 1))
    assert dead.dead == [True] and "dead" in dead.notes[0] and float(dead.reached) == 0
    assert alive.dead == [False] and float(alive.reached) > 1
    assert show(model, Channel("1", 1), **how, redirect=0).dead == [True]  # the control


def test_patches_of_an_image_encoder_are_places():
    """The class token is no place: the mean is that of the patches."""
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    config = ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24, image_size=16, patch_size=4, num_labels=3)
    model = sonde.load(ViTForImageClassification(config).eval())
    result = show(model, [Channel("blocks.0.mlp.post", 5), Neuron("blocks.0.resid_post", 3, at=(1, 2)), Class(2)], normalise="none", steps=4)
    run = model.run(result.pictures, read=["blocks.0.mlp.post", "blocks.0.resid_post"])
    assert float(result.reached[0]) == pytest.approx(float(run["blocks.0.mlp.post"][0, 1:, 5].mean()), abs=1e-5)
    assert float(result.reached[1]) == pytest.approx(float(run["blocks.0.resid_post"][1, 1 + 4 + 2, 3]), abs=1e-5)
    assert float(result.reached[2]) == pytest.approx(float(run.logits[2, 2]), abs=1e-5)
    assert result.reached[0] > result.trace[0, 0]


@pytest.mark.parametrize(
    ("objective", "error", "words"),
    [
        (Channel("0", 4), InputError, "there is no unit 4 at '0': it has 4"),
        (Channel("0", -1), InputError, "there is no unit -1"),
        (Channel("3", 0), SiteUnavailable, r"'3' has no rows and columns to take a mean over: use Neuron"),
        (Neuron("3", 0, at=(0, 0)), SiteUnavailable, "means nothing there"),
        (Neuron("0", 0, at=(99, 0)), InputError, "has 8 rows and 8 columns"),
        (Diversity("3", 2), SiteUnavailable, "no rows and columns"),
        (Direction("0", torch.ones(3)), InputError, "has 3 entries and '0' 4 units"),
        (Class(7), InputError, "there is no class 7: the network has 2"),
        (Channel("9", 0), UnknownSite, "9"),
        ("0:1", InputError, "is no objective"),
        ([], InputError, "is no objective"),
    ],
)
def test_what_can_not_be_sought_is_refused_in_one_line(objective, error, words):
    model = sonde.load(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)))
    with pytest.raises(error, match=words) as refusal:
        show(model, objective, of=Fourier(8), transforms=(), normalise="none", steps=2)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"normalise": None}, "state it with normalise="),
        ({"normalise": "imagnet"}, "give a sonde.vision.Normalisation"),
        ({"steps": -1}, "steps=-1"),
        ({"restarts": 0}, "restarts=0"),
        ({"snapshots": (5,)}, "snapshots=5"),
        ({"rate": 0.0}, "rate=0.0"),
        ({"of": "fourier"}, "of='fourier'"),
        ({"transforms": ["pad"]}, "'pad' is no transform"),
        ({"normalise": Normalisation((0.1, 0.2))}, "2 channels and the pictures 3"),
        ({"of": Fourier(8, channels=1, colours="plain")}, "can't take"),
        ({"batch_size": 0}, "batch_size=0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(how, words):
    with pytest.raises(InputError, match=words):
        show(bank(), Channel("1", 0), **{"of": Fourier(8), "transforms": (), "normalise": "none", "steps": 2} | how)
    with pytest.raises(InputError, match="mixes red, green and blue"):
        Fourier(8, channels=1)
    with pytest.raises(InputError, match="no network of pictures alone"):
        show(sonde.load("specimen:words"), Class(0), normalise="none")
