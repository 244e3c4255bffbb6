"""ACDC in waves against the plain algorithm: one forward of a recomputed network for each edge, and the circuits that were written down."""

import pytest
import torch
from tiny_families import build
from tiny_models import spread

import sonde
from sonde.access import Graph
from sonde.circuits import acdc, visiting
from sonde.nn import Transformer, TransformerConfig
from sonde.results import InputError, LoadError, SondeError
from sonde.specimens import compiled
from sonde.tasks import Ablation, Task
from sonde.tasks.pair import Pair

WORDS = 20


@pytest.fixture(scope="module")
def four_layers():
    config = TransformerConfig(n_layers=4, n_heads=1, d_model=16, d_vocab=WORDS, n_ctx=8, d_mlp=24, tied=False, positional=None)
    module = spread(Transformer(config)).double()
    return sonde.Model(module), pairs(3), module


def pairs(n, length=5):
    ids = torch.randint(1, WORDS, (2, n, length), generator=torch.Generator().manual_seed(1)).tolist()
    made = [Pair("", "", (3,), (4,), tuple(clean), tuple(corrupt)) for clean, corrupt in zip(*ids, strict=True)]
    return Task.of(made, "random")


@torch.no_grad()
def plain(truth, graph, visits, drops, cost=None):
    """The algorithm as it is told: one edge at a time, each with a forward of its own."""
    cost = cost or (lambda ablated: float(truth.metric(ablated).mean()))
    gone, current, changes = [], cost([]), []
    for s, r in visits.tolist():
        edge = graph.senders[s], graph.receivers[r]
        value = cost([*gone, edge])
        changes.append(value - current)
        if drops(changes[-1]):
            gone, current = [*gone, edge], value
    return torch.tensor(changes, dtype=torch.float64), set(graph.edges()) - set(gone)


@pytest.mark.parametrize(
    "threshold, order, rule",
    [
        (0.003, "topological", "worse"), (0.01, "topological", "changed"), (0.03, "topological", "worse"), (0.06, "topological", "changed"),
        (0.1, "topological", "worse"), (0.03, "random", "changed"), (0.03, "given", "worse"),
    ],
)  # fmt: skip
def test_decisions_are_those_of_the_plain_algorithm(four_layers, threshold, order, rule):
    model, task, module = four_layers
    graph, truth = Graph.of(model, embed="split"), compiled.Ablation(module, task, "counterfactual")
    numbers = torch.randperm(graph.n_edges, generator=torch.Generator().manual_seed(7)) if order == "given" else order
    visits = visiting(graph, numbers, seed=3)
    found = acdc(model, task, threshold, graph, order=numbers, seed=3, rule=rule)
    changes, kept = plain(truth, graph, visits, lambda change: (abs(change) if rule == "changed" else -change) < threshold)
    torch.testing.assert_close(found.changes, changes, rtol=0, atol=1e-10)
    assert set(found.circuit.edges) == kept and 0 < len(kept) < graph.n_edges
    torch.testing.assert_close(found.metric[-1].item(), float(truth.metric(set(graph.edges()) - kept).mean().detach()), rtol=0, atol=1e-10)


def test_divergence_from_the_whole_model(four_layers):
    """The rule of Conmy et al.: KL(whole model || circuit) over the vocabulary may grow by less than the threshold for each edge."""
    model, task, module = four_layers
    graph, truth = Graph.of(model, embed="split"), compiled.Ablation(module, task, "zero")
    ids = torch.tensor(task.clean)

    def cost(ablated):
        whole, mine = (compiled.ablation.forward(module, ids, {edge: (truth.reference[edge[0]], 1.0) for edge in gone})[0] for gone in ([], ablated))
        p, q = whole.softmax(-1), mine.softmax(-1)
        return float((p * (p.log() - q.log())).sum(-1).mean())

    found = acdc(model, task, 0.05, graph, Ablation("zero"), metric="kl")
    changes, kept = plain(truth, graph, visiting(graph), lambda change: change < 0.05, cost)
    torch.testing.assert_close(found.changes, changes, rtol=0, atol=1e-10)
    assert set(found.circuit.edges) == kept and 0 < len(kept) < graph.n_edges
    assert found.circuit.conditions.unit == "nats" and "ACDC at 0.05 nats" in found.circuit.method


def test_guesses_and_pieces_change_no_decision(four_layers):
    model, task, _ = four_layers
    one = acdc(model, task, 0.05)
    guessed = acdc(model, task, 0.05, expected=one.circuit)
    divided = acdc(model, task, 0.05, batch_size=2)
    assert torch.equal(guessed.kept, one.kept) and torch.equal(divided.kept, one.kept)
    assert guessed.states <= int((one.changes != 0).sum()) < one.states  # a right guess evaluates nothing in vain
    assert one.n_waves < one.states and guessed.n_waves < one.n_waves


