"""A planned sweep equals one plain hooked forward per edit, whatever is swept."""

import copy
import dataclasses
import importlib
from typing import ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import CONTEXT, FAMILIES, HEADS, LAYERS, VOCAB, LogitDifference, bare
from token_pairs import random_pairs

import sonde
from sonde.access import Run
from sonde.results import InputError, SondeError
from sonde.tasks import LogitDifference as TokenDifference
from sonde.tasks import LogProbability

engine = importlib.import_module("sonde.access.engine.sweep")
replay = engine.replay

BATCHES = {
    "one": [[3, 1, 0, 4, 7]],
    "even": [[3, 1, 0, 4, 7], [9, 2, 6, 5, 0]],
    "ragged": [[3, 1, 0, 4, 7], [9, 2], [5, 5, 5]],
    "as many rows as positions": [[1, 2, 3], [4, 5, 6], [7, 8, 9]],
}


def whole(run):
    """A metric that reads all logits."""
    return (run.logits.log_softmax(-1) * torch.linspace(-1, 1, VOCAB)).sum(-1)[:, 0]


METRICS = {
    "last": LogitDifference(),
    "whole": whole,
    "two tokens": TokenDifference(3, 5),
    "second position": TokenDifference(3, 5, pos=1),
    "probability": LogProbability(7, pos=-2),
}


def plainly(model, rows, cells, metric, record):
    """One forward per cell, under the kernel that the sweep uses."""
    read = ["blocks.0.attn.scores"] if record else []
    return torch.stack([metric(model.run(rows, edits=cell, read=read)) for cell in cells])


@st.composite
def sweeps(draw):
    family = draw(st.sampled_from(FAMILIES))
    batch = draw(st.sampled_from(sorted(BATCHES)))
    cells = draw(st.lists(st.lists(edits(), min_size=1, max_size=3), min_size=1, max_size=7))
    return family, BATCHES[batch], cells


def edits():
    """Site and kind of an edit, with a selection that every batch has."""
    parts = [
        "resid_pre",
        "resid_post",
        "resid_mid",
        "attn.z",
        "attn.q",
        "attn.out",
        "attn.result",
        "attn.pattern",
        "attn.in",
        "mlp.out",
        "attn.norm.scale",
    ]
    names = [f"blocks.{i}.{part}" for i in range(LAYERS) for part in parts] + ["embed", "final_norm", "logits", "final_norm.scale"]
    kinds = st.sampled_from(["scale", "add", "set", "apply", "patch"])
    return st.tuples(st.sampled_from(names), kinds, st.sampled_from([None, -1, 0, slice(-2, None)]), st.sampled_from([None, 0, HEADS - 1]))


def made(model, rows, source, name, kind, pos, head):
    if name not in model.architecture.sites:
        return None
    axes = model.architecture.sites[name].axes
    select = {} if pos is None else {"query" if "query" in axes else "pos": pos}
    select |= {"head": head} if head is not None and "head" in axes else {}
    site = sonde.Site(name).at(**select)
    match kind:
        case "scale":
            return sonde.Scale(site, 1.7)
        case "add":
            return sonde.Add(site, 0.4)
        case "set":
            return sonde.Set(site, 0.6)
        case "apply":
            return sonde.Apply(site, lambda old: old.sin() + 2)
    return sonde.Patch(site, source)


@settings(max_examples=20)
@given(sweeps(), st.sampled_from([1, 3, 4, "auto"]), st.sampled_from(sorted(METRICS)))
def test_equals_one_plain_forward_per_edit(loaded, case, batch_size, metric):
    family, rows, cells = case
    model, metric = loaded[family], METRICS[metric]
    source = model.run([[(token + 11) % VOCAB for token in row] for row in rows], read=[*model.architecture.sites])
    cells = [[edit for parts in cell if (edit := made(model, rows, source, *parts))] for cell in cells]
    cells = [cell for cell in cells if cell]
    if not cells:
        return
    sweep = model.sweep(rows, cells, metric, batch_size=batch_size, verify=True)
    # a patch from a run that was recorded makes the sweep recorded
    record = any(isinstance(edit, sonde.Patch) or "pattern" in edit.site.name for cell in cells for edit in cell)
    expected = plainly(model, rows, cells, metric, record)
    scale = max(1.0, expected.abs().max().item())
    assert (sweep.values - expected).abs().max() <= 1e-5 * scale
    assert (sweep.base - plainly(model, rows, [[]], metric, record)[0]).abs().max() <= 1e-5 * scale
    assert len(sweep.edits) == sweep.plan.cells == len(cells)


