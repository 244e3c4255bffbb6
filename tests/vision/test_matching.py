"""Units of one network in another: planted permutations, independent answers, two seeds of one training, and copies whose filters are shuffled."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

import sonde
from sonde.nn import ConvNet, ConvNetConfig
from sonde.nn.training import Training, TrainingConfig
from sonde.results import InputError, SondeError, UnknownSite
from sonde.specimens.digits import held_out
from sonde.vision import Channel, MatchCourse, Normalisation, Pixels, UnitMatches, match_course, match_units, show
from sonde.vision.matching import correlations, one_to_one

UNITS = 8


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def net(seed=0, stride=1, padding=0, relu=True, channels=2):
    """Filters of 5 x 5 pixels, two channels unless said otherwise."""
    torch.manual_seed(seed)
    conv = nn.Conv2d(channels, UNITS, 5, stride=stride, padding=padding, bias=False)
    return nn.Sequential(conv, nn.ReLU()) if relu else nn.Sequential(conv)


def permuted(module, seed=1):
    order = torch.randperm(UNITS, generator=torch.Generator().manual_seed(seed))
    other = copy.deepcopy(module)
    with torch.no_grad():
        other[0].weight.copy_(module[0].weight[order] * (1 + torch.arange(UNITS))[:, None, None, None])
    return other, order


@pytest.fixture(scope="module")
def pictures():
    return random(24, 2, 16, 16)


def test_a_scaled_permutation_is_recovered(pictures):
    module, (other, order) = net(), permuted(net())
    found = match_units(sonde.load(module), "1", sonde.load(other), "1", pictures, normalise="none", other_normalise="none")
    assert order[found.partner].tolist() == list(range(UNITS)) == order[found.pair].tolist()
    assert float(found.best.min()) == pytest.approx(1, abs=1e-5) and float(found.held.mean()) == pytest.approx(1, abs=1e-5)
    assert bool(found.recurs.all()) and bool(found.steady.all()) and float(found.null_best.mean()) < 0.2
    assert found.grid == (12, 12) and found.places == 144 and found.pictures == 24
    verdicts = found.check(sonde.load(module), sonde.load(other), pictures, draws=4)
    assert [verdict.holds for verdict in verdicts] == [True, True] and verdicts[1].control < 0.9


def test_independent_answers_match_as_well_as_in_random_order(pictures):
    """Each network reads a channel of its own, and the channels are independent."""
    modules = net(0), net(1)
    with torch.no_grad():
        for i, one in enumerate(modules):
            one[0].weight[:, 1 - i] = 0
    model, other = (sonde.load(one) for one in modules)
    found = match_units(model, "1", other, "1", pictures, normalise="none", other_normalise="none")
    assert float(found.best.mean()) < 0.1 and abs(float(found.best.mean() - found.null_best.mean())) < 0.02
    assert float(found.recurs.float().mean()) <= 2 / UNITS and float(found.held.mean()) < 0.05
    assert found.check(model, other, pictures, draws=4)[0].holds is not True
    assert not match_units(model, "1", other, "1", pictures[:10], normalise="none", other_normalise="none", samples=10).recurs.all()


def test_maps_of_different_sizes_are_compared_at_the_same_pixels(pictures):
    """The same filters with a stride and a border; by the maps' own corners they would not answer alike."""
    fine, coarse = net(relu=False), net(stride=2, padding=2, relu=False)
    coarse.load_state_dict(fine.state_dict())
    found = match_units(sonde.load(fine), "0", sonde.load(coarse), "0", pictures[:, :, :15, :15], normalise="none", other_normalise="none")
    assert found.grid == (8, 8)
    inner = [row * 8 + col for row in range(1, 7) for col in range(1, 7)]  # whose fields the border leaves whole
    from sonde.vision.aligned import rows, side

    sides = [side(sonde.load(one), "0", pictures[:, :, :15, :15], "none", None) for one in (fine, coarse)]
    (own,), (others,) = rows(sides, 10_000, 8).values
    assert torch.allclose(own[:, inner], others[:, inner], atol=1e-5)
    assert found.partner.tolist() == list(range(UNITS))
    maps = [interpolate(one(pictures[:, :, :15, :15]), size=(8, 8), mode="bilinear", align_corners=False) for one in (fine, coarse)]
    naive = correlations(*(one.detach().movedim(1, -1).flatten(0, 2) for one in maps)).diagonal()
    assert float(naive.max()) < 0.1 < 0.4 < float(found.best.min())  # the border's places, 28 of 64, see something else


