"""The logit lens: its last row is the model, its readings are the definitions, and turned states say nothing."""

import pytest
import torch
from scipy import stats
from small_models import llama, planted, words

import sonde
from sonde.evidence import random_rotation
from sonde.lens import logit_lens, read_out
from sonde.nn import Transformer, TransformerConfig
from sonde.results import InputError, SiteUnavailable

TEXT = "When Mary and John went to the shop, John gave a book to"


def gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    return sonde.Model(GPT2LMHeadModel(GPT2Config(n_layer=2, n_embd=32, n_head=4, vocab_size=60, n_positions=16)).eval())


def native(**options):
    torch.manual_seed(0)
    return sonde.Model(
        Transformer(TransformerConfig(**{"n_layers": 2, "d_model": 16, "n_heads": 2, "d_vocab": 30, "n_ctx": 8, "d_mlp": 32} | options)).eval()
    )


MODELS = {
    "words": words,
    "llama": llama,
    "planted": lambda: planted(0)[0],
    "gpt2": gpt2,
    "attention only": lambda: native(d_mlp=0),
    "rms": lambda: native(norm="rms"),
}
INPUTS = [[3, 7, 11, 5], [9, 2, 4]]


@pytest.mark.parametrize("name", MODELS)
def test_the_last_row_is_the_model(name):
    model = MODELS[name]()
    result, run = logit_lens(model, INPUTS, k=5), model.run(INPUTS)
    for row, length in enumerate((4, 3)):
        logits = run.logits[row, :length]
        assert torch.allclose(result.logit[-1, row, :length, 0], logits.max(-1).values, atol=1e-5)
        assert torch.allclose(result.probability[-1, row, :length], logits.softmax(-1).topk(5).values, atol=1e-6)
        assert bool((result.kl[-1, row, :length] < 1e-6).all()) and bool((result.rank[-1, row, :length] == 1).all())


def test_the_final_norm_is_applied_once():
    """The control: the most common mistake of lenses, a second norm, would be seen."""
    model = words()
    run = model.run(TEXT, read=["final_norm", "blocks.3.resid_post"])
    assert torch.allclose(read_out(model, run["blocks.3.resid_post"]), run.logits, atol=1e-4)
    assert not torch.allclose(read_out(model, run["final_norm"]), run.logits, atol=0.1)


def test_every_cell_is_its_definition():
    model = words()
    result, run = logit_lens(model, TEXT), model.run(TEXT, read=["blocks.0.resid_pre", "blocks.*.resid_post"])
    final = run.logits[0].double().softmax(-1)
    states = [run["blocks.0.resid_pre"], *(run[f"blocks.{i}.resid_post"] for i in range(4))]
    assert result.layers == ["embed", "0", "1", "2", "model"]
    for layer, state in enumerate(states):
        normed = torch.nn.functional.layer_norm(
            state[0], (128,), model.module.final_norm.weight, model.module.final_norm.bias, model.module.final_norm.eps
        )
        logits = normed @ model.module.unembed.weight.T
        p = logits.double().softmax(-1).detach()
        assert torch.allclose(result.probability[layer, 0, :, 0].double(), p.max(-1).values, atol=1e-5)
        assert result.kl[layer, 0].tolist() == pytest.approx([stats.entropy(f.numpy(), q.numpy()) for f, q in zip(final, p, strict=True)], abs=1e-4)
        assert result.entropy[layer, 0].tolist() == pytest.approx([stats.entropy(q.numpy(), base=2) for q in p], abs=1e-4)
        own = p.gather(1, run.ids[0][:, None])
        assert result.input_rank[layer, 0].tolist() == (1 + (p > own).sum(-1)).tolist()
        answer = p.gather(1, final.argmax(-1)[:, None])
        assert result.rank[layer, 0].tolist() == (1 + (p > answer).sum(-1)).tolist()


def test_rank_one_means_the_models_own_guess():
    result = logit_lens(words(), TEXT)
    assert torch.equal(result.rank == 1, result.top[..., 0] == result.final)


def test_a_permuted_vocabulary_permutes_the_table():
    model = native()
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    other = native()
    other.module.load_state_dict(model.module.state_dict())
    with torch.no_grad():
        other.module.embed.weight.copy_(model.module.embed.weight[order])  # tied: the unembedding goes along
    back = order.argsort()
    ids = torch.tensor([[3, 7, 11, 5]])
    mine, theirs = logit_lens(model, ids), logit_lens(other, back[ids])
    assert torch.equal(order[theirs.top], mine.top)
    assert torch.allclose(mine.kl, theirs.kl, atol=1e-6) and torch.equal(mine.rank, theirs.rank)


def test_tied_orthogonal_embeddings_echo_the_input():
    model = native(norm=None, d_model=30)
    with torch.no_grad():
        model.module.embed.weight.copy_(5 * torch.eye(30))
        model.module.pos_embed.weight.zero_()
    result = logit_lens(model, torch.tensor([[3, 7, 11]]))
    assert result.top[0, 0, :, 0].tolist() == [3, 7, 11] and bool((result.input_rank[0] == 1).all())


