"""Networks of no known family, by path: recurrent nets, convolutional nets, and whatever a module may take and return."""

import copy
from dataclasses import dataclass

import pytest
import torch
from tiny_models import logits_of, spread
from torch import nn

import sonde
from sonde.results import InputError, SiteUnavailable, UnknownSite


def rand(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Recurrent(nn.Module):
    """A stack of two recurrent nets and a reading of the last state; the inputs have the batch first, the nets may not."""

    def __init__(self, kind, batch_first):
        super().__init__()
        self.embed, self.batch_first = nn.Embedding(11, 6), batch_first
        self.below, self.above = kind(6, 5, batch_first=batch_first), kind(5, 4, num_layers=2, batch_first=batch_first)
        self.head = nn.Linear(4, 3)

    def forward(self, ids):
        x = self.embed(ids)
        x = x if self.batch_first else x.transpose(0, 1)
        sequence, _ = self.below(x)
        _, state = self.above(sequence)
        hidden = state[0] if isinstance(state, tuple) else state
        return self.head(hidden[-1])


@pytest.fixture(params=[(kind, first) for kind in (nn.GRU, nn.LSTM, nn.RNN) for first in (True, False)], ids=lambda p: f"{p[0].__name__}-{p[1]}")
def recurrent(request):
    return sonde.Model(spread(Recurrent(*request.param)))


IDS = torch.tensor([[1, 2, 3, 4, 5, 6, 7], [3, 3, 0, 1, 9, 10, 2]])


@torch.no_grad()  # under it an LSTM has another kernel
def own(module, ids):
    """What the parts of the recurrent net give when they are called by hand, with the batch first."""
    x = module.embed(ids) if module.batch_first else module.embed(ids).transpose(0, 1)
    sequence, _ = module.below(x)
    above, state = module.above(sequence)
    turn = (lambda t: t) if module.batch_first else (lambda t: t.transpose(0, 1))
    return turn(x), turn(sequence), turn(above), state


def test_recurrent_nets_have_the_batch_first_whatever_they_hold(recurrent):
    x, sequence, above, state = own(recurrent.module, IDS)
    lstm = isinstance(state, tuple)
    item = "1.0" if lstm else "1"
    run = recurrent.run(IDS, read=["below:in", "below:out", "above:out", f"above:out.{item}", "below:out[pos=-1]"])
    assert torch.equal(run["below:in"], x)
    assert torch.equal(run["below:out"], sequence)
    assert torch.equal(run["below:out[pos=-1]"], sequence[:, -1])
    assert torch.equal(run["above:out"], above)
    assert torch.equal(run[f"above:out.{item}"], (state[0] if lstm else state).transpose(0, 1))
    assert run.axes("below:out") == ("batch", "pos", "unit")
    assert run.axes(f"above:out.{item}") == ("batch", "layer", "unit")
    assert torch.equal(run.logits, logits_of(recurrent.module, IDS))
    if lstm:
        assert torch.equal(recurrent.run(IDS, read="above:out.1.1")["above:out.1.1"], state[1].transpose(0, 1))


def test_edits_of_recurrent_nets(recurrent):
    """One position of the sequence, and the state that the model goes on with."""
    module, item = recurrent.module, "1.0" if isinstance(recurrent.module.above, nn.LSTM) else "1"
    sequence = own(module, IDS)[1].clone()
    sequence[:, 2] = 0.5
    run = recurrent.run(IDS, edits=[sonde.Set("below:out[pos=2]", 0.5)], read="below:out")
    assert torch.equal(run["below:out"], sequence)
    _, state = module.above(sequence if module.batch_first else sequence.transpose(0, 1))
    assert torch.allclose(run.logits, module.head((state[0] if isinstance(state, tuple) else state)[-1]))
    written = recurrent.run(IDS, edits=[sonde.Set(f"above:out.{item}[layer=-1]", 2.0)]).logits
    assert torch.allclose(written, module.head(torch.full((2, 4), 2.0)))
    unread = recurrent.run(IDS, edits=[sonde.Set(f"above:out.{item}[layer=0]", 2.0)]).logits
    assert torch.equal(unread, logits_of(module, IDS))
    first_row = recurrent.run(IDS, edits=[sonde.Zero("below:out[batch=0]")]).logits
    assert torch.allclose(first_row[1], module(IDS)[1])
    assert not torch.allclose(first_row[0], module(IDS)[0])


def test_gradients_and_sweeps_of_recurrent_nets(recurrent):
    def metric(run):
        return run.logits[:, 1]

    module = recurrent.module
    grads = recurrent.grad(IDS, metric, at=["below:out", "embed:out"])
    sequence = own(module, IDS)[1].detach().requires_grad_()
    _, state = module.above(sequence if module.batch_first else sequence.transpose(0, 1))
    expected = torch.autograd.grad(module.head((state[0] if isinstance(state, tuple) else state)[-1])[:, 1].sum(), sequence)[0]
    assert torch.allclose(grads["below:out"], expected, atol=1e-6)
    edits = [sonde.Zero(f"below:out[pos={pos}]") for pos in range(7)]
    sweep = recurrent.sweep(IDS, edits, metric)
    for edit, values in zip(edits, sweep.values, strict=True):
        assert torch.allclose(recurrent.run(IDS, edits=[edit]).logits[:, 1], values, atol=1e-6)


def test_rows_that_are_second_in_the_inputs_are_refused():
    """Rows and positions can't be told apart there, and a metric would be one number per position."""
    with pytest.raises(InputError, match=r"this GRU takes positions before rows: set batch_first = True on it"):
        sonde.Model(nn.GRU(3, 4))
    assert sonde.Model(nn.GRU(3, 4, batch_first=True)).run(rand(2, 5, 3), read=":out.1").axes(":out.1") == ("batch", "layer", "unit")
    inside = sonde.Model(nn.Sequential(nn.Linear(3, 3), nn.GRU(3, 4)))
    with pytest.raises(SiteUnavailable, match=r"the GRU here has its batch second, 5 x 2 x 4, and the inputs have 5 rows: wrap the model"):
        inside.run(rand(5, 2, 3), read="1:out")
    with pytest.raises(SiteUnavailable, match=r"has the axes batch pos unit, and the tensor here is 5 x 3: give inputs with a batch axis"):
        sonde.Model(nn.Sequential(nn.GRU(3, 3, batch_first=True))).run(rand(5, 3), read="0:in")


def test_packed_sequences_are_refused_by_name():
    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

        def forward(self, x, lengths):
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
            _, state = self.rnn(packed)
            return self.head(state[-1])

    model, given = sonde.Model(Packed()), (rand(2, 5, 3), torch.tensor([5, 3]))
    for site in ("rnn:in", "rnn:out"):
        with pytest.raises(SiteUnavailable, match=rf"'{site}' holds a packed sequence, .*: pad the rows instead of packing them"):
            model.run(given, read=site)
    assert torch.equal(model.run(given, read="head:in").logits, model.module(*given))


class Inplace(nn.Module):
    """Overwrites what was read, in all the ways that nets do: modules, operators, slices, and its own inputs."""

    spoils = True  # also what its own backward pass needs

    def __init__(self):
        super().__init__()
        self.a, self.b, self.relu, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 2)

    def forward(self, x):
        x -= 1
        y = self.relu(self.a(x))
        z = self.b(y)
        z += y
        z[:, 0] = 0
        if self.spoils:
            y.mul_(2)
        return self.head(z)


