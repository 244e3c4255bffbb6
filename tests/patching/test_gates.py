"""What each kind of patching sees of parts that are both needed, that back one another up, and that repair: on programs whose answer is known."""

import pytest

import sonde
from sonde.patching import activation_patching, edge_patching, path_patching
from sonde.specimens import compiled

GATE = "blocks.0.mlp.in"


def opened(name):
    program = compiled.build(name)
    return sonde.load(program.model, program.tokenizer), program.examples(4), [head.z for head in program.heads.values()]


@pytest.mark.parametrize(("name", "needed", "enough"), [("and_gate", 1, 0), ("or_gate", 0, 1)])
def test_both_needed_is_found_by_noising_and_either_enough_by_denoising(name, needed, enough):
    model, task, heads = opened(name)
    for direction, expected in (("noising", needed), ("denoising", enough)):
        assert activation_patching(model, task, heads, direction).effect.tolist() == pytest.approx([expected] * 2, abs=1e-3)
        for receivers, frozen in (("logits", "heads"), (GATE, "heads+mlps")):
            through = path_patching(model, task, heads, receivers, frozen, direction=direction)
            assert through.effect.tolist() == pytest.approx([expected] * 2, abs=1e-3)
        assert path_patching(model, task, heads, "logits", "heads+mlps", direction=direction).effect.tolist() == pytest.approx([0, 0], abs=1e-3)


def test_edges_of_an_or_matter_together_only():
    model, task, heads = opened("or_gate")
    edges = [(head, GATE) for head in heads]
    assert edge_patching(model, task, [*edges, edges]).effect.tolist() == pytest.approx([0, 0, 1], abs=1e-3)


def test_a_head_in_reserve_hides_what_another_writes():
    """Without the first head the second takes its place, so the answer stays; along its direct path the first is seen."""
    model, task, (first, second) = opened("backup")
    whole = activation_patching(model, task, [first, second, [first, second]], "noising").effect
    assert whole.tolist() == pytest.approx([0, 0, 1], abs=1e-3)
    direct = path_patching(model, task, [first, second], "logits", "heads+mlps").effect
    assert direct.tolist() == pytest.approx([1, 0], abs=1e-3)