def test_the_plan_of_a_grid(model, metric):
    """Cells that enter at block l skip the blocks below it, those at position p the columns left of it, and the last block computes one column."""
    length = 5
    ids = [[3, 1, 0, 4, 7]] * 2
    edits = [sonde.Zero(site) for site in model.sites("blocks.*.resid_pre").each(pos=range(length))]
    made = model.sweep(ids, edits, metric, batch_size=2)  # one cell a pass: every cell computes its own columns only
    plan = made.plan
    assert (plan.cells, plan.skipped, plan.replayed, plan.plain, plan.passes) == (10, 0, 10, 0, 10)
    suffixes = [length - pos for pos in range(length)]
    # a quarter of the last block's work on the columns that are not read is left, except for cells that write in it
    narrow = sum(int(0.75 * 2 * (suffix - 1)) for suffix in suffixes)
    assert plan.block_tokens == 2 * sum(suffixes) * LAYERS + 2 * sum(suffixes) * (LAYERS - 1) - narrow
    assert plan.naive_block_tokens == 10 * 2 * length * LAYERS
    assert plan.operations < plan.naive_operations
    assert model.plan(ids, edits, metric, batch_size=2) == plan
    whole = [sonde.Zero(f"blocks.{LAYERS - 1}.resid_post"), sonde.Zero("final_norm"), sonde.Zero("embed")]
    assert (model.plan(ids, whole, metric).replayed, model.plan(ids, whole, metric).plain) == (2, 1)


def test_a_plan_is_printed_with_operations_and_memory(model, metric):
    text = str(model.plan([[3, 1, 0, 4, 7]], [sonde.Zero(site) for site in model.sites("blocks.*.resid_pre").each(pos=range(5))], metric))
    assert "10 cells: 0 can't matter, 10 enter at their block, 0 need a whole forward" in text
    assert "tokens x blocks instead of 100" in text
    assert "operations instead of" in text
    assert "MiB at the fullest" in text


def test_cells_that_rewrite_what_is_there_cost_nothing(model, metric):
    """A patch left of the first token that differs is the unedited forward; the control is the same patch from other tokens."""
    clean, corrupt = [[3, 1, 0, 4, 7]], [[3, 1, 9, 4, 7]]
    source = model.run(clean, read=["blocks.*.resid_pre", "blocks.*.attn.z"])
    edits = [sonde.Patch(site, source) for site in model.sites("blocks.*.resid_pre").each(pos=range(5))]
    sweep = model.sweep(corrupt, edits, metric, verify=True)
    grid = sweep.values.view(LAYERS, 5)
    assert (grid[:, :2] == sweep.base).all()
    assert (grid[:, 2] != sweep.base).all()
    # left of position 2 nothing differs, and entering the first block the later tokens are the same
    assert sweep.plan.skipped == 2 * LAYERS + 2
    other = model.run([[8, 2, 9, 4, 7]], read="blocks.*.resid_pre")
    assert model.plan(corrupt, [sonde.Patch(site, other) for site in model.sites("blocks.*.resid_pre").each(pos=range(2))], metric).skipped == 0
    same = [sonde.Scale("blocks.0.attn.z", 1.0), sonde.Add("blocks.1.attn.z[head=2]", 0.0)]
    assert model.plan(corrupt, [*same, same], metric).skipped == 3
    assert model.plan(corrupt, [sonde.Apply("blocks.0.attn.z", lambda old: old)], metric).skipped == 0  # a function is not called to find out
    # a patch of all positions begins where it first differs
    heads = [sonde.Patch(f"blocks.0.attn.z[head={head}]", source) for head in range(HEADS)]
    assert (
        model.plan(corrupt, heads, metric).block_tokens
        < model.plan(corrupt, [sonde.Patch(e.site, other) for e in heads[:0]] or [sonde.Zero(edit.site) for edit in heads], metric).block_tokens
    )


