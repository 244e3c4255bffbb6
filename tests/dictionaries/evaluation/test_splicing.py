"""The model's loss with a basis in the place of its own activations: identities that no other number can stand in for."""

import pytest
import torch
from torch.nn.functional import cross_entropy

import sonde
from sonde.access import Model
from sonde.dictionaries import Dictionary, Part
from sonde.dictionaries.evaluation import evaluate, recovered
from sonde.nn import Transformer, TransformerConfig
from sonde.results import CheckRefused, InputError

SITE = "blocks.1.resid_post"
WIDTH = 16


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    module = Transformer(TransformerConfig(n_layers=3, d_model=WIDTH, n_heads=2, d_vocab=30, n_ctx=12, d_mlp=24))
    with torch.no_grad():
        for weight in module.parameters():
            weight.normal_(0, 0.3)
    return Model(module)


@pytest.fixture(scope="module")
def corpus(model):
    """Rows that the model itself says, so that every change of it does harm."""
    generator, rows = torch.Generator().manual_seed(1), []
    for length in (12, 5, 12, 9, 12, 7, 2, 12, 5, 11):
        row = torch.randint(30, (1,), generator=generator).tolist()
        while len(row) < length:
            row.append(int(torch.multinomial((2 * model.run([row]).logits[0, -1]).softmax(-1), 1, generator=generator)))
        rows.append(row)
    return rows


def whole(site=SITE, width=WIDTH, **more):
    """Everything is kept: the activation and its negative, rectified."""
    eye = torch.eye(width)
    both = torch.cat([eye, -eye])
    return Dictionary(both, torch.zeros(2 * width), both, torch.zeros(width), "relu", reads=(Part(site, width),), **more)


def constant(value, site=SITE):
    """Nothing is active, so that a constant is written."""
    eye = torch.eye(WIDTH)
    return Dictionary(eye, torch.full((WIDTH,), -1e6), eye, value, "relu", reads=(Part(site, WIDTH),))


def mean_at(model, corpus, site=SITE):
    rows = [model.run([row], read=site)[site][0].double() for row in corpus]
    return torch.cat(rows).mean(0)


def test_what_keeps_everything_recovers_everything(model, corpus):
    found = evaluate({"whole": whole()}, model, corpus=corpus, controls=False)["whole"]
    assert found["fvu"] == pytest.approx(0, abs=1e-9)
    assert found["delta_ce"] == pytest.approx(0, abs=1e-5) and found["kl"] == pytest.approx(0, abs=1e-5)
    assert found["recovered_zero"] == pytest.approx(1, abs=1e-4) and found["recovered_mean"] == pytest.approx(1, abs=1e-3)


def test_ablating_all_recovers_nothing_against_the_same_ablation(model, corpus):
    mean = mean_at(model, corpus).float()
    found = evaluate({"zero": constant(torch.zeros(WIDTH)), "mean": constant(mean)}, model, corpus=corpus, controls=False)
    assert found["zero"]["recovered_zero"] == pytest.approx(0, abs=1e-5)
    assert found["mean"]["recovered_mean"] == pytest.approx(0, abs=1e-4)
    assert found["mean"]["fvu"] == pytest.approx(1, abs=1e-5)
    assert abs(found["mean"]["recovered_zero"]) > 1e-3  # the two baselines are two numbers
    assert found["zero"]["l0"] == 0 and found["zero"]["dead"] == 1


def test_the_loss_is_the_models_own(model, corpus):
    """A mean over tokens, of next tokens that are there: rows of several lengths are not padded into it."""
    nats = torch.cat([cross_entropy(model.run([row]).logits[0, :-1], torch.tensor(row[1:]), reduction="none") for row in corpus])
    found = evaluate(whole(), model, corpus=corpus, controls=False)
    clean, zero, mean = found.ablated[SITE]
    assert clean == pytest.approx(float(nats.mean()), rel=1e-5)
    assert zero != clean and mean != clean
    at_zero = [model.run([row], edits=sonde.Set(SITE, 0.0)).logits[0, :-1] for row in corpus]
    nats = torch.cat([cross_entropy(logits, torch.tensor(row[1:]), reduction="none") for logits, row in zip(at_zero, corpus, strict=True)])
    assert zero == pytest.approx(float(nats.mean()), rel=1e-5)


def test_the_divergence_is_from_the_models_own_prediction(model, corpus):
    found = evaluate(constant(torch.zeros(WIDTH)), model, corpus=corpus, controls=False, metrics=["loss"])["dictionary"]
    total, n = 0.0, 0
    for row in corpus:
        own = model.run([row]).logits[0, :-1].log_softmax(-1)
        other = model.run([row], edits=sonde.Set(SITE, 0.0)).logits[0, :-1].log_softmax(-1)
        total += float((own.exp() * (own - other)).sum())
        n += len(own)
    assert found["kl"] == pytest.approx(total / n, rel=1e-4)


def test_a_transcoder_is_spliced_where_it_writes(model, corpus):
    """One that is the layer itself changes nothing; one that reads another row does."""
    mlp = model.module.blocks[1].mlp
    up, down = mlp.up.weight.detach(), mlp.down.weight.detach()
    parts = {"reads": (Part("blocks.1.mlp.post", up.shape[0]),), "writes": (Part("blocks.1.mlp.out", WIDTH),)}
    bias = torch.zeros(WIDTH) if mlp.down.bias is None else mlp.down.bias.detach()
    exact = Dictionary(torch.eye(up.shape[0]), torch.zeros(up.shape[0]), down.T.contiguous(), bias, "abstopk", k=up.shape[0], **parts)
    found = evaluate({"exact": exact}, model, corpus=corpus)
    assert found["exact"]["fvu"] == pytest.approx(0, abs=1e-9)
    assert found["exact"]["delta_ce"] == pytest.approx(0, abs=1e-5)
    assert found["exact"]["recovered_mean"] == pytest.approx(1, abs=1e-3)
    assert set(found.ablated) == {"blocks.1.mlp.out"}
    assert any("no control" in note for note in found.notes)
    broken = Dictionary(torch.eye(up.shape[0]).roll(1, 0), torch.zeros(up.shape[0]), down.T.contiguous(), bias, "abstopk", k=up.shape[0], **parts)
    assert evaluate(broken, model, corpus=corpus)["dictionary"]["recovered_mean"] < 0.9


