"""Ablated edges against two plain definitions: whole recomputation of small networks, and two hooked forwards for each edge in every family."""

import itertools

import pytest
import torch
from tiny_families import DECODERS, build
from tiny_models import VOCAB

import sonde
from sonde.access.edges import Graph, Rewiring, outputs
from sonde.results import InputError, SiteUnavailable
from sonde.specimens import compiled
from sonde.tasks import LogitDifference

NORMED_AFTER = ("opt-post",)
NORMED_OUTPUTS = ("gemma2", "olmo2")
METRIC = LogitDifference([3, 4], [5, 6])


def rows(seed: int, length: int = 6) -> torch.Tensor:
    return torch.randint(1, VOCAB, (2, length), generator=torch.Generator().manual_seed(seed))


def plain(model: sonde.Model, ids: object, sender: torch.Tensor, receiver: str, metric: object) -> torch.Tensor:
    """The metric where one receiver reads the stream plus a change of one sender's output: what it would read is seen in a run of its own."""
    depth, block = model.n_layers, receiver.split(".attn")[0].split(".mlp")[0]
    if receiver == "logits":
        return metric(model.run(ids, edits=[sonde.Add(f"blocks.{depth - 1}.resid_post", sender)]))
    stream = f"{block}.resid_mid" if ".mlp." in receiver and model.architecture.law != "parallel" else f"{block}.resid_pre"
    read = model.run(ids, read=receiver, edits=[sonde.Add(stream, sender)])[receiver]
    return metric(model.run(ids, edits=[sonde.Set(receiver, read)]))


@pytest.mark.parametrize(
    ("family", "attention"),
    [*((name, "heads") for name in DECODERS if name not in NORMED_AFTER), *((name, "layers") for name in ("gpt2", "gpt_neox", *NORMED_OUTPUTS))],
)
def test_every_family_equals_two_hooked_forwards_for_each_edge(family, attention):
    model = sonde.load(build(family).double())
    graph = Graph.of(model, attention=attention)
    clean, corrupt = rows(0), rows(1)
    corrupt[:, :2] = clean[:, :2]  # nothing differs in the first two columns
    rewiring = Rewiring(model, graph, clean, outputs(model, graph, corrupt).values, METRIC)
    found = dict(zip(map(tuple, graph.real.nonzero().tolist()), rewiring.effects(), strict=True))
    # what a norm in single precision makes of the sum of the heads is not divided among them to double precision
    within = {"rtol": 1e-4, "atol": 1e-5} if model.architecture.law == "sandwich" and attention == "heads" else {"rtol": 0, "atol": 1e-10}
    masks, expected = [], []
    for (s, r), effect in itertools.islice(found.items(), None, None, 11 if attention == "heads" else 1):
        wanted = plain(model, clean, rewiring.deltas[s], graph.receivers[r], METRIC) - rewiring.base
        torch.testing.assert_close(effect, wanted, **within)
        mask = graph.real.clone()
        mask[s, r] = False
        masks.append(mask)
        expected.append(wanted + rewiring.base)
    torch.testing.assert_close(rewiring.values(torch.stack(masks)), torch.stack(expected), **within)
    assert torch.stack(list(found.values())).abs().max() > 1e-3


@pytest.mark.parametrize("program", ["induction", "or_gate", "fraction_of_previous", "backup"])
@pytest.mark.parametrize("kind", ["zero", "mean", "counterfactual"])
def test_small_networks_equal_their_recomputation(program, kind):
    made = compiled.build(program)
    made.model.double()
    model, task = sonde.Model(made.model, made.tokenizer), made.examples(5)
    graph, truth = Graph.of(model, embed="split"), compiled.Ablation(made.model, task, kind)
    carried = torch.stack([truth.reference[name].expand(5, -1, -1) for name in graph.sources])
    rewiring = Rewiring(model, graph, task.clean, carried, task.metric)
    effects = truth.effects()
    torch.testing.assert_close(
        rewiring.effects(), torch.stack([effects[graph.senders[s], graph.receivers[r]] for s, r in graph.real.nonzero().tolist()])
    )
    kept = torch.rand(6, *graph.real.shape, generator=torch.Generator().manual_seed(0)) < torch.linspace(0, 1, 6)[:, None, None]
    plainly = torch.stack([truth.metric(graph.edges(~mask)) for mask in kept])
    torch.testing.assert_close(rewiring.values(kept), plainly)
    torch.testing.assert_close(rewiring.values(kept, batch_size=5), plainly)
    torch.testing.assert_close(rewiring.soft(kept[2].double()), plainly[2])


