"""The tuned lens: it begins as the logit lens, learns what layers turn by, tells what it has computed itself, and belongs to one model."""

import json

import pytest
import torch
from small_models import words

import sonde
from sonde.lens import TunedLens, TunedTraining, judge, logit_lens, read_checkpoint, train, tuned_lens
from sonde.lens.divergence import Answer, Divergence
from sonde.nn import Transformer, TransformerConfig
from sonde.results import CheckRefused, InputError, LoadError, SondeError

VOCAB, WIDTH = 24, 12


def network(**options):
    torch.manual_seed(0)
    settings = {"n_layers": 3, "d_model": WIDTH, "n_heads": 2, "d_vocab": VOCAB, "n_ctx": 8, "d_mlp": 24, "tied": False, "norm": None}
    return Transformer(TransformerConfig(**settings | options)).eval()


def turning(reads_context):
    """A planted network: every block turns the stream by its own rotation, and the unembedding reads it after the last; attention adds the token
    before, or nothing. So the logit lens reads early layers wrongly, and without attention the answer is a function of the current token."""
    module = network(activation="relu", bias=True)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in module.parameters():
            weight.zero_()
        module.embed.weight.normal_(generator=generator)
        module.unembed.weight.normal_(generator=generator)
        for i, block in enumerate(module.blocks):
            turn = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=generator))[0] - torch.eye(WIDTH)
            # relu(x) - relu(-x) = x: the MLP adds what turns the stream
            up, down = block.mlp.up, block.mlp.down
            up.weight.copy_(torch.cat([torch.eye(WIDTH), -torch.eye(WIDTH)]))
            down.weight.copy_(torch.cat([turn.T, -turn.T]).T)
            if reads_context and i == 1:
                own = slice(0, WIDTH // 2)
                for part in (block.attn.v, block.attn.o):
                    part.weight[own, own] = 2 * torch.eye(WIDTH // 2)
    return sonde.Model(module)


def rows(n, seed, length=8):
    return torch.randint(0, VOCAB, (n, length), generator=torch.Generator().manual_seed(seed)).tolist()


QUICK = TunedTraining(steps=150, tokens=256, lr=2e-2, weight_decay=0.0)


@pytest.fixture(scope="module", params=[False, True], ids=["a function of the token", "context"])
def judged(request):
    model = turning(request.param)
    lens = train(model, rows(200, 0), QUICK)
    return request.param, model, lens, judge(model, lens, rows(24, 1))


def test_translators_learn_what_the_layers_turn_by(judged):
    context, _, lens, quality = judged
    assert lens.layers == ["embed", "0", "1"] and quality.layers[-1] == "model"
    logit, tuned = quality.logit_kl.mean(1), quality.tuned_kl.mean(1)
    assert bool((tuned[:-1] < 0.2 * logit[:-1])[1 + context :].all()) and logit[-1] < 1e-5 and tuned[-1] < 1e-5
    assert lens.log["1"][-1] < 0.2 * lens.log["1"][0] and lens.log["tokens"][-1] >= 150 * 256


def test_what_the_lens_computes_itself_is_not_credited_to_the_model(judged):
    """The trap, planted: where the answer is a function of the token, the embeddings' lens knows it and no layer has written anything."""
    context, model, _, quality = judged
    closer, *written = quality.check(model)
    assert closer.holds
    if context:
        assert [verdict.holds for verdict in written] == [False, True, True], "attention in block 1 brings what no lens of a token can know"
    else:
        assert not any(verdict.holds for verdict in written)
        assert float(quality.tuned_kl[0].mean()) < 0.05 * float(quality.constant.mean())


def test_untrained_it_is_the_logit_lens_and_its_last_row_is_the_model():
    model = words()
    lens = train(model, [[1, 2]], TunedTraining(steps=1, tokens=2, lr=1e-30))
    plain, tuned = logit_lens(model, "The keys on the cabinet"), tuned_lens(model, "The keys on the cabinet", lens)
    assert torch.equal(plain.top, tuned.top) and torch.allclose(plain.kl, tuned.kl, atol=1e-5)
    assert tuned.layers == plain.layers and tuned.recipe.function == "sonde.lens.tuned_lens"


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "gptj"])
def test_slopes_by_products_are_those_by_autograd(name):
    from tiny_families import build

    model = sonde.Model(build(name))
    states = torch.randn(9, model.d_model, generator=torch.Generator().manual_seed(0))
    answer = Answer.of(model.unembed(torch.randn(9, model.d_model, generator=torch.Generator().manual_seed(1))).detach())
    divergence = Divergence(model)
    with torch.no_grad():
        normed = model.final(states)
    for mine, other in zip(divergence.slopes(normed, answer), divergence.by_autograd(normed, answer), strict=True):
        assert torch.allclose(mine, other, atol=1e-5)
    assert (divergence._unembed is None) == (name == "gemma2"), "capped logits go by autograd"