def test_a_crosscoder_is_spliced_one_site_at_a_time(model, corpus):
    eye = torch.eye(2 * WIDTH)
    parts = (Part("blocks.0.resid_post", WIDTH), Part("blocks.2.resid_post", WIDTH))
    half = eye.clone()
    half[WIDTH:] = 0  # of the second site nothing is written but zeros
    crosscoder = Dictionary(eye, torch.zeros(2 * WIDTH), half, torch.zeros(2 * WIDTH), "abstopk", k=2 * WIDTH, reads=parts)
    found = evaluate({"both": crosscoder}, model, corpus=corpus, controls=False)["both"]
    assert found["recovered_mean blocks.0.resid_post"] == pytest.approx(1, abs=1e-3)
    assert found["recovered_zero blocks.2.resid_post"] == pytest.approx(0, abs=1e-5)
    assert found["fvu blocks.0.resid_post"] == pytest.approx(0, abs=1e-6) and found["fvu blocks.2.resid_post"] >= 1


def test_the_heads_of_a_site_are_spliced_together(model, corpus):
    parts = tuple(Part(f"blocks.1.attn.z[head={head}]", WIDTH // 2) for head in range(2))
    eye = torch.eye(WIDTH)
    z = Dictionary(eye, torch.zeros(WIDTH), eye, torch.zeros(WIDTH), "abstopk", k=WIDTH, reads=parts)
    side_by_side = whole("blocks.1.attn.z")
    found = evaluate({"heads": z, "whole": side_by_side}, model, corpus=corpus, controls=False)
    for name in ("heads", "whole"):
        assert found[name]["delta_ce"] == pytest.approx(0, abs=1e-5)
        assert found[name]["recovered_zero"] == pytest.approx(1, abs=1e-3)


def test_special_tokens_are_left_alone():
    """The beginning of a text is no activation to explain: not read, not spliced, and nothing predicted from it counts."""
    model = sonde.load("specimen:words-small")
    texts = ["The capital of France is Paris.", "The dogs run."]
    basis = whole("blocks.1.resid_post", model.d_model)
    found = evaluate(basis, model, corpus=texts, controls=False)
    ids = [model.tokenizer.encode(text) for text in texts]
    assert all(row[0] == model.tokenizer.bos_id for row in ids)
    assert found.rows == sum(len(row) - 1 for row in ids)
    nats = [cross_entropy(model.run([row]).logits[0, 1:-1], torch.tensor(row[2:]), reduction="none") for row in ids]
    assert found.ablated["blocks.1.resid_post"][0] == pytest.approx(float(torch.cat(nats).mean()), rel=1e-4)
    at_zero = []
    for row in ids:
        value = model.run([row], read="blocks.1.resid_post")["blocks.1.resid_post"].clone()
        value[:, 1:] = 0
        logits = model.run([row], edits=sonde.Set("blocks.1.resid_post", value)).logits
        at_zero.append(cross_entropy(logits[0, 1:-1], torch.tensor(row[2:]), reduction="none"))
    assert found.ablated["blocks.1.resid_post"][1] == pytest.approx(float(torch.cat(at_zero).mean()), rel=1e-4)
    none = evaluate(basis, model, corpus=texts, controls=False, bos=False)
    assert none.rows == found.rows  # without the token in front the same words count


def test_recovered():
    assert recovered(5.0, 5.0, 3.0) == 0
    assert recovered(5.0, 6.0, 3.0) == -0.5  # worse than the ablation is below 0, not cut
    assert recovered(3.0, 3.5, 3.0) != recovered(3.0, 3.5, 3.0)  # where the ablation does no harm nothing can be recovered


def test_a_result_of_another_model_is_not_checked(model, corpus):
    found = evaluate(whole(), model, corpus=corpus)
    assert all(verdict.holds is not None for verdict in found.check(model))
    with pytest.raises(CheckRefused):
        found.check(sonde.load("specimen:words-small"))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda model, corpus: evaluate(whole(), model), "give corpus="),
        (lambda model, corpus: evaluate(whole(width=8), model, corpus=corpus), "has 16 entries and the basis reads 8"),
        (lambda model, corpus: evaluate(sonde.bases.Neurons(WIDTH), model, corpus=corpus), "name the place with site="),
        (lambda model, corpus: evaluate(whole(), model, corpus=corpus, metrics=["scr"]), "use 'properties'"),
        (lambda model, corpus: evaluate(whole(), model, corpus=corpus, metrics=["recovery"]), "give truth="),
        (lambda model, corpus: evaluate(whole(), model, corpus=corpus, metrics=["beauty"]), "choose from"),
        (lambda model, corpus: evaluate(whole(), torch.randn(9, WIDTH), metrics=["loss"]), "a causal language model"),
        (lambda model, corpus: evaluate(whole(), model, corpus=[[1], [2]], controls=False), "two tokens and more"),
    ],
)
def test_refusals(model, corpus, call, message):
    with pytest.raises(InputError, match=message):
        call(model, corpus)