def test_all_edges_are_the_model_and_none_is_the_other_run():
    """With embeddings carried too, a network without any edge computes what its parts put out on the other prompts."""
    model = sonde.load("specimen:words")
    task, graph = sonde.tasks.load("agreement", model, n=4), Graph.of(model)
    rewiring = Rewiring(model, graph, task.clean, outputs(model, graph, task.corrupt).values, task.metric)
    both = rewiring.values(torch.stack([graph.real, ~graph.real]))
    assert torch.equal(both[0], rewiring.base)
    torch.testing.assert_close(both[1], task.metric(model.run(task.corrupt)), rtol=1e-4, atol=1e-4)
    # what no path leads from to the logits changes nothing
    dead = graph.real.clone()
    dead[:, -1] = False
    torch.testing.assert_close(rewiring.values(dead[None])[0], both[1], rtol=1e-4, atol=1e-4)


def test_the_same_prompts_give_exactly_nothing():
    model = sonde.load("specimen:words")
    task, graph = sonde.tasks.load("agreement", model, n=4), Graph.of(model)
    rewiring = Rewiring(model, graph, task.clean, outputs(model, graph, task.clean).values, task.metric)
    assert (rewiring.effects() == 0).all()


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox"])
def test_padding_and_company_change_nothing(family):
    """Rows of different length, on either side of the padding, are what they are alone."""
    model = sonde.load(build(family).double())
    graph = Graph.of(model)
    clean, corrupt = [[1, 2, 3, 4, 5], [6, 7, 8]], [[1, 9, 3, 4, 5], [6, 7, 9]]
    mask = torch.rand(2, *graph.real.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    together = Rewiring(model, graph, clean, outputs(model, graph, corrupt).values, METRIC)
    for i in range(2):
        alone = Rewiring(model, graph, [clean[i]], outputs(model, graph, [corrupt[i]]).values, METRIC.select([i]))
        torch.testing.assert_close(together.effects()[:, i], alone.effects()[:, 0], rtol=0, atol=1e-10)
        torch.testing.assert_close(together.values(mask)[:, i], alone.values(mask)[:, 0], rtol=0, atol=1e-10)


def test_spans_divide_edges():
    model = sonde.load(build("llama").double())
    clean, corrupt = rows(0), rows(1)
    spans = {"first": [[0, 1], [0]], "last": [[5], [4, 5]]}
    whole, parts = Graph.of(model), Graph.of(model, spans=["first", "last"])
    carried = outputs(model, whole, corrupt).values
    rewiring = Rewiring(model, parts, clean, carried, METRIC, spans=spans)
    assert parts.n_edges == 3 * whole.n_edges and parts.spans == ("first", "last", "rest")
    together = torch.rand(4, *whole.real.shape, generator=torch.Generator().manual_seed(0)) < 0.7
    wide = together.repeat_interleave(3, 1).repeat_interleave(3, 2)
    torch.testing.assert_close(rewiring.values(wide), Rewiring(model, whole, clean, carried, METRIC).values(together), rtol=0, atol=1e-10)
    # an edge at some positions is the sender's change there alone
    edges = parts.real.nonzero().tolist()
    effects = rewiring.effects()
    for number in range(0, len(edges), 37):
        s, r = edges[number]
        change = rewiring.deltas[s // 3] * rewiring.spans[s % 3][..., None]
        receiver = parts.readers[r // 3]
        torch.testing.assert_close(effects[number], plain(model, clean, change, receiver, METRIC) - rewiring.base, rtol=0, atol=1e-10)
    with pytest.raises(InputError, match="overlap"):
        Rewiring(model, parts, clean, carried, METRIC, spans={"first": [[0], [0]], "last": [[0], [1]]})
    with pytest.raises(InputError, match="has a span 'last', and the inputs name first"):
        Rewiring(model, parts, clean, carried, METRIC, spans={"first": [[0], [0]]})


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_neurons_add_up_to_their_mlp(family):
    model = sonde.load(build(family).double())
    clean, corrupt = rows(0), rows(1)
    whole, divided = Graph.of(model), Graph.of(model, neurons=[1])
    carried, mine = outputs(model, whole, corrupt).values, outputs(model, divided, corrupt).values
    old, new = Rewiring(model, whole, clean, carried, METRIC), Rewiring(model, divided, clean, mine, METRIC)
    mask = torch.rand(whole.real.shape, generator=torch.Generator().manual_seed(0)) < 0.6
    senders = [s if s in whole.senders else "blocks.1.mlp.out" for s in divided.senders]
    receivers = [r if r in whole.receivers else "blocks.1.mlp.in" for r in divided.receivers]
    wide = mask[[whole.senders.index(s) for s in senders]][:, [whole.receivers.index(r) for r in receivers]]
    torch.testing.assert_close(new.values(wide[None]), old.values(mask[None]), rtol=0, atol=1e-10)
    # an edge into a neuron: what it would put out in a run where the stream that enters the MLP is another
    s, r = 0, next(i for i, name in enumerate(divided.receivers) if "d_mlp=7" in name)
    one = torch.zeros_like(divided.real)
    one[s, r] = True
    after = model.run(clean, read="blocks.1.mlp.post", edits=[sonde.Add("blocks.1.resid_mid", new.deltas[s])])["blocks.1.mlp.post[d_mlp=7]"]
    expected = METRIC(model.run(clean, edits=[sonde.Set("blocks.1.mlp.post[d_mlp=7]", after)])) - new.base
    torch.testing.assert_close(new.effects(one)[0], expected, rtol=0, atol=1e-10)


def test_features_and_their_error_add_up_to_their_component():
    from sonde.bases import Subspace

    plain_model = sonde.load(build("gpt2").double())
    basis = Subspace.random(plain_model.d_model, 3, seed=0)
    model = plain_model.attach("blocks.0.mlp.out", basis, "plane")
    clean, corrupt = rows(0), rows(1)
    whole, divided = Graph.of(model), Graph.of(model, features=["plane"])
    assert divided.senders[5:9] == (*(f"blocks.0.mlp.out.plane[feature={j}]" for j in range(3)), "blocks.0.mlp.out.plane.error")
    old = Rewiring(model, whole, clean, outputs(model, whole, corrupt).values, METRIC)
    new = Rewiring(model, divided, clean, outputs(model, divided, corrupt).values, METRIC)
    cut_whole, cut = whole.real.clone(), divided.real.clone()
    cut_whole[whole.senders.index("blocks.0.mlp.out"), -1] = False
    cut[5:9, -1] = False
    torch.testing.assert_close(new.values(cut[None]), old.values(cut_whole[None]), rtol=0, atol=1e-10)


def test_what_is_no_such_graph_is_refused():
    with pytest.raises(SiteUnavailable, match="every sum is normed before it goes on"):
        Graph.of(sonde.load(build("opt-post")))
    with pytest.raises(SiteUnavailable, match="no known stack of blocks"):
        Graph.of(sonde.Model(torch.nn.Linear(2, 2)))
    model = sonde.load(build("gpt2"))
    with pytest.raises(InputError, match="there is no block 7 with an MLP"):
        Graph.of(model, neurons=[7])
    with pytest.raises(InputError, match="no basis was attached under this name"):
        Graph.of(model, features=["sae"])
    graph = Graph.of(model)
    with pytest.raises(InputError, match="is no edge of this graph"):
        graph.mask([("logits", "blocks.0.mlp.in")])
    with pytest.raises(InputError, match="must be as many, and of equal length"):
        Rewiring(model, graph, rows(0), outputs(model, graph, rows(0, 5)).values, METRIC)
    rewiring = Rewiring(model, graph, rows(0), outputs(model, graph, rows(1)).values, METRIC)
    with pytest.raises(InputError, match="kept has the shape"):
        rewiring.values(graph.real[None, 1:])
    with pytest.raises(InputError, match="batch_size=0"):
        rewiring.values(graph.real[None], batch_size=0)


def test_a_part_that_is_no_node_is_noticed():
    """A block that adds something of its own: the stream is no longer the sum of heads and MLPs."""
    module = build("gpt2")
    model = sonde.load(module)
    graph = Graph.of(model)
    outputs(model, graph, rows(0))
    extra = torch.nn.Linear(model.d_model, model.d_model)

    def adding(block, args, out):
        return (out[0] + extra(out[0]), *out[1:]) if isinstance(out, tuple) else out + extra(out)

    module.transformer.h[0].register_forward_hook(adding)
    with pytest.raises(SiteUnavailable, match="is not the sum of what its parts add"):
        outputs(model, graph, rows(0))


def test_user_hooks_are_kept_and_whole_forwards_made():
    module = build("gpt2").double()
    model = sonde.load(module)
    graph = Graph.of(model)
    clean, corrupt = rows(0), rows(1)
    mask = torch.rand(2, *graph.real.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    before = Rewiring(model, graph, clean, outputs(model, graph, corrupt).values, METRIC)
    handle = module.transformer.register_forward_hook(lambda *_: None)
    after = Rewiring(model, graph, clean, outputs(model, graph, corrupt).values, METRIC)
    torch.testing.assert_close(after.values(mask), before.values(mask), rtol=0, atol=1e-10)
    torch.testing.assert_close(after.effects(), before.effects(), rtol=0, atol=1e-10)
    handle.remove()


def test_gradients_of_kept_amounts():
    model = sonde.load(build("gpt2").double())  # norms of Llama compute in single precision, too coarse for differences
    graph = Graph.of(model)
    rewiring = Rewiring(model, graph, rows(0), outputs(model, graph, rows(1)).values, METRIC)
    kept = (0.2 + 0.6 * torch.rand(graph.real.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))).requires_grad_()
    (gradient,) = torch.autograd.grad(rewiring.soft(kept).sum(), kept)
    step = torch.zeros_like(kept)
    step[3, 12] = 1e-6
    numeric = (rewiring.soft(kept + step) - rewiring.soft(kept - step)).sum() / 2e-6
    assert graph.real[3, 12] and gradient[3, 12].item() == pytest.approx(numeric.item(), rel=1e-4, abs=1e-9)
    assert (gradient[~graph.real] == 0).all()


def test_gradients_where_every_edge_is_intact():
    """The slopes there are those of edge attribution patching: no edge may be left out because nothing is ablated."""
    model = sonde.load(build("gpt2").double())
    graph = Graph.of(model)
    rewiring = Rewiring(model, graph, rows(0), outputs(model, graph, rows(1)).values, METRIC)
    kept = graph.real.double().requires_grad_()
    (gradient,) = torch.autograd.grad(rewiring.soft(kept).sum(), kept)
    masks = graph.real.double().repeat(graph.n_edges, 1, 1)
    masks[(torch.arange(graph.n_edges), *graph.real.nonzero().T)] -= 1e-6
    numeric = (rewiring.base - rewiring.values(masks)).sum(1) / 1e-6
    torch.testing.assert_close(gradient[graph.real], numeric, rtol=1e-4, atol=1e-7)


def test_gpt2_small_has_32491_edges():
    import transformers

    with torch.device("meta"):
        config = transformers.GPT2Config(vocab_size=50, n_positions=8, n_embd=24)
    module = transformers.GPT2LMHeadModel(config)
    graph = Graph.of(sonde.Model(module))
    assert graph.n_edges == 32_491 and (len(graph.senders), len(graph.receivers)) == (157, 445)