def test_slopes_towards_the_truth_are_those_of_the_cross_entropy():
    model = sonde.Model(network(norm="layer"))
    normed = torch.randn(7, WIDTH, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([3, 0, 23, 7, 7, 1, 12])
    leaf = normed.clone().requires_grad_()
    true = torch.nn.functional.cross_entropy(model.read_out(leaf), ids, reduction="none")
    loss, slopes = Divergence(model).slopes(normed, Answer.true(ids, VOCAB))
    assert torch.allclose(loss, true, atol=1e-5) and torch.allclose(slopes, torch.autograd.grad(true.sum(), leaf)[0], atol=1e-5)


def test_cross_entropy_teaches_what_is_true_and_kl_what_the_model_says():
    """The text counts upwards, which the model does not know: only the lens that learns from the text does; the other is as wrong as the model."""
    model = turning(False)

    def counting(n, seed):
        return [
            [(start + i) % VOCAB for i in range(8)] for start in torch.randint(0, VOCAB, (n,), generator=torch.Generator().manual_seed(seed)).tolist()
        ]

    told = TunedTraining(steps=150, tokens=256, lr=2e-2, weight_decay=0.0, loss="cross_entropy")
    taught, heard = (train(model, counting(200, 0), config) for config in (told, QUICK))
    assert taught.recipe.arguments["loss"] == "cross_entropy" and "cross-entropy" in taught.drawing().unit and "KL" in heard.drawing().unit
    true, said = (judge(model, lens, counting(12, 1)) for lens in (taught, heard))
    own = float(true.tuned_cross_entropy[-1].mean())
    assert bool((true.tuned_cross_entropy[:-1].mean(1) < 0.2 * own).all()), own
    assert bool((said.tuned_cross_entropy[:-1].mean(1) > 0.8 * own).all()), "control"
    assert bool((true.tuned_kl[:-1].mean(1) > said.tuned_kl[:-1].mean(1)).all()), "and it no longer says what the model says"


def test_trainings_that_cannot_be():
    for wrong in ({"loss": "mse"}, {"lr": -1.0}, {"lr": 0.0}, {"lr": float("nan")}, {"weight_decay": -1.0}, {"clip": 0.0}):
        with pytest.raises(InputError, match=f"^{next(iter(wrong))}="):
            TunedTraining(**wrong)
    model = turning(True)
    with pytest.raises(InputError, match=r"rank=13: .* is 12 wide"):
        train(model, rows(4, 0), TunedTraining(steps=1, rank=13))
    truth = TunedTraining(steps=1, tokens=4, loss="cross_entropy")
    assert train(model, [[3], [4, 5]], truth).notes == ["1 rows of one token were left out: it has no next one"]
    with pytest.raises(InputError, match="no row has a second token"):
        train(model, [[3]], truth)
    from tiny_encoders import build

    with pytest.raises(InputError, match="fills in words"):
        train(sonde.Model(build("bert")), [[4, 7]], truth)


def test_a_training_that_runs_away_is_ended(monkeypatch):
    from sonde.lens import translators

    monkeypatch.setattr(translators.Translators, "update", lambda self, *arguments: torch.tensor([1.0, float("nan"), 1.0]))
    with pytest.raises(SondeError, match=r"after 0 steps \(the loss of layer 0 is no number\): choose a lower lr"):
        train(turning(True), rows(4, 0), TunedTraining(steps=3, tokens=8))


def test_the_users_weights_get_no_gradients():
    model = sonde.Model(network(norm="layer"))
    train(model, rows(4, 0), TunedTraining(steps=2, tokens=16))
    assert all(weight.grad is None for weight in model.module.parameters())


@pytest.mark.parametrize("config", [TunedTraining(steps=6, tokens=20), TunedTraining(steps=6, tokens=20, optimiser="sgd", rank=2)])
def test_an_interrupted_training_goes_on(tmp_path, monkeypatch, config):
    model = turning(True)
    whole = train(model, rows(9, 0), config)

    from sonde.lens import translators

    updates = []
    own = translators.Translators.update

    def update(self, *arguments):
        updates.append(arguments[-1])
        if len(updates) == 5:
            raise KeyboardInterrupt
        return own(self, *arguments)

    monkeypatch.setattr(translators.Translators, "update", update)
    with pytest.raises(KeyboardInterrupt):
        train(model, rows(9, 0), config, folder=tmp_path, every=2)
    resumed = train(model, rows(9, 0), config, folder=tmp_path, every=2)
    assert updates == [0, 1, 2, 3, 4, 4, 5]
    assert torch.equal(resumed.weight, whole.weight) and torch.equal(resumed.bias, whole.bias)
    with pytest.raises(SondeError, match="holds another training"):
        train(model, rows(8, 0), config, folder=tmp_path)
    assert config.rank is None or torch.linalg.matrix_rank(whole.weight[0]) <= 2


def test_a_bias_alone():
    lens = train(turning(True), rows(9, 0), TunedTraining(steps=2, tokens=20, rank=0))
    assert not lens.weight.any() and bool(lens.bias.any())


def test_encoders_have_tuned_lenses_too():
    from tiny_encoders import build

    model = sonde.Model(build("bert"))
    texts = [[4, 7, 11, 3], [9, 5, 8, 3]]
    before = logit_lens(model, texts).kl[:-1].nanmean()
    lens = train(model, texts, TunedTraining(steps=40, tokens=8, lr=1e-2))
    assert tuned_lens(model, texts, lens).kl[:-1].nanmean() < 0.7 * before


def test_bad_rows_are_named_and_the_rest_goes_on():
    lens = train(words(), ["The keys", "", [99999], "The key " * 999], TunedTraining(steps=1, tokens=2))
    assert [note.split(":")[0] for note in lens.notes] == [f"row {i} was left out" for i in (1, 2, 3)] or len(lens.notes) >= 2
    with pytest.raises(InputError, match="there is no row to read; row 0"):
        train(words(), [[99999]])
    with pytest.raises(InputError, match="a list of texts"):
        train(words(), "The keys")


def test_a_lens_belongs_to_one_model(tmp_path):
    model = turning(True)
    lens = train(model, rows(4, 0), TunedTraining(steps=1, tokens=2))
    back = TunedLens.load(lens.save(tmp_path / "lens"))
    assert torch.equal(back.weight, lens.weight) and back.unembedding == lens.unembedding
    other = sonde.Model(network())
    with pytest.raises(CheckRefused, match="train one for it"):
        tuned_lens(other, rows(1, 1), back)
    with pytest.raises(CheckRefused, match="another final norm or unembedding"):
        back.adopted(other)
    copy = turning(True)
    with torch.no_grad():
        copy.module.embed.weight[0, 0] += 1
    with pytest.raises(CheckRefused, match=r"lens\.adopted\(model\)"):
        judge(copy, back, rows(1, 1))
    assert "used on" in back.adopted(copy).notes[-1] and judge(copy, back.adopted(copy), rows(2, 1)).tuned_kl.shape == (4, 2)


# the format of the tuned-lens library


def kept(folder, model, weight, bias, **changes):
    """What its `TunedLens.save` writes: a state dict, and the settings."""
    from sonde.lens.checkpoints import printed_hash

    folder.mkdir(exist_ok=True)
    n, width = bias.shape
    settings = {
        "base_model_name_or_path": "some/model", "d_model": width, "num_hidden_layers": n, "bias": True, "base_model_revision": None,
        "unembed_hash": printed_hash(model), "lens_type": "linear_tuned_lens",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(settings | changes))
    torch.save({f"{i}.{name}": value[i] for i in range(n) for name, value in (("weight", weight), ("bias", bias))}, folder / "params.pt")
    return folder


def test_a_checkpoint_of_the_library(tmp_path):
    model = turning(True)
    weight, bias = torch.randn(3, WIDTH, WIDTH), torch.randn(3, WIDTH)
    lens = read_checkpoint(kept(tmp_path / "lens", model, weight, bias), model)
    assert torch.equal(lens.weight, weight) and torch.equal(lens.bias, bias) and "some/model" in lens.notes[0]
    state = torch.randn(WIDTH)
    translator = torch.nn.Linear(WIDTH, WIDTH)
    translator.load_state_dict({"weight": weight[1], "bias": bias[1]})
    assert torch.allclose(lens.translate("0", state), state + translator(state), atol=1e-5), "added to the state, as its `transform_hidden` does"
    assert torch.equal(lens.translate("model", state), state)
    back = TunedLens.load(lens.save(tmp_path / "kept"))
    assert tuned_lens(model, rows(1, 0), back).layers[-1] == "model"


def test_checkpoints_that_do_not_fit_are_refused(tmp_path):
    model = turning(True)
    weight, bias = torch.zeros(3, WIDTH, WIDTH), torch.zeros(3, WIDTH)
    with pytest.raises(CheckRefused, match="a lens of another model"):
        read_checkpoint(kept(tmp_path / "a", sonde.Model(network()), weight, bias), model)
    with pytest.raises(CheckRefused, match="a lens of 2 layers"):
        read_checkpoint(kept(tmp_path / "b", model, weight[:2], bias[:2]), model)
    with pytest.raises(LoadError, match=r"'0\.weight' has the shape"):
        read_checkpoint(kept(tmp_path / "c", model, weight[:, :2], bias), model)
    with pytest.raises(LoadError, match="holds no lens"):
        read_checkpoint(tmp_path / "none", model)
    with pytest.raises(LoadError, match="no linear tuned lens"):
        read_checkpoint(kept(tmp_path / "d", model, weight, bias, lens_type="other"), model)
    unnamed = read_checkpoint(kept(tmp_path / "e", model, weight, bias, unembed_hash=None), model)
    assert "is not known" in unnamed.notes[-1]


class Trap:
    """What runs code when it is unpickled."""

    def __reduce__(self):
        return (open, ("/nowhere/at/all",))


def test_a_checkpoint_is_never_unpickled(tmp_path):
    model = turning(True)
    folder = kept(tmp_path / "lens", model, torch.zeros(3, WIDTH, WIDTH), torch.zeros(3, WIDTH))
    torch.save({"0.weight": Trap()}, folder / "params.pt")
    with pytest.raises(LoadError, match="cannot be read as plain tensors"):
        read_checkpoint(folder, model)