def unmutated(module, x, a=None, b=None):
    """The same computation without changing anything."""
    a = module.a(x - 1) if a is None else a
    b = module.b(a.relu()) if b is None else b
    z = b + a.relu()
    return module.head(torch.cat([torch.zeros_like(z[:, :1]), z[:, 1:]], 1))


@pytest.fixture
def inplace():
    return sonde.Model(spread(Inplace()))


def test_reads_are_what_flowed(inplace):
    x, module = rand(3, 4), inplace.module
    given = x.clone()
    run = inplace.run(given, read=["a:in", "a:out", "relu:in", "relu:out", "b:in", "b:out", "head:in"])
    assert torch.equal(given, x)  # the user's own tensor stays
    a = module.a(x - 1)
    for site, expected in {"a:in": x - 1, "a:out": a, "relu:in": a, "relu:out": a.relu(), "b:in": a.relu(), "b:out": module.b(a.relu())}.items():
        assert torch.equal(run[site], expected), site
    assert torch.equal(run.logits, unmutated(module, x))
    assert (run["head:in"][:, 0] == 0).all()


def test_edits_of_what_is_overwritten(inplace):
    x, module = rand(3, 4), inplace.module
    value = rand(3, 4, seed=1)
    for site, kwargs in {"a:out": {"a": value}, "b:out": {"b": value}}.items():
        kept = value.clone()
        run = inplace.run(x, edits=[sonde.Set(site, value)], read=site)
        assert torch.equal(value, kept)
        assert torch.equal(run[site], value)
        assert torch.allclose(run.logits, unmutated(module, x, **kwargs))
    source = inplace.run(rand(3, 4, seed=2), read="a:out")
    patched = inplace.run(x, edits=[sonde.Patch("a:out", source)]).logits
    assert torch.allclose(patched, unmutated(module, x, a=source["a:out"]))


