"""Composition: the planted pair above all others, chance where it says it is, the published network's own heads."""

import pytest
import torch
from data_models import nets
from data_models.shared import DATA, needs
from small_models import planted
from tiny_families import build

import sonde
from sonde.evidence import permuted, random_rotation
from sonde.nn.transformer import Transformer, TransformerConfig
from sonde.results import InputError
from sonde.weights import Composition, LinearMap, composition
from sonde.weights.composition import scores


def test_chance_is_what_random_turns_give():
    """Mean and deviation of the squared score, against 400 turns of one of the two maps."""
    generator = torch.Generator().manual_seed(0)
    width = 12
    first = torch.randn(width, 3, generator=generator) @ torch.diag(torch.tensor([3.0, 1.0, 0.5])) @ torch.randn(3, width, generator=generator)
    second = torch.randn(width, 2, generator=generator) @ torch.randn(2, width, generator=generator)
    turns = [random_rotation(width, seed=i).float() for i in range(400)]
    z = torch.stack([scores(LinearMap((first, turn)), LinearMap((second,)), width)[1] for turn in turns])
    squares = torch.stack([scores(LinearMap((first, turn)), LinearMap((second,)), width)[0].square() for turn in turns])
    assert float(squares.mean()) == pytest.approx(1 / width, rel=0.1)
    assert abs(float(z.mean())) < 0.2 and float(z.std()) == pytest.approx(1, rel=0.2)


def test_the_planted_pair_stands_above_all_others():
    model, truth = planted()
    found = composition(model)
    assert found.strongest("K") == (truth["previous_token"], truth["induction"])
    assert found.value("K", truth["previous_token"], truth["induction"])[1] > 20
    others = found.to_frame().filter(~((found.to_frame()["kind"] == "K") & (found.to_frame()["receiver"] == truth["induction"])))
    assert float(others["z"].max()) < 5
    assert len(found.graph().data["scores"]) > 0 and found.drawing().kind == "tabs"
    words = sorted(truth["words"])
    texts = [" ".join([*words[i : i + 6], *words[i : i + 6]]) for i in range(10)]
    [verdict] = found.check(model, texts)
    assert verdict.holds and verdict.measured > 0.3
    assert found.check(model, texts, "V")[0].holds is None
    broken = composition(sonde.load(permuted(model.module, seed=0)))
    assert float(broken.to_frame()["z"].max()) < 0.2 * found.value("K", truth["previous_token"], truth["induction"])[1]


def test_random_matrices_are_near_chance_and_scale_does_not_count():
    torch.manual_seed(0)
    shape = {"n_layers": 2, "d_model": 32, "n_heads": 4, "d_vocab": 20, "n_ctx": 10, "d_mlp": 0, "norm": None, "bias": False}
    network = Transformer(TransformerConfig(**shape))
    found = composition(sonde.load(network))
    assert found.expected == pytest.approx(32**-0.5)
    z = found.to_frame()["z"]
    assert float(z.abs().max()) < 4.5 and abs(float(z.mean())) < 0.6
    with torch.no_grad():
        network.blocks[0].attn.o.weight.mul_(100)
    again = composition(sonde.load(network))
    assert torch.allclose(again.values.nan_to_num(), found.values.nan_to_num(), atol=1e-5)


def test_the_dense_computation_agrees():
    model = sonde.load(build("gpt2"))
    found = composition(model)
    from sonde.weights import ov, qk

    writes, reads = ov(model, 0)[2].dense(), qk(model, 1)[3].dense()
    writes = writes - writes.mean(-1, keepdim=True)  # a LayerNorm does not see the mean
    for kind, read in (("Q", reads), ("K", reads.T), ("V", ov(model, 1)[3].dense())):
        dense = (writes @ read).norm() / (writes.norm() * read.norm())
        assert found.value(kind, "0.2", "1.3")[0] == pytest.approx(float(dense), abs=1e-5)


def test_at_a_distance_queries_meet_keys_that_are_turned():
    """Of one pair, written out with the family's own rotation; values do not turn, and at no distance nothing does."""
    model = sonde.load(build("llama"))
    found, same = composition(model, distance=3), composition(model)
    from sonde.weights import ov, qk

    writes, reads = ov(model, 0)[1].dense(), qk(model, 1, 3)[2].dense()
    assert found.value("Q", "0.1", "1.2")[0] == pytest.approx(float((writes @ reads).norm() / (writes.norm() * reads.norm())), abs=1e-5)
    assert not torch.allclose(found.values[0].nan_to_num(), same.values[0].nan_to_num(), atol=1e-4)
    assert torch.equal(found.values[2].nan_to_num(), same.values[2].nan_to_num())
    assert torch.allclose(composition(model, distance=0).values.nan_to_num(), same.values.nan_to_num(), atol=1e-5)
    with pytest.raises(InputError, match="does not rotate"):
        composition(sonde.load(build("gpt2")), distance=3)
    with pytest.raises(InputError, match="distance=-1"):
        composition(model, distance=-1)


def test_weighing_by_a_text_and_saving(tmp_path):
    model = sonde.load(build("llama"))
    found = composition(model, [[1, 2, 3, 4, 5], [6, 7, 8]])
    assert found.weighed and not torch.equal(found.values.nan_to_num(), composition(model).values.nan_to_num())
    again = Composition.load(found.save(tmp_path / "composition"))
    assert again.strongest("V") == found.strongest("V")


def test_what_a_family_does_not_allow_is_said():
    found = composition(sonde.load(build("qwen3")))
    assert found.kinds == ["V"] and "no product of queries and keys" in found.left_out["K"]
    with pytest.raises(InputError, match="no product"):
        found.strongest("K")
    shape = {"n_layers": 1, "d_model": 8, "n_heads": 2, "d_vocab": 20, "n_ctx": 10, "d_mlp": 0}
    with pytest.raises(InputError, match="has 1 block"):
        composition(sonde.load(Transformer(TransformerConfig(**shape))))


@needs("induction_2l")
def test_the_published_network():
    """Its README names 0.2 the previous-token head and 1.1, 1.2 and 1.3 induction heads."""
    model = sonde.load(nets.induction(DATA / "induction_2l"))
    found = composition(model)
    frame = found.to_frame().filter(found.to_frame()["kind"] == "K")
    assert set(frame["sender"][:4]) == {"0.2"} and set(frame["receiver"][:3]) == {"1.1", "1.2", "1.3"}
    assert float(frame["z"][3]) > 15 and float(frame["z"][4:].max()) < 2
