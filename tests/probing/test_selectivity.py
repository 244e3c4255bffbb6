"""Capacity buys memory: a large network tells random labels of words as well as true ones, a linear probe does not."""

from pathlib import Path

import pytest
import torch

from sonde.probing import MLP, Labelled, Logistic, Selectivity, States, selectivity_of
from sonde.probing.random_labels import control_labels, has_candidates, random_heads
from sonde.results import InputError, Result


@pytest.fixture(scope="module")
def found() -> Selectivity:
    draw = torch.Generator().manual_seed(111)
    vectors = torch.randn(150, 48, generator=draw)
    of = torch.randint(150, (4000,), generator=draw)
    y = (vectors @ torch.randn(48, generator=draw) > 0).long()[of]
    states = States.of(vectors[of] + 0.3 * torch.randn(4000, 48, generator=draw), y.tolist(), types=[f"type {int(i)}" for i in of])
    return selectivity_of(states, {"linear": Logistic(Cs=(1.0,)), "MLP": MLP(hidden=100, lr=0.005, epochs=20)}, seeds=2)


def test_memory_is_exposed(found: Selectivity) -> None:
    linear, network = found.selectivity.tolist()
    assert (found.task.mean(1) > 0.95).all()
    assert linear > 0.15 and network < 0.05
    assert found.check()[0].holds is True
    assert found.types == 150 and found.width == 48


def test_is_kept_drawn_and_tabled(found: Selectivity, tmp_path: Path) -> None:
    again = Result.load(found.save(tmp_path / "kept"))
    assert isinstance(again, Selectivity)
    torch.testing.assert_close(again.selectivity, found.selectivity)
    assert found.to_frame()["selectivity"].to_list() == pytest.approx(found.selectivity.tolist())
    assert found.drawing().control["name"] == "control task"


def arcs() -> Labelled:
    """Two sentences of four words; each word with each other one as its candidate head."""
    text = "a b c d"
    places = [(0, 1), (2, 3), (4, 5), (6, 7)]
    pairs = [(s, i, j) for s in range(2) for i in range(4) for j in range(4) if i != j]
    return Labelled.of(
        [text, text], ["yes" if j == (i + 1) % 4 else "no" for _, i, j in pairs], text=[s for s, _, _ in pairs],
        spans=[[places[i], places[j]] for _, i, j in pairs], groups=[s for s, _, _ in pairs],
    )  # fmt: skip


def test_random_heads_give_each_word_one_head_by_its_type() -> None:
    data = arcs()
    assert has_candidates(data)
    seen = set()
    for seed in range(12):
        labels = random_heads(data, seed).view(2, 4, 3)
        assert (labels.sum(2) == 1).all()
        assert torch.equal(labels[0], labels[1])  # the same words, the same rule
        seen.add(tuple(labels[0].argmax(1).tolist()))
        for word, row in enumerate(labels[0]):
            others = [j for j in range(4) if j != word]
            nearest = min(others, key=lambda j: abs(j - word))
            assert others[int(row.argmax())] in {others[0], others[-1], nearest}
    assert len(seen) > 3
    assert torch.equal(control_labels(data, 4), random_heads(data, 4))


def test_pairs_with_relations_keep_labels_by_type() -> None:
    data = Labelled.of(["a b"] * 9, ["x", "y", "z"] * 3, spans=[[(0, 1), (2, 3)]] * 9, groups=list(range(9)))
    assert not has_candidates(data)
    assert len(set(control_labels(data, 0).tolist())) == 1  # one type of pair, one label


def test_bad_input_is_refused() -> None:
    x = torch.randn(30, 2)
    with pytest.raises(InputError, match="give one"):
        selectivity_of(States.of({"a": x, "b": x}, [0, 1] * 15))
    with pytest.raises(InputError, match="are numbers"):
        selectivity_of(States.of(x, torch.randn(30)))
    with pytest.raises(InputError, match="no word of the test"):
        selectivity_of(States.of(x, [0, 1] * 15, types=[str(i) for i in range(30)]))
