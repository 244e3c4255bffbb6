"""A table of bases by measures on planted activations: the true dictionary beside the controls that must lose, and what is refused."""

from dataclasses import replace

import pytest
import torch

from sonde.bases import PCA, Neurons
from sonde.dictionaries import Dictionary, Part
from sonde.dictionaries.evaluation import MEASURES, Evaluation, controls, evaluate
from sonde.dictionaries.evaluation.pictures import plane
from sonde.evidence import t_interval
from sonde.results import InputError, Result
from sonde.specimens.features import Stream, crossed, layer, orthogonal, superposed


def truth_as_dictionary(world, **more):
    return Dictionary(world.directions, -(world.directions @ world.mean) - 0.3, world.directions, world.mean, "relu", **more)


@pytest.fixture(scope="module")
def world():
    return orthogonal(width=32, size=32, mean=0.5, noise=0.01)


@pytest.fixture(scope="module")
def x(world):
    return world.batch(3000).x


@pytest.fixture(scope="module")
def found(world, x):
    permuted = Dictionary(world.directions, -(world.directions @ world.mean) - 0.3, world.directions.roll(1, 0), world.mean, "relu")
    return evaluate({"true": truth_as_dictionary(world), "permuted": permuted}, x, truth=world.directions)


def test_the_truth_is_recognised_and_a_permuted_decoder_is_not(world, found):
    true, permuted = found["true"], found["permuted"]
    assert true["l0"] == pytest.approx(world.l0, abs=0.1)
    assert true["fvu"] < 0.15 and permuted["fvu"] > 1
    assert true["mmcs"] == pytest.approx(1, abs=1e-5) and true["found"] == 1 and true["mmcs_chance"] < 0.6
    assert true["l0"] == permuted["l0"]  # what is active does not depend on what is written
    assert true["slope"] > 1.05  # the threshold of .3 shrinks


def test_every_dictionary_has_controls_that_are_active_as_often(found):
    for name in ("true", "permuted"):
        assert [control.split()[0] for control in found.controls[name]] == ["2"] * 3
        for control in found.controls[name]:
            assert found[control]["l0"] == pytest.approx(2, abs=1e-6)
            assert found[control]["fvu"] < 1  # fitted by least squares, so that it is no straw man
    assert found.judged == ("true", "permuted")


def test_the_verdicts(found):
    holds = {verdict.claim: verdict.holds for verdict in found.check()}
    assert all(holds[claim] for claim in holds if claim.startswith("true"))
    assert not any(holds[claim] for claim in holds if claim.startswith("permuted leaves"))


def test_the_table_has_a_row_for_each(found):
    frame = found.to_frame()
    assert frame["basis"].to_list() == list(found.names)
    assert frame["control"].to_list() == [False, False, True, True, True]
    assert set(frame.columns) - {"basis", "control"} <= set(MEASURES)
    assert [part["label"] for part in found.drawing().data["parts"]] == ["measures", "explained", "densities"]


def test_a_point_and_its_interval_count_tokens_alike(found):
    """Short texts that go badly pull the mean over texts, not the FVU and not the middle of its interval."""
    lengths, errors = torch.tensor([90.0, 110, 100, 10, 12, 8]), torch.tensor([0.1, 0.12, 0.08, 0.9, 0.8, 1.0])
    fvu = float((lengths * errors).sum() / lengths.sum())
    n = len(found.names)
    several = replace(found, errors=errors.expand(n, -1), lengths=lengths, measures={**found.measures, "fvu": [fvu] * n})
    even = replace(several, lengths=torch.full((6,), 55.0))
    for series in plane(several, "fvu", "").data["series"]:
        for y, low, high in zip(series["y"], series["low"], series["high"], strict=True):
            assert (low + high) / 2 == pytest.approx(y) and low < y < errors.mean()
    series = plane(even, "fvu", "").data["series"][0]
    assert (series["low"][0], series["high"][0]) == pytest.approx(t_interval(errors))


def test_kept_and_read_back(found, tmp_path):
    again = Result.load(found.save(tmp_path / "found"))
    assert isinstance(again, Evaluation)
    assert again.measures == found.measures and again.controls == found.controls
    assert torch.equal(again.density[0], found.density[0])


def test_three_axes_are_as_good_as_two(world, x):
    flat, deep = (evaluate(truth_as_dictionary(world), each, controls=False) for each in (x, x.view(30, 100, 32)))
    assert flat.measures == deep.measures and flat.rows == deep.rows == 3000