def test_an_interrupted_search_goes_on(four_layers, tmp_path):
    model, task, _ = four_layers
    whole = acdc(model, task, 0.05, folder=tmp_path)
    file = tmp_path / "decisions.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:6]) + lines[6][:20])  # the run ended while a line was written
    again = acdc(model, task, 0.05, folder=tmp_path)
    assert torch.equal(again.kept, whole.kept) and torch.equal(again.changes, whole.changes)
    assert (again.states, again.n_waves) == (whole.states, whole.n_waves)
    assert file.read_text() == "".join(lines)
    with pytest.raises(SondeError, match="another search"):
        acdc(model, task, 0.06, folder=tmp_path)
    file.write_text("".join(lines[:3]) + "{}\n")
    with pytest.raises(LoadError, match="delete it"):
        acdc(model, task, 0.05, folder=tmp_path)


# what the algorithm must find in networks whose circuit was written down; of two branches of which one is enough, the one visited later stays
LOST = {
    ("or_gate", "worse"): 3,  # the look, the move and the word of one branch
    ("backup", "worse"): 4,  # the head in reserve, and what calls it
}


@pytest.mark.parametrize("program", ["induction", "or_gate", "and_gate", "backup", "negative_head", "reverse"])
@pytest.mark.parametrize("kind", ["zero", "counterfactual"])
def test_circuits_that_were_written_down(program, kind):
    made = compiled.build(program)
    made.model.double()
    model, task, truth = sonde.Model(made.model, made.tokenizer), made.examples(6), made.truth[kind]
    found = acdc(model, task, 0.01, Graph.of(model, embed="split"), Ablation(kind))
    edges = set(found.circuit.edges)
    assert edges <= truth.edges
    if program in ("or_gate", "backup"):
        assert len(truth.edges - edges) == LOST[program, "worse"] and truth.edges - edges <= truth.hidden | truth.harmful | truth.flat
    else:
        assert edges == truth.edges - truth.harmful


def test_the_other_rule_keeps_what_stands_against_the_answer():
    made = compiled.build("negative_head")
    model, task, truth = sonde.Model(made.model, made.tokenizer), made.examples(6), made.truth["counterfactual"]
    found = acdc(model, task, 0.01, Graph.of(model, embed="split"), rule="changed")
    assert set(found.circuit.edges) == truth.edges and truth.harmful


def test_permuted_weights_have_no_such_circuit():
    """The control: the same network with the weights of each layer shuffled holds nothing of the circuit that was written down."""
    made = compiled.build("induction")
    task, truth = made.examples(6), made.truth["counterfactual"].edges
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in made.model.parameters():
            weight.copy_(weight.flatten()[torch.randperm(weight.numel(), generator=generator)].view_as(weight))
    model = sonde.Model(made.model, made.tokenizer)
    try:
        edges = set(acdc(model, task, 0.01, Graph.of(model, embed="split")).circuit.edges)
    except InputError:  # it keeps no edge
        edges = set()
    assert edges != truth and len(edges & truth) / len(edges | truth) < 0.3


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_families(family):
    """A search with grouped keys, too; each decision by itself is one plain set of edges."""
    model = sonde.load(build(family).double())
    found = acdc(model, pairs(2), 0.3)
    graph = found.circuit.graph
    assert any("kv_head" in name for name in graph.receivers) == (family == "llama")
    rewired = sonde.circuits.rewire(model, graph, pairs(2))
    gone = ~found.kept.cumsum(0).bool() if not found.kept.any() else ~found.kept
    for number in range(0, len(found.visits), 29):
        before = graph.real.clone()
        s, r = found.visits[:number][gone[:number]].T
        before[s, r] = False
        without = before.clone()
        without[tuple(found.visits[number])] = False
        two = rewired.values(torch.stack([before, without])).mean(1)
        assert found.changes[number].item() == pytest.approx(float(two[1] - two[0]), abs=1e-10)


def test_the_result(four_layers, tmp_path):
    model, task, _ = four_layers
    found = acdc(model, task, 0.05)
    frame = found.to_frame()
    assert frame.columns == ["sender", "receiver", "change", "kept", "metric"] and frame.height == found.circuit.graph.n_edges
    assert frame["receiver"][0] == "logits" and frame["kept"].sum() == found.circuit.n_edges
    assert found.drawing().kind == "lines"
    found.save(tmp_path / "found")
    assert torch.equal(type(found).load(tmp_path / "found").circuit.mask, found.circuit.mask)


def test_bad_input(four_layers, unchecked):
    model, task, _ = four_layers
    for threshold in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="above zero"):
            acdc(model, task, threshold)
    with pytest.raises(InputError, match=r"keeps no edge: the largest change by any of them was .* smaller threshold"):
        acdc(model, task, 1e6)
    with pytest.raises(InputError, match="use 'worse'"):
        acdc(model, task, 0.1, rule="better")
    with pytest.raises(InputError, match="use 'topological'"):
        acdc(model, task, 0.1, order="hash")
    with pytest.raises(InputError, match="no permutation"):
        acdc(model, task, 0.1, order=[0, 0, 1])
    with pytest.raises(InputError, match="there is no metric 'logit'"):
        acdc(model, task, 0.1, metric="logit")
    same = Task.of([Pair("", "", (3,), (4,), row, row) for row in task.clean], "same")
    with pytest.raises(InputError, match="are the same to this model"):
        acdc(model, same, 0.1)
