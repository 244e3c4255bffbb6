"""Interchange interventions: a written variable is where it was written, and random subspaces of its size hold nothing of it."""

import pytest
import torch
from small_models import llama, planted, words
from tiny_families import build

import sonde
from sonde.bases import Neurons, Subspace
from sonde.patching import Interchange, activation_patching, interchange
from sonde.results import EditError, InputError
from sonde.specimens import compiled
from sonde.tasks import Task


@pytest.fixture(scope="module", params=["and_gate", "or_gate"])
def gate(request):
    """A program whose answer, yes or no, lies along one direction at the last position."""
    program = compiled.build(request.param)
    model = sonde.load(program.model, program.tokenizer)
    yes, no = (model.tokenizer.single(f" {word}") for word in ("yes", "no"))
    direction = program.model.unembed.weight[yes] - program.model.unembed.weight[no]
    return model, program.examples(12, seed=1), Subspace.span(direction.detach())


def test_the_written_direction_holds_the_answer_and_random_ones_do_not(gate):
    model, task, answer = gate
    result = interchange(model, task, "blocks.1.resid_pre[pos=-1]", answer)
    found, rest, whole = result.accuracy[:3].tolist()
    assert (found, rest, whole) == (1.0, 0.0, 1.0) and result.accuracy[3:].max() < 0.1
    assert (result.size, result.width, int(result.differs.sum())) == (1, model.d_model, 12)
    (verdict,) = result.check(model)
    assert verdict.holds and verdict.n == 12


def test_a_random_direction_is_no_better_than_others(gate):
    model, task, _ = gate
    result = interchange(model, task, "blocks.1.resid_pre[pos=-1]", Subspace.random(model.d_model, 1, seed=99))
    assert result.accuracy[0] < 0.1 and not result.check(model)[0].holds


def test_the_complement_holds_what_the_direction_does_not(gate):
    model, task, answer = gate
    site = "blocks.1.resid_pre[pos=-1]"
    inside, outside = interchange(model, task, site, answer), interchange(model, task, site, answer.complement())
    assert torch.allclose(inside.values[1], outside.values[0], atol=1e-3) and torch.allclose(inside.values[0], outside.values[1], atol=1e-3)


@pytest.mark.parametrize("make", [words, llama])
def test_the_whole_space_is_activation_patching(make):
    model = make()
    text = "The keys on the cabinet" if make is words else "When Lily and Tom went to the park, Tom gave a ball to"
    pair = sonde.tasks.counterfactuals(text, model).best.pair
    task = sonde.tasks.siblings(pair.clean, pair.corrupt, pair.target, pair.foil, model, n=4)
    for site in ("blocks.1.resid_pre[pos=-1]", "blocks.1.attn.z[head=1]"):
        result = interchange(model, task, site, draws=2)
        patched = activation_patching(model, task, [site], "noising").values[0]
        turned = interchange(model, task, site, Subspace.random(result.width, result.width), draws=2)
        for values in (result.values[0], result.values[2], turned.values[0]):
            assert torch.allclose(values, patched, atol=1e-3), site
        assert torch.allclose(result.values[1], result.clean, atol=1e-3)
        assert result.check(model)[0].holds is None and "all dimensions" in result.check(model)[0].reason


def test_some_coordinates_are_one_plain_forward():
    model = sonde.Model(build("gpt2"))
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(1, 30, (2, 4, 6), generator=draw).tolist()
    rows = lambda part: tuple(map(tuple, part))
    sides = tuple((i,) for i in (3, 4, 5, 6)), tuple((i,) for i in (7, 8, 9, 10))
    metric = sonde.tasks.LogitDifference([3, 4, 5, 6], [7, 8, 9, 10])
    task = Task("random", rows(ids[0]), rows(ids[1]), *sides, metric, ("",) * 4, ("",) * 4)
    result = interchange(model, task, "blocks.1.resid_pre[pos=2]", dims=[0, 3], draws=2)
    clean, corrupt = (model.run(ids[i], read="blocks.1.resid_pre")["blocks.1.resid_pre"][:, 2] for i in (0, 1))
    mixed = clean.clone()
    mixed[:, [0, 3]] = corrupt[:, [0, 3]]
    assert torch.allclose(result.values[0], metric(model.run(ids[0], edits=[sonde.Set("blocks.1.resid_pre[pos=2]", mixed)])), atol=1e-4)
    assert result.size == 2


def test_examples_whose_answers_agree_say_nothing():
    model = words()
    task = sonde.tasks.load("agreement", model, n=9)
    same = Task(**{**vars(task), "corrupt": (*task.corrupt[:6], *task.clean[6:])})
    result = interchange(model, same, "blocks.3.resid_post[pos=-1]", Subspace.random(model.d_model, 2), draws=3)
    assert result.differs.tolist() == [True] * 6 + [False] * 3 and result.accuracy[2] == 1
    assert torch.allclose(result.values[:, 6:], result.clean[6:].expand(6, -1), atol=1e-4)
    (verdict,) = result.check(model)
    assert verdict.holds is None and verdict.n == 6  # too few


def test_without_answers_that_differ_there_is_no_accuracy():
    model = words()
    task = sonde.tasks.load("agreement", model, n=3)
    result = interchange(model, Task(**{**vars(task), "corrupt": task.clean}), "blocks.1.mlp.out", dims=[0], draws=2)
    assert result.accuracy.isnan().all() and result.drawing().data["values"] == [None] * 3
    assert result.check(model)[0].holds is None


def test_the_planted_induction_head_holds_it():
    model, truth = planted(0)
    pair = sonde.tasks.counterfactuals("dog lamp river road horse tree lamp", model).best.pair
    task = sonde.tasks.siblings(pair.clean, pair.corrupt, pair.target, pair.foil, model, n=10)
    layer, head = truth["induction"].split(".")
    assert interchange(model, task, f"blocks.{layer}.attn.z[head={head}, pos=-1]", draws=2).accuracy[0] == 1


def test_tables_drawings_and_files(tmp_path):
    model = words()
    result = interchange(model, sonde.tasks.load("agreement", model, n=9), "blocks.3.resid_post[pos=-1]", dims=range(4), draws=3)
    assert result.to_frame().height == 6 * 9 and result.drawing().kind == "bars" and "4 of" in result.drawing().note
    back = Interchange.load(result.save(tmp_path / "swap"))
    assert torch.equal(back.becomes, result.becomes) and back.check(model) == result.check(model)


@pytest.mark.parametrize(
    ("site", "options", "error", "message"),
    [
        ("embed", {"draws": 1}, InputError, "draws=1"),
        ("embed", {"basis": Neurons(7)}, EditError, "takes 7 entries"),
        ("embed", {"dims": [9999]}, EditError, "are no coordinates"),
        ("embed[d_model=3]", {}, EditError, "coordinates need the whole last axis"),
        ("blocks.0.attn.pattern", {}, EditError, "coordinates need the whole last axis"),
    ],
)
def test_mistakes_are_named(site, options, error, message):
    with pytest.raises(error, match=message):
        interchange(words(), sonde.tasks.load("agreement", words(), n=4).select([0]), site, **options)
