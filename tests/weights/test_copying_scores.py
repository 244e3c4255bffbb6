"""The copying score: 1 for a head that raises what it looks at, -1 for one that lowers it, near 0 for a shuffled one."""

import pytest
import torch
from data_models import nets
from data_models.shared import DATA, needs
from tiny_families import build

import sonde
from sonde.nn import permuted
from sonde.nn.transformer import Transformer, TransformerConfig
from sonde.results import InputError
from sonde.weights import CopyingScores, copying_scores


@pytest.fixture(scope="module")
def model():
    """Head 0 copies, head 1 suppresses, head 2 writes at random."""
    n = 24
    shape = {"n_layers": 1, "d_model": n, "n_heads": 3, "d_head": 8, "d_vocab": n, "n_ctx": 12, "d_mlp": 0, "norm": None, "positional": None}
    torch.manual_seed(0)
    network = Transformer(TransformerConfig(**shape, tied=False, bias=False)).eval()
    with torch.no_grad():
        network.embed.weight.copy_(torch.eye(n))
        network.unembed.weight.copy_(torch.eye(n))
        attn = network.blocks[0].attn
        attn.v.weight.normal_()
        attn.o.weight.normal_()
        attn.o.weight[:, :8] = attn.v.weight[:8].T
        attn.o.weight[:, 8:16] = -attn.v.weight[8:16].T
    return sonde.load(network)


def test_planted_heads(model, tmp_path):
    found = copying_scores(model)
    assert found.values[0, :2].tolist() == pytest.approx([1, -1], abs=1e-4) and abs(float(found.values[0, 2])) < found.chance
    assert found.to_frame()["beyond_chance"].to_list() == [True, False, True]  # the random head stands between the two
    assert abs(float(found.shuffled[:, 0, :2].mean())) < 0.3
    again = CopyingScores.load(found.save(tmp_path / "copying"))
    assert torch.equal(again.eigenvalues, found.eigenvalues) and again.drawing().kind == "tabs"


def test_copying_within_groups_is_held_against_permuted_weights(model):
    found = copying_scores(model)
    verdicts = found.check(model, networks=2)
    assert {v.claim: v.holds for v in verdicts} == {
        "Head 0.0 raises the tokens that it looks at.": True, "Head 0.1 lowers the tokens that it looks at.": True
    }  # fmt: skip
    assert all(abs(v.control) < 0.3 for v in verdicts)
    broken = sonde.load(permuted(model.module, 7))
    assert not any(v.holds for v in copying_scores(broken).check(broken, networks=2)), "control: a network that learnt nothing"


def test_the_small_matrix_has_the_eigenvalues_of_the_large_one():
    from sonde.weights import embedding, ov, unembedding

    model = sonde.load(build("llama"))
    E = embedding(model).factors[0]
    dense = (E - E.mean(0)).double() @ ov(model, 1)[3].dense().double() @ unembedding(model).dense().double()
    truth = torch.linalg.eigvals(dense)
    found = copying_scores(model)
    assert float(found.values[1, 3]) == pytest.approx(float(truth.real.sum() / truth.abs().sum()), abs=1e-3)


def test_mistakes(model):
    with pytest.raises(InputError, match="at least 20"):
        copying_scores(model, draws=5)


@needs("induction_2l")
def test_the_published_network():
    found = copying_scores(sonde.load(nets.induction(DATA / "induction_2l")))
    assert (found.values[1] > 0.99).all() and found.chance < 0.99
