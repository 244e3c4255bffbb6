"""Scores to first order against the gradients of edges kept in part, and against what theory says of them."""

import pytest
import torch
from tiny_families import DECODERS, build
from tiny_models import VOCAB

import sonde
from sonde.access.edges import Graph, Rewiring, Wiring, outputs
from sonde.circuits.scores import clean_corrupted, eap, eap_ig, eap_ig_activations
from sonde.circuits.scores.slopes import pull_through_norm, pulled_by_autograd
from sonde.results import InputError
from sonde.specimens import compiled
from sonde.tasks import KL, Ablation, LogitDifference, Task

NORMED_AFTER = ("opt-post",)
CLOSE = {"rtol": 1e-5, "atol": 2e-6}  # norms of Llama and its kin compute in single precision


def task_of(clean: object, corrupt: object, spans: dict | None = None) -> Task:
    """A task of token ids."""
    n = len(clean)
    blank = ("",) * n
    answers, wrongs = [3, 4, 7, 1][:n], [5, 6, 2, 8][:n]
    sets = [tuple((token,) for token in tokens) for tokens in (answers, wrongs)]
    return Task("ids", tuple(map(tuple, clean)), tuple(map(tuple, corrupt)), *sets, LogitDifference(answers, wrongs), blank, blank, spans=spans or {})


def ids(seed: int, n: int = 3, length: int = 6) -> list[list[int]]:
    return torch.randint(1, VOCAB, (n, length), generator=torch.Generator().manual_seed(seed)).tolist()


def by_soft(model: sonde.Model, graph: Graph, task: Task, carried: torch.Tensor, edits: tuple = ()) -> torch.Tensor:
    """The slope of the metric in how much of each edge is ablated, by automatic differentiation of a forward in which edges are kept in part."""
    rewiring = Rewiring(model, graph, task.clean, carried, task.metric, spans={k: [list(r) for r in v] for k, v in task.spans.items()})
    kept = torch.ones(graph.real.shape, dtype=torch.float64, requires_grad=True)
    found = []
    for value in rewiring.soft(kept):
        found.append(-torch.autograd.grad(value, kept, retain_graph=True)[0][graph.real])
    return torch.stack(found, 1)


@pytest.mark.parametrize("family", [name for name in DECODERS if name not in NORMED_AFTER])
def test_every_family_has_the_slopes_of_edges_kept_in_part(family):
    model = sonde.load(build(family).double())
    graph = Graph.of(model)
    task = task_of(ids(0), ids(1))
    expected = by_soft(model, graph, task, outputs(model, graph, task.corrupt).values)
    found = eap(model, task, graph)
    torch.testing.assert_close(found.per_example.double(), expected, **CLOSE)
    torch.testing.assert_close(found.values[graph.real], found.per_example.mean(1))
    assert expected.abs().max() > 1e-2


@pytest.mark.parametrize("kind", ["zero", "mean", "resample"])
def test_every_kind_of_ablation(kind):
    model = sonde.load(build("llama").double())
    graph, task, ablation = Graph.of(model), task_of(ids(0), ids(1)), Ablation(kind)
    values = outputs(model, graph, task.corrupt).values
    carried = ablation.of(values.transpose(0, 1)).transpose(0, 1)
    found = eap(model, task, graph, ablation)
    torch.testing.assert_close(found.per_example.double(), by_soft(model, graph, task, carried), **CLOSE)
    assert found.conditions.ablation.kind == kind


def test_neurons_features_and_spans():
    from sonde.bases import Subspace

    plain = sonde.load(build("llama").double())
    model = plain.attach("blocks.0.mlp.out", Subspace.random(plain.d_model, 3, seed=0), "plane")
    task = task_of(ids(0), ids(1), {"first": ((0, 1), (0,), (2,)), "last": ((5,), (4, 5), (5,))})
    for graph in (
        Graph.of(model, neurons=[1]),
        Graph.of(model, features=["plane"]),
        Graph.of(model, spans=["first", "last"]),
        Graph.of(model, "joint", "layers"),
    ):
        expected = by_soft(model, graph, task, outputs(model, graph, task.corrupt).values)
        torch.testing.assert_close(eap(model, task, graph).per_example.double(), expected, **CLOSE)


@pytest.fixture(scope="module")
def gpt2() -> sonde.Model:
    return sonde.load(build("gpt2").double())


def test_the_scores_into_a_node_are_its_gradient_times_the_change_of_what_it_reads(gpt2):
    """Sum over u of score(u -> v) is dm/dx_v . (sum of deltas), for every v: here by the model's own gradient at one of them."""
    task, graph = task_of(ids(0), ids(1)), Graph.of(gpt2)
    found = eap(gpt2, task, graph)
    change = (
        gpt2.run(task.corrupt, read="blocks.1.resid_post")["blocks.1.resid_post"]
        - gpt2.run(task.clean, read="blocks.1.resid_post")["blocks.1.resid_post"]
    )
    slope = gpt2.grad(task.clean, of=task.metric, at="blocks.1.resid_post")["blocks.1.resid_post"]
    into = found.values[:, graph.receivers.index("logits")].sum()
    assert float(into) == pytest.approx(float((slope * change).sum() / 3), rel=1e-9)