def test_cells_right_of_what_the_metric_reads_cost_nothing(model):
    ids, metric = [[3, 1, 0, 4, 7]], TokenDifference(3, 5, pos=1)
    edits = [sonde.Zero(site) for site in model.sites("blocks.*.resid_pre").each(pos=range(5))]
    sweep = model.sweep(ids, edits, metric, verify=True)
    assert sweep.plan.skipped == 3 * LAYERS
    assert (sweep.values.view(LAYERS, 5)[:, 2:] == sweep.base).all()
    assert model.plan(ids, edits, whole).skipped == 0  # a metric that does not say what it reads may read anything


def test_only_the_logits_that_a_metric_reads_are_formed(model, monkeypatch):
    """A metric that asks for two tokens sees two rows of the unembedding in every pass; one that takes the logits sees all."""
    seen = []
    edits = [sonde.Zero(f"blocks.{LAYERS - 1}.attn.z[head={head}]") for head in range(HEADS)]
    ids = [[3, 1, 0, 4, 7]]
    two, all_of_them = TokenDifference(3, 5), LogitDifference()
    expected = model.sweep(ids, edits, all_of_them).values
    unembed = model.module.get_submodule(model.architecture.unembed)
    forward = unembed.forward
    monkeypatch.setattr(unembed, "forward", lambda hidden: (seen.append(hidden.shape), forward(hidden))[1])
    values = model.sweep(ids, edits, two, verify=False).values
    formed = len(seen)
    model.sweep(ids, edits, all_of_them, verify=False)
    assert torch.allclose(values, expected, atol=1e-5)
    assert formed == 1 < len(seen) - formed == 1 + len(edits)  # the unedited forward's own; and once more for every cell


def test_an_interrupted_sweep_goes_on(model, ids, tmp_path):
    """What was finished is kept; the values are those of an uninterrupted sweep, bit for bit."""
    metric, edits = TokenDifference(3, 5), [sonde.Zero(f"blocks.{i}.attn.z[head={head}]") for i in range(LAYERS) for head in range(HEADS)]
    expected = model.sweep(ids, edits, metric, batch_size=2, verify=False)

    @dataclasses.dataclass(frozen=True)
    class Interrupted(TokenDifference):
        calls: ClassVar[list] = []

        def __call__(self, run):
            self.calls.append(run)
            if len(self.calls) == 4:
                raise KeyboardInterrupt
            return super().__call__(run)

    folder = tmp_path / "sweep"
    with pytest.raises(KeyboardInterrupt):
        model.sweep(ids, edits, Interrupted(3, 5), batch_size=2, verify=False, folder=folder)
    assert len(list(folder.iterdir())) == 2  # the base and two passes were measured
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.module.modules())
    again = model.sweep(ids, edits, Interrupted(3, 5), batch_size=2, verify=False, folder=folder)
    assert torch.equal(again.values, expected.values)
    assert len(Interrupted.calls) == 4 + 1 + len(edits) - 2
    with pytest.raises(SondeError, match="holds pieces of another job"):
        model.sweep(ids, edits[::-1], Interrupted(3, 5), batch_size=2, folder=folder)
    for unknown in ([sonde.Apply("embed", torch.sin)], metric), (edits, LogitDifference()):
        with pytest.raises(InputError, match="can't be recognised when a sweep is resumed"):
            model.sweep(ids, *unknown, folder=folder)


def test_a_replay_calls_no_block_below_its_entry(model, ids, metric):
    seen = []
    block = model.module.get_submodule(f"{model.architecture.blocks}.0")
    model.sweep(ids, [sonde.Zero("blocks.1.attn.z")], metric, verify=False)
    handle = block.register_forward_pre_hook(lambda *args: seen.append(1))
    model.sweep(ids, [sonde.Zero(f"blocks.1.attn.z[head={head}]") for head in range(HEADS)], metric, verify=False)
    handle.remove()
    assert len(seen) == 1  # the unedited forward


