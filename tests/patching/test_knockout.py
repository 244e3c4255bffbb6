"""Attention knockout: the blocked looks get nothing, the others their share, and the planted look is the one that matters."""

import math
import random

import pytest
import torch
from small_models import llama, planted, words
from tiny_families import build

import sonde
from sonde.patching import Knockout, attention_knockout
from sonde.patching.looks import blind, blocking, elsewhere, looks_of, moved, seen
from sonde.results import EditError, InputError, UnknownSite
from sonde.tasks import LogitDifference, Task

TEXT = "dog lamp river road horse tree lamp"  # <bos> before it: the last lamp looks at river, which follows the first one


def random_task(model, lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    size = min(40, model.architecture.d_vocab)
    draw = lambda n: tuple(torch.randint(1, size, (n,), generator=generator).tolist())
    clean, corrupt = tuple(map(draw, lengths)), tuple(map(draw, lengths))
    right, wrong = torch.randint(1, size, (2, len(lengths)), generator=generator)
    one_each = lambda ids: tuple((int(i),) for i in ids)
    spans = {"early": tuple((1, 2) for _ in lengths), "end": tuple((n - 1,) for n in lengths)}
    return Task("random", clean, corrupt, one_each(right), one_each(wrong), LogitDifference(right, wrong), ("",) * len(lengths), ("",) * len(lengths),
                spans=spans)  # fmt: skip


def family(model, n=12):
    pair = sonde.tasks.counterfactuals(TEXT, model).best.pair
    return sonde.tasks.siblings(pair.clean, pair.corrupt, pair.target, pair.foil, model, n=n)


@pytest.mark.parametrize("make", [words, llama, lambda: sonde.Model(build("gpt2")), lambda: sonde.Model(build("gemma2"))])
def test_what_is_blocked_gets_nothing_and_the_rest_is_renormalised(make):
    """In the first layer, whose scores nothing changed."""
    model = make()
    task = random_task(model, (5, 5, 5))
    site = "blocks.0.attn.pattern"
    before = model.run(task.clean, read=site)[site]
    after = model.run(task.clean, read=site, edits=blocking(looks_of((-1, [1, 2])), [0], None))[site]
    kept = before.clone()
    kept[:, :, -1, 1:3] = 0
    expected = kept / kept.sum(-1, keepdim=True)
    assert torch.allclose(after, expected, atol=1e-5) and not after[:, :, -1, 1:3].any()
    assert torch.equal(after[:, :, :-1], before[:, :, :-1])


@pytest.mark.parametrize("make", [words, llama])
def test_every_cell_is_one_plain_forward(make):
    model = make()
    task = random_task(model, (5, 7, 6))
    result = attention_knockout(model, task, [("end", "early"), [(-1, 1), (3, 0)]], window=2, heads=[0, 3])
    assert result.windows[0] == (0, 1) and len(result.windows) == model.n_layers
    for i, looks in enumerate(result.looks):
        for j, (first, last) in enumerate(result.windows):
            sites = [f"blocks.{layer}.attn.scores[{look}, head=[0,3]]" for layer in range(first, last + 1) for look in looks.split(" + ")]
            run = model.run(task.clean, edits=[sonde.Set(site, -math.inf) for site in sites], spans=task.spans)
            assert torch.allclose(result.values[i, j], task.metric(run), atol=1e-4)
    assert torch.allclose(result.clean, task.metric(model.run(task.clean)), atol=1e-4)


def test_padding_and_batches_change_nothing():
    model = words()
    task = random_task(model, (4, 6, 8))
    whole = attention_knockout(model, task, [("end", "early")], window=None)
    single = attention_knockout(model, task, [("end", "early")], window=None, batch_size=1)
    assert torch.allclose(whole.values, single.values, atol=1e-4)
    for i in range(3):
        alone = attention_knockout(model, task.select([i]), [("end", "early")], window=None)
        assert torch.allclose(alone.values[..., 0], whole.values[..., i], atol=1e-4)


@pytest.mark.parametrize("seed", range(2))
def test_the_planted_looks_carry_the_answer(seed):
    model, truth = planted(seed)
    task = family(model)
    layers = [int(truth[role].split(".")[0]) for role in ("previous_token", "induction")]
    result = attention_knockout(model, task, [(-1, 3), (3, 2), (-1, 4), (5, 4)])
    gap = float((result.clean - result.corrupt).mean())
    share = -result.change / gap
    assert share[0, layers[1]] > 0.4 and share[1, layers[0]] > 0.4
    assert share[0, layers[0]].abs() < 0.05 and share[1, layers[1]].abs() < 0.05 and share[2:].abs().max() < 0.2
    heads = [int(truth["induction"].split(".")[1])]
    alone = attention_knockout(model, task, [(-1, 3)], heads=heads)
    assert torch.allclose(alone.change[0, layers[1]], result.change[0, layers[1]], atol=0.1 * gap)
    others = attention_knockout(model, task, [(-1, 3)], heads=[h for h in range(4) if h not in heads])
    assert abs(float(others.change[0, layers[1]])) < 0.1 * gap


@pytest.mark.parametrize("control", ["distance", "keys"])
def test_the_planted_look_holds_and_an_idle_one_does_not(control):
    model, _ = planted(0)
    task = family(model, n=20)
    result, fresh = attention_knockout(model, task.select(range(4)), [(-1, 3), (3, 2), (5, 4)]), task.select(range(8, 20))
    verdicts = result.check(model, fresh, control=control, draws=3)
    assert [verdict.holds for verdict in verdicts] == [True, True, False] and verdicts[0].n == 12


def test_a_prompt_too_short_for_the_control_is_told():
    model = words()
    task = random_task(model, (3,) * 9)
    verdicts = attention_knockout(model, task, [([1, 2], 0)], window=None).check(model, task)
    assert [v.holds for v in verdicts] == [None] and "too short for the control" in verdicts[0].reason


def test_controls_keep_distance_or_queries():
    model = words()
    visible = seen(model, [tuple(range(1, 11))])[10]
    rng = random.Random(0)
    looks = [([7], [3, 4])]
    for _ in range(20):
        ((queries, keys),) = moved(looks, visible, rng)
        assert queries != [7] and [queries[0] - k for k in keys] == [4, 3] and min(keys) >= 0
        ((queries, keys),) = elsewhere(looks, visible, rng)
        assert queries == [7] and len(set(keys)) == 2 and not {3, 4} & set(keys) and max(keys) <= 7
    assert moved([([9], [0])], visible, rng) is None


def test_sliding_windows_are_seen():
    """A query that may not look further than its window is refused where the window is all that it had."""
    model = sonde.Model(build("mistral"))
    task = random_task(model, (8,))
    with pytest.raises(InputError, match="the query at position 7 would be left with nothing to see"):
        attention_knockout(model, task, [(-1, slice(5, None))])
    assert attention_knockout(model, task, [(-1, [5, 6])]).values.isfinite().all()
    with pytest.raises(InputError, match="no query sees any of the keys"):
        attention_knockout(model, task, [(-1, 1)])


@pytest.mark.parametrize(
    ("pairs", "options", "error", "message"),
    [
        ([], {}, InputError, "no pair to block"),
        ([[]], {}, InputError, "no pair to block"),
        ([(0, 0)], {}, InputError, r"query=0, key=0 in example 0: in layer 0 the query at position 0 would be left with nothing to see"),
        ([(2, slice(None))], {}, InputError, "the query at position 2 would be left with nothing"),
        ([[(2, [0, 1]), (2, 2)]], {}, InputError, "the query at position 2 would be left with nothing"),
        ([(1, 3)], {}, InputError, "no query sees any of the keys in any layer"),
        ([(-1, "subject")], {}, UnknownSite, "no span 'subject'; known are early, end"),
        ([(-1, 9)], {}, InputError, "position 9 is outside row 0"),
        ([(1, 0)], {"window": 0}, InputError, "window=0: give how many layers"),
        ([(1, 0)], {"heads": [9]}, UnknownSite, "head 9 is out of range"),
        (["early"], {}, InputError, "is no pair of queries and keys"),
    ],
)
def test_mistakes_are_named(pairs, options, error, message):
    model = words()
    with pytest.raises((error, EditError) if error is UnknownSite else error, match=message):
        attention_knockout(model, random_task(model, (5, 5)), pairs, **options)


def test_tables_drawings_and_files(tmp_path):
    model = words()
    task = random_task(model, (5, 5, 6))
    result = attention_knockout(model, task, [("end", "early"), (2, 1)])
    assert result.to_frame().height == 2 * 4 * 3 and result.drawing().kind == "lines"
    assert "all heads" in result.drawing().note
    assert attention_knockout(model, task, [(2, 1)], window=None).drawing().kind == "bars"
    back = Knockout.load(result.save(tmp_path / "knockout"))
    assert torch.equal(back.change, result.change) and back.looks == result.looks
    with pytest.raises(InputError, match="control='none': use 'distance' or 'keys'"):
        back.check(model, task, control="none")


def test_blindness_is_found_over_all_layers():
    full, narrow = torch.ones(3, 3, dtype=torch.bool).tril(), torch.eye(3, dtype=torch.bool)
    assert blind([([2], [2])], [full, full]) == "" and "in layer 1" in blind([([2], [2])], [full, narrow])