def test_integrated_over_inputs_the_embedding_accounts_for_the_whole_difference(gpt2):
    task = task_of(ids(0), ids(1))
    gap = task.metric(gpt2.run(task.corrupt)) - task.metric(gpt2.run(task.clean))
    errors = []
    for steps in (1, 5, 40):
        scores = eap_ig(gpt2, task, steps=steps)
        errors.append(float((scores.per_example[scores.graph.real.nonzero()[:, 0] == 0].sum(0) - gap).abs().max()))
    assert errors[2] < 2e-3 * float(gap.abs().max()) and errors[2] < errors[1] < errors[0]


def test_slopes_on_the_way_are_those_of_interpolated_inputs(gpt2):
    """One midpoint: the same as EAP in a model whose embeddings are halfway."""
    task, graph = task_of(ids(0), ids(1)), Graph.of(gpt2)
    clean, corrupt = (gpt2.run(rows, read="blocks.0.resid_pre")["blocks.0.resid_pre"] for rows in (task.clean, task.corrupt))
    halfway = eap_ig(gpt2, task, graph, steps=1)
    deltas = outputs(gpt2, graph, task.corrupt).values - outputs(gpt2, graph, task.clean).values
    slope = gpt2.grad(task.clean, of=task.metric, at="blocks.1.resid_post", edits=[sonde.Set("blocks.0.resid_pre", (clean + corrupt) / 2)])
    expected = (deltas * slope["blocks.1.resid_post"]).sum((2, 3)).mean(1)
    torch.testing.assert_close(halfway.values[:, -1], expected, rtol=1e-9, atol=1e-12)
    both = clean_corrupted(gpt2, task, graph)
    ends = [gpt2.grad(rows, of=task.metric, at="blocks.1.resid_post")["blocks.1.resid_post"] for rows in (task.clean, task.corrupt)]
    torch.testing.assert_close(both.values[:, -1], (deltas * (ends[0] + ends[1]) / 2).sum((2, 3)).mean(1), rtol=1e-9, atol=1e-12)


def test_integrated_over_activations_moves_one_layer_at_a_time(gpt2):
    """The last MLP's only edge leads to the logits: its score integrates to the effect of moving that layer, exactly."""
    task, graph = task_of(ids(0), ids(1)), Graph.of(gpt2)
    scores = eap_ig_activations(gpt2, task, graph, steps=20)
    last = "blocks.1.mlp.out"
    run = gpt2.run(task.corrupt, read=last)
    effect = task.metric(gpt2.run(task.clean, edits=[sonde.Patch(last, run)])) - task.metric(gpt2.run(task.clean))
    assert float(scores.values[graph.senders.index(last), -1]) == pytest.approx(float(effect.mean()), rel=1e-3)
    heads = [i for i, name in enumerate(graph.senders) if name.startswith("blocks.0.attn.z")]
    run = gpt2.run(task.corrupt, read="blocks.0.attn.z")
    effect = task.metric(gpt2.run(task.clean, edits=[sonde.Patch("blocks.0.attn.z", run)])) - task.metric(gpt2.run(task.clean))
    assert float(scores.values[heads].sum()) == pytest.approx(float(effect.mean()), rel=1e-2)


def test_a_linear_model_has_one_answer():
    """Without norms, MLPs and with patterns that no key or query can move, EAP is the effect of each edge, whatever the runs between."""
    from sonde.nn.transformer import Transformer, TransformerConfig

    torch.manual_seed(0)
    module = Transformer(TransformerConfig(n_layers=3, d_model=12, n_heads=3, d_vocab=VOCAB, n_ctx=8, d_mlp=0, norm=None)).double()
    model = sonde.load(module)
    with torch.no_grad():
        for block in module.blocks:
            block.attn.q.weight.zero_()
            block.attn.q.bias.zero_()
    graph, task = Graph.of(model), task_of(ids(0), ids(1))
    exact = Rewiring(model, graph, task.clean, outputs(model, graph, task.corrupt).values, task.metric).effects()
    for method in (eap, eap_ig, eap_ig_activations, clean_corrupted):
        torch.testing.assert_close(method(model, task, graph).per_example, exact, rtol=0, atol=1e-10)
    assert exact.abs().max() > 1e-3