def test_a_wrong_replay_is_caught(model, ids, metric, monkeypatch):
    """The control of the verification, for every kind of shortcut: a replay that is off by a hundredth, and one that skips what matters."""
    fresh, zero = sonde.Model(model.module), sonde.Zero("blocks.1.attn.z")

    def spoilt(*args):
        runs, notes = replay(*args)
        return [Run({}, run.logits * 1.01, run.inputs, run.kernel, (), run.columns) for run in runs], notes

    message = r"the planned sweep gives .* where a plain forward gives .* please report this model family, and use a plain run"
    for edit, kind in (zero, "replayed"), (sonde.Zero("blocks.1.attn.z[pos=2]"), "columns"):
        monkeypatch.setattr(engine, "replay", spoilt)
        with pytest.raises(SondeError, match=message):
            fresh.sweep(ids, [edit], metric)
        fresh.sweep(ids, [edit], metric, verify=False)
        monkeypatch.undo()
        fresh.sweep(ids, [edit], metric)
        assert kind in fresh.verified
        monkeypatch.setattr(engine, "replay", spoilt)
        fresh.sweep(ids, [edit], metric)  # by default once per model
        with pytest.raises(SondeError, match="the planned sweep gives"):
            fresh.sweep(ids, [edit], metric, verify=True)
        monkeypatch.undo()
    monkeypatch.setattr(engine, "changes_from", lambda *args: None)
    with pytest.raises(SondeError, match=message):
        fresh.sweep(ids, [zero], metric)


