"""The logit lens: its last row is the model, its readings are the definitions, and turned states say nothing."""

import pytest
import torch
from scipy import stats
from small_models import llama, planted, words

import sonde
from sonde.evidence import random_rotation
from sonde.lens import logit_lens, read_out
from sonde.nn import Transformer, TransformerConfig
from sonde.results import InputError

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
    frame = result.to_frame()
    assert frame.height == 5 * sum(map(len, result.tokens)) and frame["kl"].is_not_nan().all()
    back = type(result).load(result.save(tmp_path / "lens"))
    assert torch.equal(back.kl, result.kl) and back.top_tokens == result.top_tokens


def test_refusals():
    with pytest.raises(InputError, match="needs a language model of a known family"):
        logit_lens(sonde.Model(torch.nn.Linear(2, 2)), torch.zeros(1, 2))
