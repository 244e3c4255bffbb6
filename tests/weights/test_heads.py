"""Head scores: right where heads were written down, equal to their definitions, silent where nothing was learnt."""

import pytest
import torch
from small_models import llama, offset_head, planted, words
from tiny_families import build

import sonde
from sonde.evidence import permuted
from sonde.nn import Transformer, TransformerConfig
from sonde.results import InputError
from sonde.specimens.compiled.assembly import word_tokenizer
from sonde.tasks import english
from sonde.weights import head_scores, repeats_by
from sonde.weights.repeats import draw_repeats, looks
from sonde.weights.written import Writing, copying, unembedding


@pytest.fixture(scope="module")
def of_words():
    return head_scores(words())


# truth


@pytest.mark.parametrize("seed", range(2))
def test_the_planted_heads_get_their_names_and_no_others_do(seed):
    model, truth = planted(seed)
    found = head_scores(model)
    assert found.named("previous token") == [truth["previous_token"]]
    assert found.named("induction") == found.named("copying") == [truth["induction"]]
    assert {role.head for role in found.roles()} == {truth["previous_token"], truth["induction"]}
    assert found.value(truth["induction"], "induction") > 0.95 and found.value(truth["previous_token"], "induction") < 0.05
    assert "what followed the last time" in found.describe(truth["induction"])
    assert found.check(model)[0].holds
    # control: heads that do nothing carry nothing
    assert not repeats_by(model, [head for head in ("1.0", "1.1", "1.2", "1.3") if head != truth["induction"]][:2]).holds


def test_a_head_that_looks_a_fixed_way_back_is_no_induction_head():
    """On one period it would score like one."""
    model, head = offset_head(9)
    layer, number = map(int, head.split("."))
    drawn = draw_repeats(model, 32, 0)
    by_row = looks(model, drawn).by_row()[3, :, layer, number]
    fooled = torch.tensor([period == 10 for period in drawn.periods])
    assert by_row[fooled].min() > 0.9, "control: on the period that suits it it is perfect"
    assert head not in head_scores(model).named("induction")


def test_copying_is_the_spectrum_of_the_whole_path():
    """Against eigenvalues of the dense matrix over the whole vocabulary, in a model without norm and MLP."""
    torch.manual_seed(0)
    config = TransformerConfig(n_layers=2, d_model=24, n_heads=3, d_vocab=60, n_ctx=8, d_mlp=0, norm=None, tied=False, bias=False)
    module = Transformer(config).eval()
    model, tokens = sonde.Model(module), list(range(60))
    W_E, W_U = (weight.detach().double() for weight in (module.embed.weight, module.unembed.weight))
    for layer in range(2):
        found = copying(Writing(model, layer).of(tokens), unembedding(model, tokens), 8, [torch.arange(60)])[0]
        for head in range(3):
            own = slice(8 * head, 8 * head + 8)
            attn = module.blocks[layer].attn
            OV = (attn.o.weight[:, own] @ attn.v.weight[own]).detach().double().T
            M = (W_E - W_E.mean(0)) @ OV @ (W_U - W_U.mean(0)).T
            eigenvalues = torch.linalg.eigvals(M)
            expected = eigenvalues.real.sum() / eigenvalues.abs().sum()
            assert found[head].item() == pytest.approx(expected.item(), abs=1e-3)


