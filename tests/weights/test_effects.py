"""Attention and logit effect: the written-out product where nothing bends it, the sum of which lens tells, and heads that do what was planted."""

import pytest
import torch
from small_models import llama, planted, words

import sonde
from sonde.nn import Transformer, TransformerConfig
from sonde.results import InputError, Result, SiteUnavailable
from sonde.tasks import LogitDifference
from sonde.weights import head_effects

TEXT = "The keys on the cabinet"


@pytest.fixture(scope="module")
def found():
    return head_effects(words(), TEXT, target=" are")


def test_the_effect_is_attention_times_the_path_through_the_weights():
    """Against the dense product, in one layer without norm."""
    torch.manual_seed(0)
    config = TransformerConfig(n_layers=1, d_model=12, n_heads=3, d_vocab=20, n_ctx=8, d_mlp=0, norm=None, tied=False, bias=False, positional=None)
    module = Transformer(config).eval()
    model, ids = sonde.Model(module), [3, 1, 4, 1, 5]
    found = head_effects(model, ids, target=9)
    pattern = model.run([ids], read="blocks.0.attn.pattern")["blocks.0.attn.pattern"][0]
    assert torch.allclose(found.patterns[0], pattern, atol=1e-6)
    W_E, W_U = (weight.detach() for weight in (module.embed.weight, module.unembed.weight))
    for head in range(3):
        own = slice(4 * head, 4 * head + 4)
        OV = (module.blocks[0].attn.o.weight[:, own] @ module.blocks[0].attn.v.weight[own]).detach().T
        raised = W_E[ids] @ OV @ (W_U[[*ids[1:], 9]] - W_U.mean(0)).T  # [key, query]
        assert torch.allclose(found.effects[0, head], pattern[head] * raised.T, atol=1e-7)


@pytest.mark.parametrize("model", [words, llama], ids=["words", "llama"])
def test_over_its_places_a_head_s_effect_is_its_direct_contribution(model):
    """Two targets differ by what `sonde.lens` tells of their difference; also with grouped keys and norms."""
    model = model()
    text, (one, other) = ("Lily and Tom went to the park", (5, 9)) if model is llama() else (TEXT, (5, 9))
    difference = (head_effects(model, text, target=one).effects - head_effects(model, text, target=other).effects)[:, :, -1].sum(-1)
    parts = sonde.lens.direct_contributions(model, [text], of=LogitDifference([one], foils=[other]))
    told = parts.of([f"head {layer}.{head}" for layer in range(model.n_layers) for head in range(model.n_heads)])[:, 0]
    assert torch.allclose(difference.flatten(), told, atol=2e-4 * float(told.abs().max() + 1))


def test_the_planted_induction_head_raises_what_followed_and_others_do_nothing():
    model, truth = planted(0)
    known = sorted(truth["words"])[:6]
    found = head_effects(model, " ".join([*known, *known]))
    assert found.strongest(1, place=-2) == [truth["induction"]]
    layer, head = map(int, truth["induction"].split("."))
    query = len(found.tokens) - 2
    key = int(found.effects[layer, head, query].argmax())
    assert found.tokens[key] == found.wanted[query] and found.effects[layer, head, query, key] > 5
    # control: in the first copy there is nothing to find, and the head adds next to nothing
    assert found.effects[layer, head, len(known) - 1].abs().max() < 0.05 * found.effects[layer, head, query, key]


def test_what_cannot_be_looked_at_has_no_effect(found):
    later = torch.ones(len(found.tokens), len(found.tokens)).triu(1).bool()
    assert found.effects[..., later].abs().max() == 0 and found.effects.abs().max() > 0.1


def test_forms(found, tmp_path):
    size = len(found.tokens)
    frame = found.to_frame()
    assert frame.height == words().n_layers * words().n_heads * size * (size + 1) // 2
    row = frame.filter((frame["head"] == "1.1") & (frame["query"] == size - 1) & (frame["key"] == 1))
    assert row["effect"].item() == pytest.approx(found.effects[1, 1, -1, 1].item()) and row["next"].item() == " are"
    assert (
        found.drawing().kind == "tabs" and found.at_place("1.1").kind == found.head_page("1.1").kind == "beside" and found.grid().kind == "head_grid"
    )
    assert torch.equal(Result.load(found.save(tmp_path / "effects")).effects, found.effects)


def test_the_model_s_own_guess_is_the_target_by_default():
    best = words().tokenizer.decode([int(words().run(TEXT).logits[0, -1].argmax())])
    assert head_effects(words(), TEXT).wanted[-1] == best


def test_refusals(found):
    with pytest.raises(InputError, match="there is no head"):
        found.head_page("9.0")
    with pytest.raises(InputError, match="no place 99"):
        found.at_place("0.0", 99)
    with pytest.raises(InputError, match="no token"):
        head_effects(words(), TEXT, target=10**6)
    with pytest.raises(SiteUnavailable, match="known family"):
        head_effects(sonde.Model(torch.nn.Linear(2, 2)), "x")
    with pytest.raises(InputError):
        head_effects(words(), TEXT, target=" zyzzyva")