def test_dead_units_are_named_and_left_out(pictures):
    module = net()
    with torch.no_grad():
        module[0].weight[[2, 5]] = 0
    model, other = sonde.load(module), sonde.load(net())
    found = match_units(model, "1", other, "1", pictures, normalise="none", other_normalise="none")
    assert found.dead == [2, 5] and found.other_dead == [] and found.partner[[2, 5]].tolist() == [-1, -1]
    assert bool(found.best[[2, 5]].isnan().all()) and len(found.alive) == 6 and any("units 2, 5 of 1 of" in note for note in found.notes)
    assert found.to_frame()["correlation"].null_count() == 2 and found.recurring()[0] == 1
    with torch.no_grad():
        module[0].weight.zero_()
    with pytest.raises(InputError, match=r"all 8 units .* dead here"):
        match_units(sonde.load(module), "1", other, "1", pictures, normalise="none", other_normalise="none")


def test_one_to_one_gives_each_partner_once():
    values = torch.tensor([[0.9, 0.8, 0.0], [0.85, 0.1, 0.0]])
    assert one_to_one(values).tolist() == [1, 0] and one_to_one(values.T).tolist() == [1, 0, -1]


@pytest.fixture(scope="module")
def trained():
    """Another seed and another shape of training on 300 of the digits; the other 200 are compared on."""
    pictures, digits = held_out()
    torch.manual_seed(1)
    network = ConvNet(ConvNetConfig(image_size=8, n_classes=10, channels=(16, 32, 64)))
    untrained = copy.deepcopy(network).eval()
    training = Training(network, TrainingConfig(steps=120, lr=3e-3, cooldown=0.5))
    generator = torch.Generator().manual_seed(1)
    for _ in range(120):
        chosen = torch.randint(300, (64,), generator=generator)
        training.update(nn.functional.cross_entropy(network(pictures[chosen]), digits[chosen]))
    network.eval()
    with torch.no_grad():
        assert float((network(pictures[300:]).argmax(-1) == digits[300:]).float().mean()) > 0.85
    return sonde.load(network), sonde.load(untrained), pictures[300:]


def test_two_seeds_share_more_than_chance_and_than_untrained_filters(trained):
    second, untrained, pictures = trained
    model = sonde.load("specimen:digits")
    plain = {"normalise": "none", "other_normalise": "none"}
    course = match_course(model, "blocks.2.act", {"trained": second, "untrained": untrained}, "blocks.2.act", pictures, **plain)
    learnt, chance = course.held.nanmean(1)
    assert float(learnt) > float(chance) + 0.05 and float(learnt) > float(course.null_best[0].max())
    found = match_units(model, "blocks.2.act", second, "blocks.2.act", pictures, **plain)
    assert found.recurring()[0] > 0.9 and float(found.recurring()[1].mean()) == pytest.approx(1 / 19, abs=0.02)
    verdicts = found.check(model, second, pictures, draws=3)
    assert [verdict.holds for verdict in verdicts] == [True, True]
    assert course.drawing().kind == "lines" and course.to_frame()["network"].to_list() == ["trained", "untrained"]