def test_gradients_through_what_is_overwritten(inplace):
    x, module = rand(3, 4), inplace.module
    with pytest.raises(SiteUnavailable, match="overwrites in place what its own gradients need"):
        inplace.grad(x, lambda run: run.logits[:, 1], at="a:out")
    module.spoils = False
    for site in ("a:out", "b:out"):
        grads = inplace.grad(x, lambda run: run.logits[:, 1], at=site)
        value = grads.values[site].detach().clone().requires_grad_()
        expected = torch.autograd.grad(unmutated(module, x, **{site[0]: value})[:, 1].sum(), value)[0]
        assert torch.allclose(grads[site], expected, atol=1e-6), site
    both = inplace.grad(x, lambda run: run.logits[:, 1], at=["a:out", "b:out", ":in"], edits=[sonde.Add("a:out", 0.3)])
    pixels = x.clone().requires_grad_()
    expected = torch.autograd.grad(unmutated(module, pixels, a=module.a(pixels - 1) + 0.3)[:, 1].sum(), pixels)[0]
    assert torch.allclose(both[":in"], expected, atol=1e-6)


def test_a_sweep_over_what_is_overwritten(inplace):
    x = rand(3, 4)
    edits = [sonde.Zero(f"{site}[unit={unit}]") for site in ("a:out", "b:out") for unit in range(4)]
    sweep = inplace.sweep(x, edits, lambda run: run.logits[:, 0], batch_size=6)
    for edit, values in zip(edits, sweep.values, strict=True):
        assert torch.allclose(inplace.run(x, edits=[edit]).logits[:, 0], values, atol=1e-6)


def test_a_functional_activation_is_no_place():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.b(nn.functional.relu(self.a(x), inplace=True))

    model, x = sonde.Model(spread(Functional())), rand(3, 4)
    run = model.run(x, read=["a:out", "b:in"])
    assert torch.equal(run["b:in"], run["a:out"].relu())
    assert (run["a:out"] < 0).any()
    with pytest.raises(UnknownSite, match=r"no module 'relu' \(what a forward computes by functions is no place\); nearest: "):
        model.run(x, read="relu:out")


@dataclass(frozen=True)
class Answer:
    scores: torch.Tensor
    parts: tuple
    note: str = "kept"


class Container(nn.Module):
    def __init__(self, returned):
        super().__init__()
        self.inner, self.returned = Inner(returned), returned

    def forward(self, *, x):
        return self.inner(x=x, also={"y": 2 * x})


class Inner(nn.Module):
    def __init__(self, returned):
        super().__init__()
        self.returned = returned

    def forward(self, x, also):
        return self.returned(x + also["y"], x)


RETURNED = {
    "dataclass": (lambda a, b: Answer(a, (b, None)), "scores", "parts.0"),
    "mapping": (lambda a, b: {"first": None, "hidden": a, "other": [b]}, "hidden", "other.0"),
    "nested": (lambda a, b: (a, [b, {"c": b}]), "0", "1.1.c"),
    "logits": (lambda a, b: {"aux": b, "logits": a}, "logits", "aux"),
}


