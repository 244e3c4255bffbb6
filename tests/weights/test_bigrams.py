"""The bigram table: a Markov chain written into a model is read back, and a shuffled model knows nothing."""

import pytest
import torch
from small_models import words
from tiny_families import build
from tiny_models import bare

import sonde
from sonde.evidence import permuted
from sonde.nn.transformer import Transformer, TransformerConfig
from sonde.results import CheckRefused, InputError, SiteUnavailable
from sonde.weights import Bigrams, bigrams

STATES = 12


@pytest.fixture(scope="module")
def chain():
    """The probabilities of a Markov chain, a network whose direct path is these, and text of the chain."""
    generator = torch.Generator().manual_seed(0)
    transition = (2 * torch.randn(STATES, STATES, generator=generator)).softmax(-1)
    shape = {"n_heads": 1, "n_ctx": 40, "d_mlp": 0, "norm": None, "positional": None, "tied": False, "bias": False}
    network = Transformer(TransformerConfig(n_layers=1, d_model=STATES, d_vocab=STATES, **shape))
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()
        network.embed.weight.copy_(torch.eye(STATES))
        network.unembed.weight.copy_(transition.log().T)
    rows = torch.randint(STATES, (60, 1), generator=generator)
    for _ in range(39):
        rows = torch.cat([rows, torch.multinomial(transition[rows[:, -1]], 1, generator=generator)], 1)
    return transition, sonde.load(network), rows


def test_a_chain_is_read_back(chain):
    transition, model, rows = chain
    table = bigrams(model, rows, k=STATES)
    assert torch.allclose(table.probability, transition.sort(descending=True).values, atol=1e-6)
    assert table.top.tolist() == transition.argsort(descending=True).tolist()
    truth = -transition.log()[rows[:, :-1], rows[:, 1:]].mean()
    assert table.loss == pytest.approx(float(truth), abs=1e-5)
    # the text's own frequencies fit it better than the chain that made it does, and its single tokens worse
    assert table.entropy["bigrams"] < table.loss < table.entropy["single tokens"]
    assert table.agreement > 0.8
    [verdict] = table.check(model)
    assert verdict.holds and verdict.control > verdict.measured + 1


def test_the_divergence_is_loss_less_entropy(chain):
    _, model, rows = chain
    table = bigrams(model, rows)
    frame = table.to_frame()
    mean = float((frame["kl"] * frame["count"]).sum() / frame["count"].sum())
    assert mean == pytest.approx(table.loss - table.entropy["bigrams"], abs=1e-5)


def test_another_token_for_each_row_knows_nothing(chain):
    _, model, rows = chain
    broken = sonde.load(permuted(model.module, seed=1))
    [verdict] = bigrams(broken, rows).check(broken)
    assert verdict.holds is False


@pytest.mark.parametrize("family", ["gpt2", "llama", "native-gated"])
def test_it_is_the_model_with_its_layers_taken_out(family):
    """Where every branch adds nothing, and no embedding of positions does, the model's own next-token probabilities are the table."""
    model = sonde.load(bare(family))
    table = bigrams(model, k=5)
    silent = [sonde.Zero(f"blocks.{i}.{branch}.out") for i in range(model.n_layers) for branch in ("attn", "mlp")]
    silent += [sonde.Zero("pos_embed")] if "pos_embed" in model.architecture.sites else []
    logits = model.run([[i] for i in range(model.architecture.d_vocab)], edits=silent).logits[:, 0]
    best = logits.softmax(-1).topk(5)
    assert torch.equal(best.indices, table.top) and torch.allclose(best.values, table.probability, atol=1e-5)


@pytest.mark.parametrize("family", ["bloom", "gemma2", "opt"])
def test_norms_caps_and_scales_of_a_family_belong_to_it(family):
    model = sonde.load(build(family))
    silent = [sonde.Zero(f"blocks.{i}.{branch}.out") for i in range(model.n_layers) for branch in ("attn", "mlp")]
    silent += [sonde.Zero("pos_embed")] if "pos_embed" in model.architecture.sites else []
    logits = model.run([[7]], edits=silent).logits[0, 0]
    assert torch.allclose(logits.softmax(-1).topk(4).values, bigrams(model, k=4).probability[7], atol=1e-5)


def test_in_words(tmp_path):
    model = words()
    table = bigrams(model, ["The keys on the cabinet are here.", "The dogs near the cat are here."])
    row = model.unembed(model.embed(torch.tensor([model.tokenizer.single(" keys")])))[0].softmax(-1)
    assert [p for _, p in table.after(" keys")] == pytest.approx(row.topk(10).values.tolist(), rel=1e-4)
    assert "rows shuffled" in str(table.drawing().to_json()) and table.check(model)[0].holds is None
    again = Bigrams.load(table.save(tmp_path / "table"))
    assert again.tokens == table.tokens and torch.equal(again.shuffled, table.shuffled)
    with pytest.raises(InputError, match="' keys' is"):
        table.after("keys")
    with pytest.raises(CheckRefused):
        table.check(sonde.load(bare("gpt2")))


def test_without_a_text(chain):
    _, model, _ = chain
    table = bigrams(model)
    assert table.to_frame().height == STATES and table.drawing().kind == "table"
    assert table.check(model)[0].holds is None
    with pytest.raises(InputError, match="without a text"):
        _ = table.loss


@pytest.mark.parametrize(
    "given, message",
    [
        ({"texts": ["The"]}, "without a tokenizer"),
        ({"texts": [[1]]}, "no two tokens"),
        ({"texts": [[1, 99]]}, "token 99 is none of the model's: ids go from 0 to 11"),
        ({"k": 0}, "from 1 to 12"),
        ({"draws": 1}, "at least twice"),
    ],
)
def test_mistakes(chain, given, message):
    with pytest.raises(InputError, match=message):
        bigrams(chain[1], **given)


def test_models_without_a_direct_path():
    with pytest.raises(SiteUnavailable, match="no unembedding"):
        bigrams(sonde.load(torch.nn.Linear(3, 3)))