@pytest.mark.parametrize("name", ["bert", "roberta", "distilbert"])
def test_encoders_with_a_masked_word_head(name):
    from tiny_encoders import build

    model = sonde.Model(build(name))
    result, run = logit_lens(model, [[4, 7, 11, 3], [9, 5]], k=3), model.run([[4, 7, 11, 3], [9, 5]])
    for row, length in enumerate((4, 2)):
        assert torch.allclose(result.probability[-1, row, :length], run.logits[row, :length].softmax(-1).topk(3).values, atol=1e-5)
    assert not bool(result.next_rank.any()), "no word comes next where words are filled in"
    assert bool((result.input_rank[:, result.mask] > 0).all())


@pytest.mark.parametrize("name", ["gemma2", "gemma", "gptj", "falcon", "opt-post"])
def test_caps_scales_biases_and_projections(name):
    """Capped logits, scaled embeddings, a biased unembedding, parallel blocks, a projection before the unembedding."""
    from tiny_families import build

    model = sonde.Model(build(name))
    result, run = logit_lens(model, INPUTS, k=3), model.run(INPUTS)
    assert torch.allclose(result.probability[-1, 0], run.logits[0].softmax(-1).topk(3).values, atol=1e-5)
    assert bool((result.kl[0, result.mask] > 1e-3).any()), "control: an early layer is not the model"


def test_padding_on_either_side_leaves_no_trace():
    model = words()
    together = logit_lens(model, [TEXT, "The keys"], k=3)
    alone = logit_lens(model, "The keys", k=3)
    n = len(alone.tokens[0])
    for name in ("kl", "entropy", "rank", "input_rank", "probability", "top", "cross_entropy"):
        mine, theirs = getattr(together, name)[:, 1, :n], getattr(alone, name)[:, 0]
        assert torch.allclose(mine.float(), theirs.float(), atol=1e-3, equal_nan=True), name
    assert bool(together.kl[:, 1, n:].isnan().all()) and not bool(together.rank[:, 1, n:].any())


def test_what_comes_next_and_what_is_followed():
    model = words()
    result = logit_lens(model, "The keys on the cabinet", follow=[" are", 7])
    run = model.run("The keys on the cabinet")
    logprobs = run.logits[0].log_softmax(-1)
    nexts = run.ids[0, 1:]
    assert result.cross_entropy[-1, 0, :-1].tolist() == pytest.approx((-logprobs[:-1].gather(1, nexts[:, None])[:, 0]).tolist(), abs=1e-4)
    assert result.next_rank[-1, 0].tolist() == [*(1 + (logprobs[:-1] > logprobs[:-1].gather(1, nexts[:, None])).sum(1)).tolist(), 0]
    are = model.tokenizer.single(" are")
    assert result.followed == [" are", model.tokenizer.strings([7])[0]]
    assert torch.allclose(result.followed_logit[-1, 0, :, 0], run.logits[0, :, are], atol=1e-4)
    assert result.followed_rank[-1, 0, -1, 0] == 1 + (run.logits[0, -1] > run.logits[0, -1, are]).sum()


def test_the_distance_from_the_layer_before_is_its_definition():
    model = native()
    result, run = logit_lens(model, INPUTS[:1]), model.run(INPUTS[:1], read=["blocks.0.resid_pre", "blocks.*.resid_post"])
    readings = [read_out(model, run[site][0]).double().softmax(-1) for site in run.sites]
    for layer in (1, 2):
        expected = [stats.entropy(p.numpy(), q.numpy()) for p, q in zip(readings[layer], readings[layer - 1], strict=True)]
        assert result.kl_previous[layer, 0].tolist() == pytest.approx(expected, abs=1e-5)
    assert bool(result.kl_previous[0].isnan().all())


def test_what_attention_and_mlp_add_is_read_alone():
    """The stream's rows and the parts' rows are the sites that they say."""
    model = native()
    run = model.run(INPUTS[:1], read=["blocks.*.attn.out", "blocks.*.mlp.out", "blocks.*.resid_mid"])
    rows = [("attention", "blocks.1.attn.out", "attention 1"), ("mlp", "blocks.0.mlp.out", "mlp 0"), ("halves", "blocks.1.resid_mid", "1 attention")]
    for read, site, layer in rows:
        result = logit_lens(model, INPUTS[:1], read=read, k=1)
        expected = read_out(model, run[site][0]).softmax(-1).max(-1).values
        assert torch.allclose(result.probability[result.layers.index(layer), 0, :, 0], expected, atol=1e-5)
        assert result.layers[-1] == "model" and bool((result.rank[-1] == 1).all())