@pytest.mark.parametrize("kind", RETURNED)
def test_outputs_of_every_kind(kind):
    returned, first, other = RETURNED[kind]
    model, x = sonde.Model(Container(returned)), rand(2, 3)
    run = model.run({"x": x}, read=["inner:out", f"inner:out.{first}", f"inner:out.{other}", "inner:in", "inner:in.also.y"])
    assert torch.equal(run.logits, 3 * x)
    for site, expected in {"inner:out": 3 * x, f"inner:out.{first}": 3 * x, f"inner:out.{other}": x, "inner:in": x, "inner:in.also.y": 2 * x}.items():
        assert torch.equal(run[site], expected), site
    edited = model.run({"x": x}, edits=[sonde.Zero(f"inner:out.{other}"), sonde.Scale("inner:in.also.y", 2.0)], read=f":out.{other}")
    assert torch.equal(edited.logits, 5 * x)
    assert (edited[f":out.{other}"] == 0).all()


def test_what_could_mean_several_tensors_is_refused():
    model, x = sonde.Model(Container(lambda a, b: ((a, b), a))), rand(2, 3)
    with pytest.raises(SiteUnavailable, match=r"'inner:out' could mean several tensors; there is 'inner:out.0.0' \(2 x 3\), 'inner:out.0.1'"):
        model.run({"x": x}, read="inner:out", logits=False)
    assert torch.equal(model.run({"x": x}, read="inner:out.0.1", logits=False)["inner:out.0.1"], x)
    with pytest.raises(UnknownSite, match=r"'inner:out.0.7' is no tensor here; there is 'inner:out.0.0'"):
        model.run({"x": x}, read="inner:out.0.7", logits=False)


def test_several_tensors_and_whole_numbers_come_in():
    class Table(nn.Module):
        """Numbers and categories, as tables have them."""

        def __init__(self):
            super().__init__()
            self.embed, self.mix = nn.Embedding(5, 2), nn.Linear(5, 3)

        def forward(self, numbers, category):
            return self.mix(torch.cat([numbers, self.embed(category)], 1))

    model, given = sonde.Model(Table()), (rand(4, 3), torch.tensor([0, 1, 4, 4]))
    run = model.run(given, read=["embed:in", "embed:out", "mix:in[unit=0]"])
    assert torch.equal(run.logits, model.module(*given))
    assert torch.equal(model.run(dict(zip(("numbers", "category"), given, strict=True))).logits, run.logits)
    assert run.axes("embed:in") == ("batch",)
    assert run.axes("embed:out") == ("batch", "unit")
    assert model.grad(given, lambda run: run.logits[:, 0], at="embed:out")["embed:out"].shape == (4, 2)
    for wrong in ((rand(4, 3), "a"), [rand(4, 3)], {"numbers": 3}, (), 3):
        with pytest.raises(InputError, match="this module takes tensors: one, several in a tuple"):
            model.run(wrong)


AXES = [
    (nn.Conv1d(3, 4, 2), (2, 3, 5), "batch channel pos"),
    (nn.Conv2d(3, 4, 2), (2, 3, 5, 5), "batch channel row col"),
    (nn.MaxPool2d(2), (2, 3, 4, 4), "batch channel row col"),
    (nn.Conv3d(3, 4, 2), (2, 3, 5, 5, 5), "batch channel depth row col"),
    (nn.BatchNorm1d(3), (2, 3), "batch channel"),
    (nn.BatchNorm1d(3), (2, 3, 5), "batch channel pos"),
    (nn.GroupNorm(1, 3), (2, 3, 5), "batch channel pos"),
    (nn.Linear(3, 4), (2, 3), "batch unit"),
    (nn.LayerNorm(3), (2, 5, 3), "batch pos unit"),
    (nn.Linear(3, 4), (2, 6, 5, 3), "batch axis1 axis2 axis3"),
    (nn.ReLU(), (2, 3, 4, 4), "batch channel row col"),
    (nn.ReLU(), (2, 5, 3), "batch pos unit"),
    (nn.GRUCell(3, 4), (2, 3), "batch unit"),
]


@pytest.mark.parametrize("module, shape, axes", AXES, ids=lambda v: type(v).__name__ if isinstance(v, nn.Module) else None)
def test_the_kind_of_module_tells_the_axes(module, shape, axes):
    model = sonde.Model(nn.Sequential(module))
    assert model.run(rand(*shape), read="0:out").axes("0:out") == tuple(axes.split())