@pytest.mark.parametrize("method", [eap, eap_ig, eap_ig_activations, clean_corrupted])
def test_the_same_prompts_give_exactly_nothing(method):
    module = build("llama")
    task = task_of(ids(0), ids(0))
    module.train()
    scores = method(sonde.load(module), task)
    assert (scores.per_example == 0).all() and module.training


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox"])
def test_company_order_and_padding_change_nothing(family):
    model = sonde.load(build(family).double())
    clean, corrupt = [[1, 2, 3, 4, 5], [6, 7, 8], [9, 8, 7, 6]], [[1, 9, 3, 4, 5], [6, 7, 9], [9, 8, 1, 6]]
    task = task_of(clean, corrupt)
    for method in (eap, eap_ig):
        together = method(model, task)
        torch.testing.assert_close(method(model, task, batch_size=1).per_example, together.per_example, **CLOSE)
        turned = method(model, task.select([2, 0, 1]), batch_size=2)
        torch.testing.assert_close(turned.per_example[:, [1, 2, 0]], together.per_example, **CLOSE)
        torch.testing.assert_close(turned.values, together.values, **CLOSE)
    means = [eap(model, task, ablation=Ablation("mean", over="all"), batch_size=size).values for size in (1, 3)]
    torch.testing.assert_close(*means, **CLOSE)


def test_frozen_norms_have_the_slopes_of_a_model_whose_scales_are_constants(gpt2):
    task, graph = task_of(ids(0), ids(1)), Graph.of(gpt2)
    frozen = eap(gpt2, task, graph, norm="frozen")
    deltas = outputs(gpt2, graph, task.corrupt).values - outputs(gpt2, graph, task.clean).values
    scales = [sonde.Detach(site.name) for site in gpt2.sites() if site.name.endswith("scale")]
    slope = gpt2.grad(task.clean, of=task.metric, at=["blocks.1.resid_post", "blocks.1.mlp.in"], edits=scales)
    torch.testing.assert_close(frozen.values[:, -1], (deltas * slope["blocks.1.resid_post"]).sum((2, 3)).mean(1), rtol=1e-9, atol=1e-12)
    norm = gpt2.module.transformer.h[1].ln_2
    stream = gpt2.run(task.clean, read="blocks.1.resid_mid")["blocks.1.resid_mid"]
    moved = (deltas - deltas.mean(-1, keepdim=True)) / (stream.var(-1, unbiased=False, keepdim=True) + norm.eps).sqrt() * norm.weight
    into = graph.receivers.index("blocks.1.mlp.in")
    expected = (moved * slope["blocks.1.mlp.in"]).sum((2, 3)).mean(1) * graph.real[:, into]
    torch.testing.assert_close(frozen.values[:, into], expected, rtol=1e-9, atol=1e-12)
    assert not torch.allclose(frozen.values, eap(gpt2, task, graph).values) and frozen.norm == "frozen"


def test_a_saturated_gate_is_seen_on_the_way_only():
    made = compiled.build("saturated_gate")
    model, task = sonde.Model(made.model.double(), made.tokenizer), made.examples(5)
    graph = Graph.of(model, embed="split")
    truth = compiled.Ablation(made.model, task, "counterfactual")
    edges = [edge for edge, effect in truth.effects().items() if effect.mean() < -1]
    into_gate = graph.mask([edge for edge in edges if edge[1] != "logits"])
    assert into_gate.any()
    assert (eap(model, task, graph).values[into_gate] == 0).all()
    assert (eap_ig(model, task, graph, steps=20).values[into_gate] < -1).any()


def test_what_has_no_slope_is_refused():
    model = sonde.load(build("gpt2").double())
    task = task_of(ids(0), ids(1))
    divergent = task.with_metric(KL(model.run(task.clean).last_logits))
    with pytest.raises(InputError, match="'kl' has no slope in the clean run, where it is at most"):
        eap(model, divergent)
    assert eap_ig(model, divergent).values.abs().max() > 0
    with pytest.raises(InputError, match="moves the embeddings to those of another prompt"):
        eap_ig(model, task, ablation=Ablation("mean"))
    with pytest.raises(InputError, match="steps=0"):
        eap_ig(model, task, steps=0)
    with pytest.raises(InputError, match="batch_size=0"):
        eap(model, task, batch_size=0)
    with pytest.raises(InputError, match="has to be learnt"):
        eap(model, task, ablation=Ablation("optimal"))


@pytest.mark.parametrize("frozen", [False, True], ids=["live", "frozen"])
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma", "qwen2"])
def test_slopes_through_a_norm_in_closed_form_are_those_of_autograd(family, frozen):
    model = sonde.load(build(family))
    wiring = Wiring(model, Graph.of(model))
    part = next(part for part in wiring.graph.receiving if part.kind == "mlp")
    norm, gain = wiring.norm(part), wiring.gain(part)
    gen = torch.Generator().manual_seed(0)
    x, slopes = torch.randn(2, 5, model.d_model, generator=gen), torch.randn(3, 2, 5, model.d_model, generator=gen)
    assert gain is not None
    expected, found = pulled_by_autograd(norm, x, slopes, frozen), slopes.clone()
    pull_through_norm(norm, gain, x, found, frozen)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    pull_through_norm(norm, gain, x + 1 + x, other := slopes.clone(), frozen)
    assert not torch.allclose(other, expected, rtol=1e-3)  # another place, other slopes