def counter():
    """One head that writes the token's successor, one that writes the token itself with the wrong sign; no norm, no MLP."""
    known = [entry.forms[0] for name in ("weekday", "month") for entry in english()[name].entries]
    tokenizer = word_tokenizer((*known, *(entry.forms[0] for entry in english()["object"].entries))).backend
    v = tokenizer.get_vocab_size()
    config = TransformerConfig(n_layers=1, d_model=v, n_heads=2, d_head=v, d_vocab=v, n_ctx=64, d_mlp=0, norm=None, tied=False, bias=False)
    module = Transformer(config).requires_grad_(False).eval()
    for weight in module.parameters():
        weight.zero_()
    module.embed.weight.copy_(torch.eye(v))
    module.unembed.weight.copy_(torch.eye(v))
    attn = module.blocks[0].attn
    attn.v.weight.copy_(torch.cat([torch.eye(v), torch.eye(v)]))
    after = torch.zeros(v, v)
    for name in ("weekday", "month"):
        ids = [tokenizer.token_to_id(entry.forms[0]) for entry in english()[name].entries]
        after[[*ids[1:], ids[0]], ids] = 1
    attn.o.weight.copy_(torch.cat([after, -torch.eye(v)], 1))
    return sonde.Model(module, tokenizer)


def test_a_head_that_writes_successors_and_one_that_lowers_what_it_sees():
    found = head_scores(counter())
    assert found.value("0.0", "successor") == 1 and found.named("successor") == ["0.0"]
    assert found.value("0.1", "copying") == pytest.approx(-1, abs=1e-3) and found.named("suppression") == ["0.1"]
    assert found.value("0.1", "successor") < 0.5, "control"


# the specimen, and networks that learnt nothing


def test_the_specimen_s_heads_are_those_of_its_card(of_words):
    for name, heads in sonde.specimens.card("words").get("heads", {}).items():
        for head, value in heads:
            if value > 0.6:
                assert head in of_words.named(name)
    assert of_words.named("induction") and of_words.named("previous token")
    assert of_words.check(words())[0].holds


def test_with_permuted_weights_no_head_has_a_name():
    broken = sonde.Model(permuted(words().module, 0), words().tokenizer)
    found = head_scores(broken)
    assert found.roles() == []
    assert found.check(broken)[0].reason
    assert "nothing that was looked for" in found.describe("0.0")


# families and forms


@pytest.mark.parametrize("name", ["gpt2", "gptj", "falcon-grouped"])
def test_families(name):
    model = sonde.Model(build(name))
    with pytest.raises(InputError, match="too few to say"):  # 12 tokens of context
        head_scores(model)
    result = Writing(model, 1).of([3, 4, 5])
    assert result.shape[:2] == (model.n_heads, 3) and result.isfinite().all() and result.abs().max() > 0


def test_what_cannot_be_measured_is_left_out_with_its_reason():
    from transformers import Gemma2Config, Gemma2ForCausalLM

    torch.manual_seed(0)
    config = Gemma2Config(
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, hidden_size=16, intermediate_size=24, vocab_size=60, head_dim=8,
        max_position_embeddings=64,
    )  # fmt: skip
    found = head_scores(sonde.Model(Gemma2ForCausalLM(config).eval()))
    assert "RMSNorm" in found.left_out["copying"] and found.scores == ["previous token", "first token", "duplicate token", "induction"]
    assert "Not measured: copying" in found.drawing().note


def test_grouped_keys():
    found = head_scores(llama())
    assert found.values.shape[1:] == (3, 4) and found.roles() == [] and "successor" in found.left_out


def test_the_same_seed_gives_the_same_scores():
    one, other = (head_scores(llama(), n=8, draws=20, seed=3) for _ in range(2))
    assert torch.equal(one.values, other.values) and torch.equal(one.chance, other.chance)


def test_forms(of_words, tmp_path):
    frame = of_words.to_frame()
    assert frame.height == 6 * words().n_layers * words().n_heads and frame["named"].sum() == len(of_words.roles())
    assert of_words.drawing().kind == "tabs" and of_words.table().kind == "table"
    back = type(of_words).load(of_words.save(tmp_path / "heads"))
    assert back.roles() == of_words.roles()


def test_refusals():
    with pytest.raises(InputError, match="known family"):
        head_scores(sonde.Model(torch.nn.Linear(2, 2)))
    with pytest.raises(InputError, match="at least 8 rows"):
        head_scores(words(), n=2)
