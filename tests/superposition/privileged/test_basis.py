"""A basis is privileged where a nonlinearity acts on its coordinates, and not after a rotation."""

import pytest
import torch
from torch import nn

import sonde
from sonde.evidence import random_rotation
from sonde.nn import ConvNet, ConvNetConfig
from sonde.results import InputError, Result
from sonde.specimens.words import documents
from sonde.superposition import MEASURES, privileged_basis, privileged_basis_of
from sonde.superposition.privileged.measures import kurtosis, measured

KURTOSIS = MEASURES.index("excess kurtosis")


def normal(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def known():
    """A ReLU of normal activations, the same turned, a linear layer's output, and rare spikes along axes and turned."""
    mixed = normal(24, 24, seed=1)
    rectified = normal(2000, 24).relu()
    spikes = normal(2000, 24, seed=2) ** 3
    turn = random_rotation(24, seed=9)
    named = {
        "relu": rectified, "relu, turned": rectified @ turn, "linear": normal(2000, 24, seed=3) @ mixed,
        "spikes": spikes, "spikes, turned": spikes @ turn,
    }  # fmt: skip
    return privileged_basis_of(named, rotations=20)


def test_axes_that_matter_are_found_and_turned_ones_are_not(known):
    held = {verdict.claim.split(" are special: ")[0].removeprefix("The coordinates of "): [] for verdict in known.check()}
    for verdict in known.check():
        site, measure = verdict.claim.removeprefix("The coordinates of ").removesuffix(".").split(" are special: ")
        held[site].append(verdict.holds)
        assert measure in MEASURES
    assert held["relu"][KURTOSIS] is True and held["spikes"] == [True] * 3
    for site in ("relu, turned", "linear", "spikes, turned"):
        assert held[site] == [False] * 3, site


def test_p_values_are_of_rotations(known):
    assert float(known.p[0, KURTOSIS]) == pytest.approx(1 / 21)
    assert (known.p[[1, 2, 4]] > 1 / 21).any(1).all()


def test_rotated_activations_are_rarely_flagged():
    """The null, often: of a dozen random bases of the same spiky activations next to none is called special."""
    spikes = normal(300, 8, seed=4) ** 3
    turned = {str(k): spikes @ random_rotation(8, seed=1000 + k) for k in range(12)}
    assert sum(verdict.holds is True for verdict in privileged_basis_of(turned, rotations=20, parts=8).check()) == 0


def test_measures_have_their_closed_forms():
    two = torch.tensor([-1.0, 1.0])[:, None].expand(2, 4)
    assert measured(two).tolist() == pytest.approx([-2.0, 0.25, 0.0])
    many = normal(40_000, 2, seed=5)
    assert kurtosis(many - many.mean(0)).tolist() == pytest.approx([0, 0], abs=0.1)
    laplace = many.abs().log() * many.sign()
    assert measured(torch.eye(3))[2] == pytest.approx(1.0) and float(kurtosis(laplace).mean()) != 0


def test_what_never_varies_is_told():
    states = normal(64, 3)
    states[:, 1] = 2.0
    found = privileged_basis_of({"here": states}, rotations=2, parts=8)
    assert found.kurtosis["here"].isnan().tolist() == [False, True, False] and "1 of 3 coordinates never vary" in found.notes[0]
    assert found.values.isfinite().all()


def test_neurons_of_a_specimen_are_privileged(tmp_path):
    model = sonde.load("specimen:words-small")
    texts = [document.text for document in documents(n=48, seed=2)]
    found = privileged_basis(model, texts, rotations=8, parts=8)
    verdicts = {verdict.claim: verdict.holds for verdict in found.check(model)}
    assert verdicts["The coordinates of blocks.0.mlp.post are special: excess kurtosis."] is True
    assert "tokens left out" in found.notes[0]
    again = Result.load(found.save(tmp_path / "kept"))
    assert again.drawing().to_json() == found.drawing().to_json() and found.to_frame().height == 3 * len(found.sites)


def test_a_picture_model_is_read_by_the_paths_of_its_modules():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = ConvNet(ConvNetConfig(image_size=8, n_classes=3, channels=(8, 8))).eval()
    model = sonde.load(net)
    found = privileged_basis(model, torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0)), "blocks.0.act:out", rotations=8, parts=8)
    assert found.parts.shape == (1, 8, 3) and found.check(model)[KURTOSIS].holds is True


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_other_families_are_read_too(family):
    from tiny_families import build

    model = sonde.load(build(family))
    rows = torch.randint(1, 20, (10, 6), generator=torch.Generator().manual_seed(0)).tolist()
    found = privileged_basis(model, rows, rotations=4, parts=8)
    assert {site.split(".")[-2:][0] for site in found.sites} >= {"mlp"} and found.values.isfinite().all()


def test_giants_decide_the_test_which_is_why_first_tokens_are_left_out():
    """An attention sink hides a special basis: one direction of giants looks as spiky in any other basis."""
    states = normal(400, 8, seed=6) ** 3
    sinks = states.clone()
    sinks[::40, :2] += 100
    alone, with_sinks = (privileged_basis_of({"here": x}, rotations=10, parts=8).check()[KURTOSIS] for x in (states, sinks))
    assert alone.holds is True and with_sinks.holds is False


@pytest.mark.parametrize(
    ("activations", "options", "said"),
    [
        ({}, {}, "0 sites"),
        ({"here": torch.zeros(4)}, {}, "finite vectors"),
        ({"here": torch.full((40, 4), float("nan"))}, {}, "finite vectors"),
        ({"here": torch.zeros(10, 4)}, {"parts": 8}, "10 states for 8 parts"),
        ({"here": torch.zeros(10, 4)}, {"rotations": 1}, "1 rotations"),
    ],
)
def test_mistakes_are_named(activations, options, said):
    privileged = getattr(privileged_basis_of, "__wrapped__", privileged_basis_of)
    with pytest.raises(InputError, match=said):
        privileged(activations, **options)


def test_a_model_without_known_blocks_is_asked_for_sites():
    model = sonde.load(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
    with pytest.raises(InputError, match="name the sites to test"):
        privileged_basis(model, torch.randn(4, 4))
    with pytest.raises(InputError, match="no inputs"):
        privileged_basis(model, [], "1:out")
