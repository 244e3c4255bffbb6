"""A transformer's heads: the planted head's place decides, the others' does not."""

import pytest
import torch
from small_models import planted, words

import sonde
from sonde.attribution.attention import heads
from sonde.attribution.attention.distances import tvd
from sonde.results import CheckRefused, InputError, Result

TEXTS = ["dog lamp river road horse tree lamp", "tree road lamp dog river horse road", "horse dog tree river lamp road dog"] * 3


def test_the_planted_head_rests_on_where_it_looks(tmp_path):
    model, roles = planted(0)
    result = heads(model, TEXTS, draws=7)
    decisive = result.heads.index(str(roles["induction"]))
    assert int(result.moved.mean(1).argmax()) == decisive
    assert result.moved[decisive].min() > 0.3 and result.kept_largest[decisive].max() < 0.05
    (verdict,) = result.check(model)
    assert verdict.holds and verdict.claim.endswith(f"head {roles['induction']} looks most.")
    again = Result.load(result.save(tmp_path / "kept"))
    assert again.to_frame().equals(result.to_frame()) and again.drawing().to_json() == result.drawing().to_json()
    with pytest.raises(CheckRefused):
        again.check(words())


def test_equal_weights_are_those_of_a_plain_edit():
    model = words()
    prompts = ["The keys on the cabinet", "The key on the cabinet"]
    result = heads(model, prompts, draws=1)
    pattern = model.run(prompts, read="blocks.1.attn.pattern")["blocks.1.attn.pattern"]
    edit = sonde.Set("blocks.1.attn.pattern[head=2, query=-1]", torch.full_like(pattern[:, 2, -1], 1 / pattern.shape[-1]))
    moved = tvd(*(model.run(prompts, edits=edits).logits[:, -1].softmax(-1) for edits in ([edit], [])))
    i = result.heads.index("1.2")
    assert torch.allclose(result.uniform[i], moved, atol=1e-5)
    assert torch.allclose(result.largest[i], pattern[:, 2, -1].max(-1).values)


def test_a_shorter_input_beside_it_changes_nothing():
    model, prompts = words(), ["The keys on the cabinet", "The keys"]
    together = heads(model, prompts, draws=3)
    first = heads(model, prompts[:1], draws=3)
    for name in ("moved", "kept_largest", "uniform", "largest"):
        assert torch.allclose(getattr(together, name)[:, 0], getattr(first, name)[:, 0], atol=1e-5), name
    alone = heads(model, prompts[1:], draws=3)
    assert torch.allclose(together.uniform[:, 1], alone.uniform[:, 0], atol=1e-5)
    assert torch.allclose(together.largest[:, 1], alone.largest[:, 0], atol=1e-6)


def test_mistakes_are_named():
    model = words()
    with pytest.raises(InputError, match="fewer than 3 tokens"):
        heads(model, [[0, 369]], draws=1)
    with pytest.raises(InputError, match="draws=0"):
        heads(model, "The keys on the cabinet", draws=0)
    with pytest.raises(InputError, match="no attention heads"):
        heads(sonde.Model(torch.nn.Linear(2, 2)), torch.zeros(1, 2))
