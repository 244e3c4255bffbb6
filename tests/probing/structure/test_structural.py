"""Planted trees are told from the states in which they were planted, and from none other."""

import pytest
import torch
from small_models import words

from sonde.probing import Parsed, StructuralConfig, StructuralProbes, parse, read_trees, structural_probe, structural_probe_states
from sonde.probing.data import Sentence, Word
from sonde.probing.structure.probe import _losses, distances_of, fit_structure
from sonde.probing.structure.results import CHAIN, RANDOM, UNTRAINED
from sonde.probing.structure.trees import random_tree, tree_distances
from sonde.results import InputError

FIT = StructuralConfig(rank=32, epochs=15, lr=1e-2)


def planted(n=160, size=10, width=64, noise=0.05, seed=0, told=True):
    """Trees of which each arc is a displacement of its own, turned into the states' space; or states that know nothing of them."""
    draw = torch.Generator().manual_seed(seed)
    turned = torch.linalg.qr(torch.randn(width, width, generator=draw)).Q[:size]
    heads, values = [], []
    for _ in range(n):
        arcs, root = random_tree(size, draw), int(torch.randint(size, (1,), generator=draw))
        head, h, todo = [-1] * size, torch.zeros(size, size), [root]
        while todo:
            a = todo.pop()
            for b in (y if x == a else x for x, y in arcs if a in (x, y)):
                if b != head[a]:
                    head[b], h[b] = a, h[a] + torch.eye(size)[b]
                    todo.append(b)
        heads.append(head)
        values.append((h @ turned if told else torch.randn(size, width, generator=draw)) + noise * torch.randn(size, width, generator=draw))
    return Parsed.of({"given": values}, heads)


@pytest.mark.parametrize("seed", [11, 12])
def test_planted_trees_are_found(seed):
    found = structural_probe_states(planted(seed=seed), FIT, seed=seed)
    assert found.uuas[0] > 0.97 and found.root_accuracy[0] > 0.9
    assert found.distance_correlation[0] > 0.9 and found.depth_correlation[0] > 0.9
    assert found.control(CHAIN) < 0.35 and found.control(RANDOM) < 0.3


def test_states_that_know_nothing_tell_nothing():
    found = structural_probe_states(planted(seed=13, told=False), FIT, seed=1)
    assert found.uuas[0] < 0.3 and found.root_accuracy[0] < 0.35 and abs(found.depth_correlation[0]) < 0.2


def test_trees_of_other_sentences_tell_nothing():
    right = planted(seed=14)
    turned = Parsed.of(right.values, [*right.heads[1:], right.heads[0]])
    assert structural_probe_states(turned, FIT).uuas[0] < 0.35


def test_a_rank_that_is_too_low_is_worse():
    low, high = (structural_probe_states(planted(seed=15), StructuralConfig(rank=rank, epochs=15, lr=1e-2)) for rank in (1, 16))
    assert low.rank == 1 and low.uuas[0] < high.uuas[0] - 0.2


def test_sentences_of_several_lengths_count_as_in_the_paper():
    """The loss is that of the paper's equation, whichever sentences are computed together."""
    cases = [(h, tree_distances(heads)) for part in (planted(3, 4), planted(2, 7)) for h, heads in zip(part.values["given"], part.heads, strict=True)]
    B = torch.randn(64, 5, generator=torch.Generator().manual_seed(0)) / 8
    for h, gold in cases:
        by_hand = sum(abs(float((B.T @ (h[i] - h[j])).square().sum()) - int(gold[i, j])) for i in range(len(h)) for j in range(len(h))) / len(h) ** 2
        assert float(_losses(distances_of(h @ B)[None], gold[None])) == pytest.approx(by_hand, rel=1e-3)
    scaled = [fit_structure([(k * h, gold) for h, gold in cases], cases[:2], distances_of, StructuralConfig(rank=4, epochs=3), 0) for k in (1, 1)]
    assert torch.equal(*scaled)


def forest(n=24):
    """Sentences of the small world with trees made by rule: every word on the next one, the last but one the root, a full stop on it."""
    texts = [f"The {a} near the {b} is {c} ." for a in ("key", "cat", "dog", "box") for b in ("table", "door", "tree") for c in ("big", "old")][:n]
    found = []
    for number, text in enumerate(texts):
        forms, start, made = text.split(" "), 0, []
        for i, form in enumerate(forms):
            last = len(forms) - 2
            head = -1 if i == last else last if form == "." else i + 1
            made.append(Word(form, (start, start + len(form)), True, "PUNCT" if form == "." else "X", "", "", {}, head))
            start += len(form) + 1
        found.append(Sentence(text, tuple(made), f"sentence {number}"))
    return found


@pytest.fixture(scope="module")
def studied():
    return structural_probe(words(), forest(), ["embed", "blocks.1.resid_post"], StructuralConfig(rank=8, epochs=2), draws=2, share=0.4)


def test_a_model_is_probed_at_its_sites(studied):
    assert studied.sites == ["embed", "blocks.1.resid_post"] and set(studied.controls) == {CHAIN, RANDOM, UNTRAINED}
    assert studied.control(CHAIN) == 1 and 0 < studied.control(RANDOM) < 0.6  # the rule is the chain
    assert (studied.arcs == 6).all() and studied.maps["embed"].shape == (128, 8) and studied.best in studied.sites
    assert [verdict.claim.split("by ")[1] for verdict in studied.check(words())] == [f"{name}." for name in (CHAIN, RANDOM, UNTRAINED)]
    assert not studied.check(words())[0].holds  # nothing is better than what is right


def test_tables_drawings_and_files(studied, tmp_path):
    assert studied.to_frame().height == 2 and studied.drawing().kind == "lines" and studied.tree().kind == "circuit_pair"
    assert studied.distances().kind == "beside"
    back = StructuralProbes.load(studied.save(tmp_path / "trees"))
    assert torch.equal(back.uuas, studied.uuas) and back.tree(1).to_json() == studied.tree(1).to_json()
    with pytest.raises(InputError, match="sentence 99"):
        studied.tree(99)


def test_a_word_of_several_tokens_is_pooled_and_sentences_without_trees_are_named(tmp_path):
    circle = Sentence("a b", tuple(Word(form, (i * 2, i * 2 + 1), True, "X", "", "", {}, 1 - i) for i, form in enumerate("ab")), "circle")
    kept, notes = parse([*forest(4), circle])
    assert len(kept) == 4 and any("circle" in note for note in notes)
    parsed = read_trees(words(), kept, "embed")
    assert [len(x) for x in parsed.values["embed"]] == [8] * 4 and parsed.kept[0].tolist() == [True] * 7 + [False]
    with pytest.raises(InputError, match="no sentence of 2 to 60 words has a tree"):
        parse([circle])


@pytest.mark.parametrize(
    ("change", "message"),
    [({"draws": 1}, "draws=1"), ({"share": 2.0}, "share=2"), ({"parsed": planted(2)}, "group")],
)
def test_mistakes_are_named(change, message):
    with pytest.raises(InputError, match=message):
        structural_probe_states(**({"parsed": planted(6), "config": StructuralConfig(epochs=1)} | change))


def test_settings_and_states_that_do_not_fit():
    with pytest.raises(InputError, match="at least one dimension"):
        StructuralConfig(rank=0)
    with pytest.raises(InputError, match="do not fit the words"):
        Parsed.of({"given": [torch.eye(3)]}, [[-1, 0]])
