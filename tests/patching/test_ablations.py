"""Noising with every kind of ablation: each cell is one plain forward with what was written worked out by hand."""

import pytest
import torch
from small_models import llama, planted, words
from tiny_families import build
from tiny_models import VOCAB

import sonde
from sonde.bases import Subspace
from sonde.patching import activation_patching, head_sites
from sonde.results import InputError, UnknownSite
from sonde.tasks import Ablation, LogitDifference, Task

KINDS = [
    Ablation("zero"),
    Ablation("mean"),
    Ablation("mean", over="all"),
    Ablation("mean", over="template", groups=(0, 1, 0, 1, 1)),
    Ablation("resample", seed=1),
    Ablation(),
]


def task_for(model, lengths=(6,) * 5, seed=0):
    """Random prompts, so that any model has a task."""
    generator = torch.Generator().manual_seed(seed)
    size = min(VOCAB, model.architecture.d_vocab)
    draw = lambda n: tuple(torch.randint(1, size, (n,), generator=generator).tolist())
    clean, corrupt = tuple(draw(n) for n in lengths), tuple(draw(n) for n in lengths)
    right, wrong = torch.randint(1, size, (2, len(lengths)), generator=generator)
    texts = ("",) * len(lengths)
    one_each = lambda ids: tuple((int(i),) for i in ids)
    spans = {"middle": tuple((n // 2,) for n in lengths)}
    return Task("random", clean, corrupt, one_each(right), one_each(wrong), LogitDifference(right, wrong), texts, texts, spans=spans)


def written_by_hand(ablation, values):
    if ablation.kind == "zero":
        return torch.zeros_like(values)
    if ablation.kind == "resample":
        return values[torch.tensor(Ablation("resample", seed=1).of(torch.arange(5.0)).long().tolist())]
    if ablation.kind == "counterfactual":
        return values
    if ablation.over == "all":
        return values.flatten(0, 1).mean(0).expand_as(values)
    groups = torch.tensor(ablation.groups or (0,) * 5)
    return torch.stack([values[groups == group].mean(0) for group in groups.tolist()])


@pytest.mark.parametrize("family", ["words", "gpt2", "llama"])
@pytest.mark.parametrize("ablation", KINDS, ids=str)
def test_every_kind_is_one_plain_forward(family, ablation):
    model = words() if family == "words" else sonde.Model(build(family))
    task = task_for(model)
    group = "head" if family != "llama" else "kv_head"
    sites = ["blocks.0.mlp.out", "blocks.1.attn.z[head=1]", "blocks.1.resid_pre[pos=2]", f"blocks.0.attn.k[{group}=1, pos=-1]"]
    sites += ["blocks.0.mlp.post[d_mlp=3]", "blocks.1.attn.q[head=0, pos=middle]", "embed"]
    result = activation_patching(model, task, sites, "noising", ablation=ablation)
    for site, values in zip(sites, result.values, strict=True):
        whole = site.split("[")[0]
        replaced = written_by_hand(ablation, model.run(task.corrupt, read=whole)[whole])
        chosen = sonde.access.Site.parse(site)
        index = [slice(None)] * replaced.ndim
        for axis, at in chosen.select:
            place = {"pos": 1, "d_mlp": 2}.get(axis, 2)
            index[place] = at if isinstance(at, int) else slice(3, 4)
        plain = task.metric(model.run(task.clean, edits=[sonde.Set(site, replaced[tuple(index)])], spans=task.spans))
        assert torch.allclose(values, plain, atol=2e-4), site
    assert torch.allclose(result.change, (result.values - result.clean).mean(1))


def test_what_is_the_same_in_both_runs_moves_nothing():
    model = words()
    task = task_for(model)
    same = Task(**{**vars(task), "corrupt": task.clean})
    for direction in ("noising", "denoising"):
        result = activation_patching(model, same, [*head_sites(model), "blocks.1.attn.pattern", "blocks.2.mlp.post"], direction)
        assert torch.equal(result.moved, torch.zeros_like(result.moved))
    # the control: a mean of the same prompts does move
    mean = activation_patching(model, same, head_sites(model), "noising", ablation=Ablation("mean"))
    assert mean.moved.abs().max() > 0.01


@pytest.mark.parametrize("ablation", [Ablation("zero"), Ablation("mean", over="all"), Ablation()], ids=str)
def test_padding_and_batches_change_nothing(ablation):
    """Examples of other lengths beside an example leave its values as they are, and so does the size of the passes."""
    model = words()
    task = task_for(model, lengths=(4, 6, 8))
    sites = ["blocks.1.mlp.out", "blocks.2.attn.z[head=1, pos=-1]", "blocks.0.resid_pre[pos=middle]"]
    whole = activation_patching(model, task, sites, "noising", ablation=ablation)
    one_by_one = activation_patching(model, task, sites, "noising", batch_size=1, ablation=ablation)
    assert torch.allclose(whole.values, one_by_one.values, atol=1e-4)
    backwards = activation_patching(model, task.select([2, 1, 0]), sites, "noising", ablation=ablation)
    assert torch.allclose(backwards.values.flip(1), whole.values, atol=1e-4)
    if ablation.kind != "mean":
        alone = activation_patching(model, task.select([0]), sites, "noising", ablation=ablation)
        assert torch.allclose(alone.values[:, 0], whole.values[:, 0], atol=1e-4)


def test_a_mean_over_all_tokens_leaves_padding_out():
    model = words()
    task = task_for(model, lengths=(4, 6, 8))
    run = model.run(task.corrupt, read="blocks.1.mlp.out")
    mean = run["blocks.1.mlp.out"][run.mask].mean(0)
    plain = task.metric(model.run(task.clean, edits=[sonde.Set("blocks.1.mlp.out", mean)]))
    result = activation_patching(model, task, ["blocks.1.mlp.out"], "noising", ablation=Ablation("mean", over="all"))
    assert torch.allclose(result.values[0], plain, atol=1e-4)


@pytest.mark.parametrize("ablation", [Ablation("mean"), Ablation("resample")], ids=str)
def test_lengths_that_differ_are_refused_where_positions_must_correspond(ablation):
    model = words()
    task = task_for(model, lengths=(4, 6, 8))
    with pytest.raises(InputError, match="have 4 to 8 tokens, so their positions do not correspond: use over='all'"):
        activation_patching(model, task, ["blocks.1.mlp.out"], "noising", ablation=ablation)
    with pytest.raises(InputError, match="so their query positions do not correspond"):
        activation_patching(model, task, ["blocks.1.attn.pattern[head=1]"], "noising", ablation=ablation)
    chosen = activation_patching(model, task, ["blocks.1.mlp.out[pos=-1]", "blocks.1.mlp.out[pos=middle]"], "noising", ablation=ablation)
    assert chosen.values.shape == (2, 3)


def test_coordinates_of_a_basis_are_sites():
    basis = Subspace.random(words().d_model, 3, seed=1)
    model = words().attach("blocks.2.resid_pre", basis, "plane")
    task = task_for(model)
    sites = ["blocks.2.resid_pre.plane", "blocks.2.resid_pre.plane[feature=1, pos=-1]", "blocks.2.resid_pre.plane.error"]
    corrupt = basis.encode(model.run(task.corrupt, read="blocks.2.resid_pre")["blocks.2.resid_pre"])
    for ablation in (Ablation("mean"), Ablation("zero")):
        inside, _, outside = activation_patching(model, task, sites, "noising", ablation=ablation).values
        written = ablation.of(corrupt)
        edit = sonde.access.Apply("blocks.2.resid_pre", lambda x, c=written: x + basis.decode(c - basis.encode(x)))
        assert torch.allclose(inside, task.metric(words().run(task.clean, edits=[edit])), atol=1e-4)
        assert not torch.allclose(inside, outside, atol=1e-2)


def test_means_over_another_task():
    model = words()
    task, larger = task_for(model), task_for(model, lengths=(6,) * 20, seed=5)
    for ablation in (Ablation("mean"), Ablation("mean", over="all")):
        result = activation_patching(model, task, ["blocks.1.mlp.out", "blocks.1.mlp.out[pos=-1]"], "noising", ablation=ablation, partners=larger)
        values = model.run(larger.corrupt, read="blocks.1.mlp.out")["blocks.1.mlp.out"]
        mean = values.mean(0) if ablation.over == "position" else values.mean((0, 1)).expand(6, -1)
        plain = task.metric(model.run(task.clean, edits=[sonde.Set("blocks.1.mlp.out", mean)]))
        assert torch.allclose(result.values[0], plain, atol=1e-4) and result.n_partners == 20 and "20 partners" in result.drawing().note
    longer = task_for(model, lengths=(7,) * 4)
    with pytest.raises(InputError, match="needs one length; 'random' has 6 tokens and 'random' 7: use over='all'"):
        activation_patching(model, task, ["blocks.1.mlp.out"], "noising", ablation=Ablation("mean"), partners=longer)
    assert activation_patching(model, task, ["embed"], "noising", ablation=Ablation("mean", over="all"), partners=longer).n_partners == 4
    for other in (Ablation(), Ablation("zero"), Ablation("resample")):
        with pytest.raises(InputError, match="is not one mean for all examples"):
            activation_patching(model, task, ["embed"], "noising", ablation=other, partners=longer)


def test_the_kind_stays_with_the_numbers(tmp_path):
    model = words()
    task = sonde.tasks.load("agreement", model, n=6)
    result = activation_patching(model, task, ["blocks.1.mlp.out"], "noising", ablation=Ablation("mean", over="template"))
    assert result.ablation.groups == task.frames
    assert "same template" in result.drawing().note and "mean over those of 6 partners" in result.to_frame()["written"][0]
    back = type(result).load(result.save(tmp_path / "patches"))
    assert back.ablation == result.ablation and back.n_partners == 6
    denoising = activation_patching(model, task, ["blocks.1.mlp.out"])
    assert denoising.written == "the clean value" and float(denoising.change) == pytest.approx(float(denoising.moved.mean()))


@pytest.mark.parametrize("ablation", KINDS[1:3] + KINDS[4:], ids=str)
def test_the_planted_heads_are_found_whatever_of_the_partners_is_written(ablation):
    model, truth = planted(0)
    pair = sonde.tasks.counterfactuals("dog lamp river road horse tree lamp", model).best.pair
    task = sonde.tasks.siblings(pair.clean, pair.corrupt, pair.target, pair.foil, model, n=12)
    result = activation_patching(model, task, head_sites(model), "noising", ablation=ablation)
    names = [f"{layer}.{head}" for layer in range(2) for head in range(4)]
    share = dict(zip(names, (result.change / result.gap).tolist(), strict=True))
    found = [share.pop(truth["previous_token"]), share.pop(truth["induction"])]
    assert max(found) < -0.4 and max(map(abs, share.values())) < 0.1


def test_a_module_in_training_mode_is_run_in_evaluation_mode_and_put_back():
    model = sonde.Model(build("gpt2"))
    task = task_for(model)
    expected = activation_patching(model, task, ["blocks.0.mlp.out"], "noising", ablation=Ablation("mean")).values
    model.module.train()
    assert torch.equal(activation_patching(model, task, ["blocks.0.mlp.out"], "noising", ablation=Ablation("mean")).values, expected)
    assert model.module.training


def test_key_value_heads_are_named():
    model = llama()
    assert [str(site) for site in head_sites(model, "k")[:3]] == [
        "blocks.0.attn.k[kv_head=0]",
        "blocks.0.attn.k[kv_head=1]",
        "blocks.1.attn.k[kv_head=0]",
    ]
    assert len(head_sites(model, "q")) == 12 and len(head_sites(model, "result")) == 12
    with pytest.raises(UnknownSite, match="no axis 'head' here; the axes are batch pos kv_head d_head"):
        activation_patching(model, task_for(model), ["blocks.0.attn.v[head=0]"], "noising")


@pytest.mark.parametrize(
    ("sites", "direction", "ablation", "message"),
    [
        (["embed"], "denoising", Ablation("mean"), "has no meaning: use direction='noising'"),
        (["embed"], "noising", Ablation("optimal"), r"has to be learnt: sonde\.patching\.optimal_constant"),
        (
            ["blocks.0.attn.pattern"],
            "noising",
            Ablation("mean", over="all"),
            "needs one value at each position, and the axes here are batch head",
        ),
        (["embed[batch=0]"], "noising", Ablation("mean"), "a selection of rows leaves some out"),
        (["embed"], "noising", Ablation("mean", over="template"), "not known which template"),
    ],
)
def test_what_makes_no_sense_is_refused(sites, direction, ablation, message):
    with pytest.raises(InputError, match=message):
        activation_patching(words(), task_for(words()), sites, direction, ablation=ablation)