def test_a_stream_is_judged_as_the_whole(world, x):
    whole = evaluate(truth_as_dictionary(world), x)
    parts = evaluate(truth_as_dictionary(world), (part for part in x.split(700)))
    for measure in ("l0", "fvu", "slope", "dead"):
        assert parts["dictionary"][measure] == pytest.approx(whole["dictionary"][measure], rel=1e-6)
    stream = Stream(world, rows=500)
    assert evaluate(truth_as_dictionary(world), [next(stream).x for _ in range(2)]).rows == 1000


def test_scaled_inputs_and_scaled_dictionaries_agree(world, x):
    """A dictionary of scaled activations must be judged on scaled activations, and says the same there (SAELens issue 518)."""
    known = truth_as_dictionary(world)
    scaled = Dictionary(known.encoder, 7 * known.encoder_bias, known.decoder, 7 * known.decoder_bias, "relu")
    one, other = (evaluate(sae, each, controls=False)["dictionary"] for sae, each in ((known, x), (scaled, 7 * x)))
    assert one["fvu"] == pytest.approx(other["fvu"], rel=1e-4) and one["l0"] == other["l0"]
    assert evaluate(known, 7 * x, controls=False)["dictionary"]["fvu"] > 2 * one["fvu"]


def test_bases_of_every_kind_stand_side_by_side(world, x):
    found = evaluate({"neurons": Neurons(32), "components": PCA.fit(x, 8)}, x, truth=world.directions)
    assert found["neurons"]["fvu"] == pytest.approx(0, abs=1e-9) and found["neurons"]["l0"] == 32
    assert found["components"]["size"] == 8 and 0.3 < found["components"]["fvu"] < 0.9
    assert found["components"]["mmcs"] < 0.9


def test_a_transcoder_is_judged_on_what_it_writes():
    known = layer(density=0.05)
    batch = known.batch(2000)
    parts = {"reads": (Part("in", 32),), "writes": (Part("out", 32),)}
    exact = Dictionary(known.encoder, torch.full((64,), -known.bias), known.directions, torch.zeros(32), "relu", **parts)
    found = evaluate(exact, batch.x, target=batch.y, truth=known.directions)
    assert found["dictionary"]["fvu"] == pytest.approx(0, abs=1e-8)
    assert found["dictionary"]["found"] == 1
    shuffled = evaluate(exact, batch.x, target=batch.y.roll(1, 0))["dictionary"]
    assert shuffled["fvu"] > 1


def test_a_crosscoder_has_a_share_for_each_site():
    world = crossed(width=24, shared=8, private=4, probability=0.05)
    parts = (Part("first", 24), Part("second", 24))
    crosscoder = truth_as_dictionary(world, reads=parts)
    found = evaluate(crosscoder, world.batch(1000).x)["dictionary"]
    assert found["fvu first"] < 0.6 and found["fvu second"] < 0.6
    assert min(found["fvu first"], found["fvu second"]) <= found["fvu"] <= max(found["fvu first"], found["fvu second"])


def test_controls_never_do_worse_than_the_mean():
    x = superposed(width=16, size=64).batch(500).x + 10
    for basis in controls(x, k=12, size=256).values():
        left = (x - basis.decode(basis.encode(x))).square().sum()
        assert left <= (x - x.mean(0)).square().sum() * (1 + 1e-5)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: evaluate({}, x), "give a basis"),
        (lambda x: evaluate("sae", x), "give a basis"),
        (lambda x: evaluate(Neurons(8), x), "has 32 entries and the basis reads 8"),
        (lambda x: evaluate(Neurons(32), torch.where(x > 2, torch.nan, x)), "nan or inf"),
        (lambda x: evaluate(Neurons(32), torch.ones(50, 32), controls=False), "all the same"),
        (lambda x: evaluate(Neurons(32), []), "no activations"),
        (lambda x: evaluate(Neurons(32), x, target=x[:5]), "5 targets"),
        (lambda x: evaluate(Neurons(32), x, corpus=["a"]), "read by a model"),
        (lambda x: evaluate(Neurons(32), 7), "neither a model nor activations"),
    ],
)
def test_refusals(x, call, message, unchecked):
    with pytest.raises(InputError, match=message):
        call(x)
