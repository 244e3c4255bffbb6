"""Circuits alone, gone, and over their size, beside random ones."""

import math
from dataclasses import replace

import pytest
import torch
from circuits.examples import scored, words, words_scores

import sonde
from sonde import evidence
from sonde.access import Graph
from sonde.circuits import MIB_SIZES, Circuit, EdgeScores, completeness, evaluate, faithfulness, faithfulness_curve, minimality, rewire
from sonde.circuits.evaluation.curve import area
from sonde.circuits.evaluation.measuring import estimates
from sonde.results import InputError
from sonde.specimens import compiled
from sonde.tasks import Ablation


@pytest.fixture(scope="module")
def held_out():
    model, _, task = words()
    return model, task.split()[1]


def test_everything_is_one_and_nothing_zero(held_out):
    model, task = held_out
    nothing = Circuit.of(model, [])
    found = evaluate(model, {"nothing": nothing, "everything": ~nothing}, task, n_random=2)
    assert found.faithfulness[0][:3] == (0.0, 0.0, 0.0) and found.faithfulness[1][:3] == pytest.approx((1.0, 1.0, 1.0))
    torch.testing.assert_close(found.whole, task.metric(model.run(task.clean)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.nothing, task.metric(model.run(task.corrupt)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.without, found.alone.flip(0))
    assert found.random_faithfulness[1].tolist() == pytest.approx([1.0, 1.0])


def test_without_one_edge_is_that_edges_exact_effect(held_out):
    model, task = held_out
    circuit = words_scores().top(1, connected=False)
    found = evaluate(model, circuit, task, n_random=0)
    torch.testing.assert_close((found.without - found.whole)[0], rewire(model, circuit.graph, task).effects(circuit.mask)[0], rtol=1e-3, atol=1e-4)


def test_the_complement_with_prompts_and_partners_swapped_is_not_the_rest(held_out):
    """What is live in the one is cached in the other: the shares of a circuit and of its swapped complement do not add up to 1."""
    model, task = held_out
    circuit = words_scores().top(12)
    swapped = replace(task, clean=task.corrupt, corrupt=task.clean)
    values = rewire(model, circuit.graph, swapped).values(torch.stack([(~circuit).mask, circuit.graph.real, ~circuit.graph.real]))
    share = float((values[0] - values[2]).mean() / (values[1] - values[2]).mean())
    assert abs(share + faithfulness(model, circuit, task).value - 1) > 0.05


def test_it_is_the_ratio_of_means():
    """Two examples with gaps of 10 and 0.1: the mean of ratios would be 0.5."""
    whole, nothing, alone = torch.tensor([10.0, 0.1]), torch.zeros(2), torch.tensor([[10.0, 0.0]])
    (found,) = estimates(alone, whole, nothing)
    assert found.value == pytest.approx(10 / 10.1) and found.low <= found.value <= found.high


def test_areas_of_known_rankings():
    """MIB's sizes: useless until complete gives CPR .25 and CMD .749, perfect gives .999 and 0."""
    useless, perfect = torch.tensor([0.0] * 9 + [1.0]), torch.ones(10)
    assert area(MIB_SIZES, useless) == pytest.approx(0.25) and area(MIB_SIZES, 1 - useless) == pytest.approx(0.749)
    assert area(MIB_SIZES, perfect) == pytest.approx(0.999) and area(MIB_SIZES, 1 - perfect) == 0
    assert area(MIB_SIZES, perfect, log=True) == pytest.approx(1)
    assert area(MIB_SIZES, useless, log=True) == pytest.approx(0.5 * torch.tensor(2.0).log().item() / torch.tensor(1000.0).log().item())


def test_a_useless_and_a_good_ranking(held_out):
    """The worst ranking takes the edges that matter last; random ones are as bad."""
    model, task = held_out
    scores = words_scores()
    backwards = EdgeScores(
        scores.graph, torch.where(scores.graph.real, 1 / (scores.values.abs() + 1e-6), 0), "backwards", scores.conditions, recipe=scores.recipe
    )
    bad = faithfulness_curve(model, backwards, task, n_random=0)
    good = faithfulness_curve(model, scores, task, n_random=3)
    assert bad.cpr == pytest.approx(0.25, abs=0.02) and bad.cmd == pytest.approx(0.749, abs=0.02)
    assert good.cmd < 0.1 < bad.cmd and good.cmd_log < bad.cmd_log and good.cpr_log > bad.cpr_log
    assert good.nominal == [1, 1, 2, 5, 10, 24, 48, 96, 240, 479] and all(a <= n for a, n in zip(good.actual, good.nominal, strict=True))
    assert (good.random_faithfulness[5:8] < 0.2).all() and good.faithfulness[6].value > 0.8 and good.seen == 0
    axis = good.drawing().axes["x"]
    assert axis["labels"] == ["1", "2", "5", "10", "24", "48", "96", "240", "479"]  # each size once, on a log axis
    assert abs(axis["at"][3] - math.log(10) / math.log(479)) < 1e-9
    some = faithfulness_curve(model, scores, task, sizes=[10, 0.5], n_random=2, random_kind="edges")
    assert some.nominal == [10, 240] and some.fractions[0] == 10 / 479
    assert some.drawing().to_json()["kind"] == "lines" and len(some.to_frame()) == 2
    for sizes in ([0.5, 0.1], [0], [1.5], [480], [True], []):
        with pytest.raises(InputError, match="sizes"):
            faithfulness_curve(model, scores, task, sizes=sizes)


def test_a_loss_is_judged_like_any_metric(held_out):
    model, task = held_out
    found = evaluate(model, words_scores().top(60), task.with_metric("cross_entropy"), n_random=3)
    assert found.whole.mean() < found.nothing.mean() and found.faithfulness[0].value > 0.5 > found.random_faithfulness.max()


def test_no_gap_is_refused_with_the_figures(held_out):
    model, task = held_out
    same = replace(task, corrupt=task.clean)
    with pytest.raises(InputError, match=r"the gap is .* 95 % interval .* choose another ablation"):
        faithfulness(model, words_scores().top(20), same)
    with pytest.raises(InputError, match="no circuits"):
        evaluate(model, [], task)
    other = Graph.of(model, attention="layers")
    with pytest.raises(InputError, match="different graphs"):
        evaluate(model, [words_scores().top(20), Circuit.of(model, other.edges(), other)], task)


def test_what_the_search_has_seen_is_told(held_out):
    model, task = held_out
    _, _, both = words()
    found = words_scores().top(60)
    assert evaluate(model, found, task, n_random=0).seen == [0]
    again = evaluate(model, found, both, n_random=0)
    assert again.seen == [words_scores().n] and "proves itself" in again.drawing().note
    assert again.to_frame()["conditions"][0] == str(again.conditions)


def test_the_ablation_is_that_of_the_search_unless_told(held_out):
    model, task = held_out
    found = scored(model, words_scores().graph, words_scores().per_example, rewire(model, words_scores().graph, task, Ablation("zero")).conditions)
    assert evaluate(model, found.top(20), task, n_random=0).conditions.ablation == Ablation("zero")
    assert evaluate(model, found.top(20), task, Ablation("mean"), n_random=0).conditions.ablation == Ablation("mean")


def test_completeness_and_minimality_are_those_of_the_evidence(held_out):
    """Edge by edge, both are what `sonde.evidence` computes from sets."""
    model, task = held_out
    circuit = words_scores().top(8, connected=False)
    rewired = rewire(model, circuit.graph, task)

    def intact(sets):
        masks = torch.zeros(len(sets), circuit.mask.numel(), dtype=torch.bool)
        for mask, one in zip(masks, sets, strict=True):
            mask[list(one)] = True
        return rewired.values(masks.view(-1, *circuit.mask.shape))

    everything = frozenset(circuit.graph.real.flatten().nonzero()[:, 0].tolist())
    number = {f"{s} -> {r}": int(circuit.graph.mask([(s, r)]).flatten().nonzero()) for s, r in circuit.edges}
    found = completeness(model, circuit, task, n=5, level="edges")
    taken = [frozenset(number[name] for name in one) for one in found.taken]
    expected = evidence.completeness(intact, frozenset(number.values()), everything, taken)
    torch.testing.assert_close(found.differences, expected, rtol=1e-3, atol=1e-4)
    each = minimality(model, circuit, task, level="edges")
    expected = evidence.minimality(intact, [number[name] for name in each.members], everything)
    torch.testing.assert_close(each.changes.abs(), expected, rtol=1e-3, atol=1e-4)
    assert len(each.to_frame()) == 8 and each.drawing().to_json()["kind"] == "bars" and found.drawing().to_json()["kind"] == "scatter"


def test_what_is_missing_shows_where_the_rest_is_taken_away():
    """Of two branches each of which is enough, a circuit with one is faithful and not complete; with both it is."""
    made = compiled.build("or_gate")
    model, task = sonde.Model(made.model, made.tokenizer), made.examples(9)
    graph, blue = Graph.of(model, embed="split"), made.heads["blue"]
    whole = Circuit.of(model, sorted(made.truth["counterfactual"].edges), graph)
    half = whole.without([edge for edge in whole.edges if blue.z in edge or edge[1] in (blue.q, blue.k, blue.v)])
    assert faithfulness(model, half, task).value == pytest.approx(1, abs=1e-3)
    missing, all_ = (completeness(model, one, task, taken="greedy", n=3) for one in (half, whole))
    assert missing.differences.max() > 0.9 and made.heads["red"].z in missing.worst
    assert all_.differences.max() < 1e-3
    # alone neither branch of the whole circuit is missed, and of the half one it is
    changes = dict(zip(minimality(model, half, task).members, minimality(model, half, task).changes.tolist(), strict=True))
    assert changes[made.heads["red"].z] < -0.9
    spare = minimality(model, whole, task)
    assert abs(spare.changes[spare.members.index(blue.z)]) < 1e-3
    for bad in ({"taken": "all"}, {"n": 0}, {"level": "layers"}):
        with pytest.raises(InputError):
            completeness(model, half, task, **bad)
    with pytest.raises(InputError, match="no members"):
        minimality(model, Circuit.of(model, [], graph), task)