def test_measures_in_pieces_are_measures_of_the_whole(monkeypatch):
    """Few tokens at a time, and the largest entries by blocks: the same numbers; also where a model masks tokens out by minus infinity."""
    from sonde.lens import measures

    torch.manual_seed(0)
    tables = 3 * torch.randn(3, 7, 700)
    tables[:, :, 5] = -torch.inf
    asked = torch.randint(6, 700, (7, 2))
    asked[3, 1] = -1

    def found():
        return measures.measure(lambda layer, rows: tables[layer, rows].clone(), 3, tables[-1], asked, k=4)

    whole = found()
    monkeypatch.setattr(measures, "TOKENS", 3)
    monkeypatch.setattr(measures, "CELLS", 800)
    pieces = found()
    for name in vars(whole):
        assert torch.allclose(getattr(whole, name).float(), getattr(pieces, name).float(), atol=1e-5, equal_nan=True), name
    assert torch.equal(whole.top, tables.topk(4).indices) and torch.allclose(whole.logit, tables.topk(4).values, atol=1e-5)
    assert whole.rank[0, 3, 1] == 0 and bool((whole.kl[-1] < 1e-5).all()) and not bool(whole.entropy.isnan().any())


def test_turned_states_agree_with_the_model_by_chance_only():
    model = words()
    task = sonde.tasks.load("ioi", model, n=16)
    run = model.run(task.clean, read=["blocks.2.resid_post"])
    final = run.logits.argmax(-1)[run.mask]
    true = (read_out(model, run["blocks.2.resid_post"])[run.mask].argmax(-1) == final).float().mean()
    turned = [
        (read_out(model, run["blocks.2.resid_post"], random_rotation(128, seed))[run.mask].argmax(-1) == final).float().mean() for seed in range(4)
    ]
    assert true > 0.3 and max(turned) < 0.03


def test_answers_arise_with_depth_on_the_specimen():
    """A known trajectory: on held-out gifts the receiver is not read from the embedding, and is at the end."""
    task = sonde.tasks.load("ioi", words(), n=32)
    result = logit_lens(words(), task.clean)
    last = torch.tensor([len(row) - 1 for row in task.clean])
    top = result.top[:, torch.arange(32), last, 0]
    right = (top == task.targets).float().mean(-1)
    assert right[0] < 0.1 and right[-1] > 0.9
    kl = result.kl[:, torch.arange(32), last].mean(-1)
    assert kl[0] > kl[-2] > kl[-1] < 1e-5


def test_drawings_tables_and_files(tmp_path):
    result = logit_lens(words(), [TEXT, "The keys"], k=3)
    for example in (0, 1):
        drawing = result.drawing(example)
        assert drawing.kind == "lens" and drawing.axes["col"]["labels"] == result.tokens[example]
        assert all(drawing.data["marks"][-1]) and len(drawing.data["details"][0][0]) == 3
        assert result.kl_drawing(example).kind == "lines"
        assert result.courses(example).to_json() and len(result.drawings(example).data["parts"]) == 5
    frame = result.to_frame()
    assert frame.height == 5 * sum(map(len, result.tokens)) and frame["kl"].is_not_nan().all()
    back = type(result).load(result.save(tmp_path / "lens"))
    assert torch.equal(back.kl[back.mask.expand_as(back.kl)], result.kl[result.mask.expand_as(result.kl)]) and back.top_tokens == result.top_tokens


def test_what_stands_between_the_last_block_and_the_logits_is_not_overlooked():
    """Proved at each call: where something else lies between, every row would be wrong."""
    model = gpt2()
    model.module.transformer.register_forward_hook(lambda module, args, output: setattr(output, "last_hidden_state", 2 * output.last_hidden_state))
    with pytest.raises(SiteUnavailable):
        logit_lens(model, INPUTS)


def test_refusals():
    from tiny_encoders import build

    with pytest.raises(SiteUnavailable, match="has no unembedding"):
        logit_lens(sonde.Model(build("bert-body")), INPUTS)
    with pytest.raises(InputError, match="use 'blocks', 'halves'"):
        logit_lens(native(), INPUTS, read="heads")
    with pytest.raises(SiteUnavailable):
        logit_lens(native(d_mlp=0), INPUTS, read="mlp")
    with pytest.raises(InputError, match="follow tokens by their numbers"):
        logit_lens(native(), INPUTS, follow=[" are"])
    with pytest.raises(InputError, match="the tokens 0 to 29"):
        logit_lens(native(), INPUTS, follow=[30])
    with pytest.raises(InputError, match="k=0"):
        logit_lens(native(), INPUTS, k=0)
    result = logit_lens(native(), INPUTS)
    with pytest.raises(InputError, match="example=2"):
        result.drawing(2)
    with pytest.raises(InputError, match="colour='red'"):
        result.drawing(0, "red")
    with pytest.raises(InputError, match="pos=4"):
        result.kl_drawing(0, 4)
    with pytest.raises(InputError, match="needs a language model of a known family"):
        logit_lens(sonde.Model(torch.nn.Linear(2, 2)), torch.zeros(1, 2))