class Coupled(torch.nn.Module):
    """Its rows depend on one another, so that stacking cells along the batch is wrong."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 3)

    def forward(self, x):
        x = self.layer(x)
        return x - x.mean(0)


def test_stacking_is_verified_too():
    """What was stacked wrongly is computed again, now and in later sweeps, and said; without the check it would go unseen."""
    model, x = sonde.Model(Coupled()), torch.randn(2, 3)
    edits = [sonde.Zero("layer:out"), sonde.Add("layer:out[batch=0]", 5.0)]

    def metric(run):
        return run.logits[:, 0]

    plain = torch.stack([metric(model.run(x, edits=[edit])) for edit in edits])
    assert not torch.allclose(model.sweep(x, edits, metric, verify=False).values, plain)
    for verify in (None, None, False):
        sweep = model.sweep(x, edits, metric, verify=verify)
        assert torch.equal(sweep.values, plain)
        assert any("edits were made one forward at a time: stacked along the batch they gave other values" in note for note in sweep.notes)


def test_a_metric_that_is_nan_in_both_is_no_disagreement(model, ids):
    sweep = model.sweep(ids, [sonde.Zero("blocks.1.attn.z")], lambda run: run.last_logits[:, 0] * torch.nan, verify=True)
    assert sweep.values.isnan().all()


def test_an_edit_between_two_blocks_comes_before_one_on_entering(model, ids, metric):
    """`resid_post` of a block and `resid_pre` of the next are one tensor, and the first is written first, whatever the order in the list."""
    cell = [sonde.Scale("blocks.1.resid_pre", 2.0), sonde.Set("blocks.0.resid_post", torch.linspace(-1, 1, 16))]
    sweep = model.sweep(ids, [cell], metric)
    assert torch.allclose(sweep.values[0], metric(model.run(ids, edits=cell)), atol=1e-5)


def test_hooks_of_the_users_own_are_felt_once(model, ids, metric):
    """Hooks on a block run again in the replay, so the replay must start before them; hooks around the blocks would be missed by it."""
    edits = [sonde.Zero(f"blocks.{i}.attn.z[head={head}]") for i in range(LAYERS) for head in range(2)]
    around = ["", f"{model.architecture.blocks}.1"]
    for path in around:
        module = model.module.get_submodule(path)
        handle = module.register_forward_hook(lambda module, args, output: 2 * output if isinstance(output, torch.Tensor) else None)
        inner = module.register_forward_pre_hook(lambda module, args: (args[0] + 0.3, *args[1:]) if args[0].is_floating_point() else None)
        sweep = model.sweep(ids, edits, metric, verify=False)
        expected = torch.stack([metric(model.run(ids, edits=[edit])) for edit in edits])
        handle.remove()
        inner.remove()
        assert torch.allclose(sweep.values, expected, atol=1e-5)
        assert sweep.plan.replayed == (0 if path == "" else len(edits))


def test_a_sweep_inside_an_edited_model(model, ids, metric):
    outer = [sonde.Add("blocks.1.resid_pre", 0.7), sonde.Scale("blocks.0.mlp.out" if model.architecture.d_mlp else "blocks.0.attn.out", 0.5)]
    for more in ([], [sonde.Add("blocks.1.resid_pre[pos=-1]", 0.5)], [sonde.Scale("logits", 0.1)]):
        edits = [sonde.Zero("blocks.1.attn.z[head=0]"), sonde.Zero("blocks.0.resid_post[pos=2]"), sonde.Zero("final_norm[pos=0]")]
        with model.edited([*outer, *more]):
            sweep = model.sweep(ids, edits, metric, verify=True)
            expected = torch.stack([metric(model.run(ids, edits=[edit])) for edit in edits])
        assert torch.allclose(sweep.values, expected, atol=1e-5)


def test_double_precision_stays_double(model, ids, metric):
    exact = sonde.Model(copy.deepcopy(model.module).double())
    sweep = exact.sweep(ids, [sonde.Zero("blocks.1.attn.z"), sonde.Add("embed", 0.1)], metric, verify=True)
    assert sweep.values.dtype == sweep.base.dtype == torch.float64
    assert torch.allclose(sweep.values[0], metric(exact.run(ids, edits=[sonde.Zero("blocks.1.attn.z")])), atol=1e-12, rtol=0)


def test_half_precision_to_its_own_rounding(model, ids, metric):
    low = sonde.Model(copy.deepcopy(model.module).bfloat16())
    sweep = low.sweep(ids, [sonde.Zero(f"blocks.0.attn.z[head={head}]") for head in range(HEADS)], metric, verify=True)
    assert sweep.values.dtype == torch.bfloat16


def test_a_metric_may_name_the_logits_in_rows_of_different_length(model):
    """A cell that edits the logits needs all positions; the metric's last token is then another column in every row."""
    rows, metric = [[3, 1, 0, 4], [9, 2]], LogitDifference()
    edits = [sonde.Scale("logits[pos=-1]", 3.0), sonde.Zero("blocks.1.attn.z")]
    sweep = model.sweep(rows, edits, metric)
    assert torch.allclose(sweep.values, torch.stack([metric(model.run(rows, edits=[edit])) for edit in edits]), atol=1e-5)


@pytest.mark.parametrize(
    "edits, kwargs, message",
    [
        ([], {}, "a sweep needs at least one edit, and every cell at least one"),
        ([[]], {}, "a sweep needs at least one edit, and every cell at least one"),
        ([sonde.Zero("embed")], {"batch_size": 0}, "batch_size=0: use 'auto' or a number of rows from 1 on"),
        ([sonde.Zero("embed")], {"batch_size": "all"}, "batch_size='all': use 'auto' or a number of rows from 1 on"),
        ([["embed"]], {}, "'embed' is no edit"),
    ],
)
def test_refused(model, ids, metric, edits, kwargs, message):
    with pytest.raises(InputError, match=message):
        model.sweep(ids, edits, metric, **kwargs)


def test_a_metric_gives_one_number_per_example(model, ids):
    for wrong in (lambda run: run.last_logits, lambda run: run.last_logits.mean(), lambda run: [1.0, 2.0]):
        with pytest.raises(InputError, match=r"a metric gives one number per example, here a tensor of shape \(2,\)"):
            model.sweep(ids, [sonde.Zero("embed")], wrong)


def test_a_metric_that_reads_a_site_is_told_that_nothing_was_read(model, ids):
    with pytest.raises(sonde.SondeError, match=r"'embed' was not read in this run: name it in read="):
        model.sweep(ids, [sonde.Zero("embed")], lambda run: run["embed"].sum((1, 2)))