def test_axes_that_could_be_either_get_numbers():
    """Behind a convolution over sequences an activation has its channels second; called `unit`, its last axis would be the wrong one."""
    run = sonde.Model(nn.Sequential(nn.Conv1d(3, 4, 2), nn.ReLU())).run(rand(2, 3, 5), read=["0:out", "1:out"])
    assert run.axes("1:out") == ("batch", "axis1", "axis2")
    with pytest.raises(SiteUnavailable, match=r"'0:in' has the axes batch channel row col, and the tensor here is 3 x 5 x 5: give inputs with"):
        sonde.Model(nn.Sequential(nn.Conv2d(3, 4, 2))).run(rand(3, 5, 5), read="0:in")


class Windows(nn.Module):
    """Folds a part of its positions into the batch, as models with windows do, and has a table that all rows share."""

    def __init__(self):
        super().__init__()
        self.inner, self.table, self.head = nn.Linear(3, 3), nn.Linear(1, 3), nn.Linear(3, 2)

    def forward(self, x):
        batch, pos, unit = x.shape
        x = self.inner(x.reshape(batch * pos // 2, 2, unit)).reshape(batch, pos, unit)
        x = x + self.table(torch.ones(1, pos, 1))
        return self.head(x.mean(1))


def test_a_first_axis_that_is_not_the_batch_is_not_called_so():
    model, x = sonde.Model(spread(Windows())), rand(2, 4, 3)
    run = model.run(x, read=["inner:out", "table:out"])
    assert run.axes("inner:out") == ("axis0", "pos", "unit")
    edits = [sonde.Zero(site) for site in ("inner:out[unit=0]", "inner:out[unit=1]", "table:out[unit=2]")]
    sweep = model.sweep(x, edits, lambda run: run.logits[:, 0])
    assert any("edits were made one forward at a time: 'inner:out[unit=0]' has 12 entries along its first axis" in note for note in sweep.notes)
    for edit, values in zip(edits, sweep.values, strict=True):
        assert torch.allclose(model.run(x, edits=[edit]).logits[:, 0], values, atol=1e-6)


class Meeting(nn.Module):
    """Compares the rows of a batch, as contrastive models do."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x):
        x = self.inner(x)
        return x - x.mean(0)


class Stateful(nn.Module):
    """Takes a first state, which has the batch second."""

    def __init__(self):
        super().__init__()
        self.gru, self.head = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x, state):
        return self.head(self.gru(x, state)[0][:, -1])


def test_what_can_t_be_stacked_is_swept_one_by_one():
    meeting, stateful = sonde.Model(spread(Meeting())), sonde.Model(spread(Stateful()))
    cases = [(meeting, rand(4, 3), "inner:out", "they gave other values"), (stateful, (rand(2, 5, 3), rand(1, 2, 4)), "gru:out", "")]
    for model, given, site, why in cases:
        edits = [sonde.Zero(f"{site}[unit={unit}]") for unit in range(3)]
        sweep = model.sweep(given, edits, lambda run: run.logits[:, 0])
        assert any(note.startswith("edits were made one forward at a time") and why in note for note in sweep.notes)
        for edit, values in zip(edits, sweep.values, strict=True):
            assert torch.allclose(model.run(given, edits=[edit]).logits[:, 0], values, atol=1e-6)
    with pytest.raises(UnknownSite, match="unit 9 is out of range"):
        meeting.sweep(rand(4, 3), [sonde.Zero("inner:out[unit=0]"), sonde.Zero("inner:out[unit=9]")], lambda run: run.logits[:, 0])


def test_torch_s_own_encoder():
    """Its fast path would pass by the modules inside; hooks on them keep torch on the plain one."""
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
    model, x = sonde.Model(spread(encoder)), rand(2, 5, 8)
    run = model.run(x, read=["layers.1.linear1:out", "layers.1.self_attn:out", "layers.0:out"])
    plain = copy.deepcopy(encoder).eval()
    assert torch.allclose(run.logits, plain(x), atol=1e-5)
    assert run.axes("layers.1.linear1:out") == ("batch", "pos", "unit")
    with pytest.raises(SiteUnavailable, match=r"'layers.1.self_attn.out_proj:out' never fired"):
        model.run(x, read="layers.1.self_attn.out_proj:out")


def test_an_output_without_a_last_position():
    run = sonde.Model(nn.Sequential(nn.Conv2d(3, 4, 2))).run(rand(2, 3, 5, 5))
    with pytest.raises(UnknownSite, match="the model's output has 4 axes, so it has no last position"):
        run.last_logits  # noqa: B018