def test_drawings_and_what_is_kept(tmp_path):
    pictures, module = random(20, 3, 12, 12), net(channels=3)
    model, other = sonde.load(module), sonde.load(permuted(module)[0])
    asked = (model, "1", other, "1", pictures)
    plain = {"normalise": "none", "other_normalise": "none", "batch_size": 10}
    found = match_units(*asked, **plain, folder=tmp_path / "kept")
    again = match_units(*asked, **plain, folder=tmp_path / "kept")
    assert torch.equal(found.correlation, again.correlation)
    with pytest.raises(SondeError, match="another job"):
        match_units(*asked[:4], pictures[:19], **plain, folder=tmp_path / "kept")
    kept = UnitMatches.load(found.save(tmp_path / "result"))
    assert kept.drawing().to_json() == found.drawing().to_json() and kept.grid == (8, 8)
    assert sum(found.drawing().data["series"][0]["values"]) == pytest.approx(1)
    assert len(found.table().data["rows"]) == UNITS and "kind" in found.table([0, 3], kinds=["edge"] * UNITS).data["columns"]
    diagonal = found.heat_map([0, 1, 2]).data["values"]
    assert all(diagonal[i][i] == pytest.approx(1, abs=1e-5) for i in range(3))
    units = [0, 4]
    seen = [
        show(one, [Channel("1", unit) for unit in some], of=Pixels(12, colours="plain"), transforms=(), normalise="none", steps=1)
        for one, some in ((model, units), (other, found.partner[units].tolist()))
    ]
    partners = found.partner[units].tolist()
    pictured = [dict(zip(some, one.pictures, strict=True)) for one, some in zip(seen, (units, partners), strict=True)]
    panel = found.panel(units, *pictured, labels=["first", "second"])
    for wrong, words in ((lambda: found.panel(units, {}, {}), "no picture of any"), (lambda: found.panel([8], *pictured), "no unit 8 at '1'")):
        with pytest.raises(InputError, match=words):
            wrong()
    assert panel.kind == "picture_grid" and panel.data["values"][1] == [pytest.approx(1, abs=1e-5)] * 2 and panel.data["values"][0] == [None, None]
    course = match_course(model, "1", {"other": other}, "1", pictures, **plain)
    assert torch.equal(MatchCourse.load(course.save(tmp_path / "course")).best, course.best)
    with pytest.raises(SondeError, match="was computed on the model"):
        found.check(other, other, pictures)
    with pytest.raises(SondeError, match="match them again"):
        found.check(model, model, pictures)


def test_files_that_one_side_can_not_read_are_left_out_of_both(tmp_path):
    images = pytest.importorskip("PIL.Image")
    for i in range(9):
        pixels = (255 * random(20, 24, 3, seed=i)).byte().numpy()
        images.fromarray(pixels).save(tmp_path / f"{i}.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 40)
    convs = [sonde.load(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))) for _ in range(2)]
    how = {"normalise": "none", "other_normalise": Normalisation((0.5,), (0.5,)), "size": 16, "other_size": 12, "batch_size": 3}
    found = match_units(convs[0], "0", convs[1], "0", tmp_path, **how)
    assert found.pictures == 9 and found.grid == (12, 12) and found.size == (16, 16) and found.other_size == (12, 12)
    assert "1 of 10 files were left out: broken.png" in found.notes[0] and "to 16 x 16 pixels and to 12 x 12" in found.notes[1]
    grey = sonde.load(nn.Sequential(nn.Conv2d(1, 4, 3)))
    with pytest.raises(InputError, match=r"0 of 10 pictures say too little.*the network takes 1 channels"):
        match_units(convs[0], "0", grey, "0", tmp_path, **how)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda m, p: match_units(m, "1", m, "1", p[:7], normalise="none"), InputError, "7 pictures say too little"),
        (lambda m, p: match_units(m, "1", m, "7", p, normalise="none"), UnknownSite, "7"),
        (lambda m, p: match_units(m, "1", m, "1", p), InputError, "state it with normalise="),
        (lambda m, p: match_units(m, "1", sonde.load(net(3)), "1", p, normalise="none"), InputError, "state it with other_normalise="),
        (lambda m, p: match_units(m, "1", m, "1", p, normalise="none", draws=5), InputError, "draws=5"),
        (lambda m, p: match_units(m, "1", m, "1", p, normalise="none", samples=0), InputError, "samples=0"),
        (lambda m, p: match_units(m, "1", m, "1", p[:, :1], normalise="none"), SondeError, "channels|can't take"),
        (lambda m, p: match_units(m, "1", m, "1", 2 * p, normalise="none"), InputError, "pixels lie from 0 to 1"),
        (lambda m, p: match_units(m, "1", sonde.load("specimen:words-small"), "1", p, normalise="none"), InputError, "no network of pictures alone"),
        (lambda m, p: match_course(m, "1", {}, "1", p), InputError, "give networks by name"),
        (
            lambda m, p: match_units(
                sonde.load(nn.Sequential(nn.Flatten(), nn.Linear(512, 4))), "1", m, "1", p, normalise="none", other_normalise="none"
            ),
            InputError,
            "compare layers with places, or layers without",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(make, error, words, pictures):
    with pytest.raises(error, match=words) as refusal:
        make(sonde.load(net()), pictures)
    assert "\n" not in str(refusal.value)