def test_what_was_decided_is_told(model, metric):
    sweep = model.sweep([[1, 2, 3], [4, 5]], [sonde.Zero("blocks.0.attn.pattern[head=0]"), sonde.Set("blocks.1.attn.pattern", 0.5)], metric)
    kinds = ("rows of 2 to 3 tokens, padded", "attention kernel: eager, recorded", "blocks.1.attn.pattern: what was written lets queries see")
    assert len(sweep.notes) == 3
    assert all(note.startswith(kind) for note, kind in zip(sweep.notes, kinds, strict=True))
    assert f"note: {sweep.notes[1]}" in repr(sweep)


def test_edits_may_come_from_a_generator(model, ids, metric):
    assert model.sweep(ids, (sonde.Zero(site) for site in model.sites("blocks.*.attn.z")), metric).values.shape == (LAYERS, 2)
    assert "Sweep of 1 edits on 2 examples" in repr(model.sweep(ids, [sonde.Zero("embed")], metric))


def test_long_rows_are_cut_into_passes_by_memory(model, metric, monkeypatch):
    """The budget counts what a pass takes at its fullest; it is never what decides the values."""
    rows = [list(range(CONTEXT))] * 2
    edits = [sonde.Zero(f"blocks.0.attn.z[head={head}]") for head in range(HEADS)]
    free = model.sweep(rows, edits, metric)
    monkeypatch.setattr(engine, "tokens_within", lambda *args: 4 * CONTEXT)
    tight = model.sweep(rows, edits, metric)
    assert (free.plan.passes, tight.plan.passes) == (1, 2)
    assert torch.allclose(free.values, tight.values, atol=1e-5)


def test_what_does_not_fit_into_memory_is_computed_plainly(model, ids, metric, monkeypatch):
    edits = [sonde.Zero("blocks.1.attn.z"), sonde.Zero("blocks.0.attn.z[pos=2]")]
    free = model.sweep(ids, edits, metric)
    monkeypatch.setattr(engine, "free_bytes", lambda model: 100)
    tight = model.sweep(ids, edits, metric)
    assert (free.plan.plain, tight.plan.plain) == (0, 2)
    assert torch.allclose(free.values, tight.values, atol=1e-5)
    assert any("what entered each block does not fit into memory" in note for note in tight.notes)


def test_a_write_that_changes_nothing_is_made_with_one_that_does(loaded, metric):
    """The first token's pattern is the same whatever the tokens are; the other write begins later."""
    model, ids = loaded["native"], [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    source = model.run([[3, 2, 1], [4, 4, 6], [1, 8, 9]], read="blocks.1.attn.pattern")
    cell = [sonde.Patch("blocks.1.attn.pattern[query=0]", source), sonde.Scale("blocks.0.resid_pre[pos=-2:]", 2.0)]
    sweep = model.sweep(ids, [cell], metric)
    assert torch.allclose(sweep.values[0], metric(model.run(ids, edits=cell)), atol=1e-5)


def test_what_holds_a_place_at_its_own_value_costs_no_columns():
    """Behind another edit it matters; left of that edit there is nothing to hold."""
    model, task = sonde.Model(bare("gpt2").double()), random_pairs(changed=(4,))
    stored, other = (model.run(ids, read=["blocks.*.attn.z", "blocks.0.mlp.out"]) for ids in (task.clean, task.corrupt))
    change, holding = sonde.Patch("blocks.0.mlp.out", other), sonde.Patch("blocks.1.attn.z", stored)
    plan = model.plan(task.clean, [[holding, change]], task.metric)
    assert (plan.block_tokens, plan.naive_block_tokens) == (3 * 3 * LAYERS, 3 * 7 * LAYERS)  # three rows, and of seven columns the last three
    values = model.sweep(task.clean, [[holding, change], change], task.metric, verify=True).values
    assert torch.allclose(values[0], task.metric(model.run(task.clean, edits=[holding, change])), rtol=0, atol=1e-12)
    assert (values[0] - values[1]).abs().min() > 1e-6
