"""Path patching: each cell is three plain forwards, the direct path is what direct contributions say, and paths that are not there carry nothing."""

from dataclasses import replace

import pytest
import torch
from small_models import planted, words
from tiny_models import HEADS, LAYERS, bare
from token_pairs import random_pairs

import sonde
from sonde.patching import activation_patching, head_sites, path_patching
from sonde.results import InputError
from sonde.tasks import Ablation, counterfactuals, siblings

EXACT = 1e-12  # of float64, relative to logits of some ten
HEAD = "blocks.0.attn.z[head=1]"


def doubled(family):
    """A tiny model in float64, where equal means equal."""
    return sonde.Model(bare(family).double())


def by_hand(model, task, sender, receivers, frozen, noising=True):
    """Three plain forwards: store, record what the receivers read, write that."""
    base, other = (task.clean, task.corrupt) if noising else (task.corrupt, task.clean)
    stored = model.run(base, read=[site.split("[")[0] for site in frozen] or ["embed"])
    source = model.run(other, read=[sender.split("[")[0]])
    edits = [*(sonde.Patch(site, stored) for site in frozen), sonde.Patch(sender, source)]
    if receivers == ["logits"]:
        return task.metric(model.run(base, edits=edits))
    recorded = model.run(base, read=receivers, edits=edits)
    return task.metric(model.run(base, edits=[sonde.Patch(site, recorded) for site in receivers]))


def heads_but(*free):
    """All heads from the first block of the free ones on, but for those."""
    blocks = range(min(block for block, _ in free), LAYERS)
    others = {i: [h for h in range(HEADS) if (i, h) not in free] for i in blocks}
    return [f"blocks.{i}.attn.z[head=[{','.join(map(str, heads))}]]" for i, heads in others.items()]


def mlps_from(first):
    return [f"blocks.{i}.mlp.out" for i in range(first, LAYERS)]


@pytest.mark.parametrize(
    ("family", "direction"), [("native-gated", "noising"), ("native-attention", "noising"), ("llama", "noising"), ("gpt2", "denoising")]
)
def test_every_cell_is_three_plain_forwards(family, direction):
    model, task = doubled(family), random_pairs()
    has_mlp = "blocks.0.mlp.out" in model.architecture.sites
    kv = "kv_head" if model.architecture.n_kv_heads < HEADS else "head"
    senders = {HEAD: heads_but((0, 1)), "embed[pos=2]": heads_but((0, -1)), "blocks.1.attn.q[head=2, pos=-1]": heads_but((1, 2))}
    if has_mlp:
        senders["blocks.0.mlp.out"] = heads_but((0, -1))
    into = [["logits"], ["blocks.1.attn.q[head=0, pos=[3,5]]", f"blocks.1.attn.v[{kv}=1]"]]
    for receivers in into:
        found = path_patching(model, task, senders, receivers, "heads", direction=direction)
        for i, (sender, frozen) in enumerate(senders.items()):
            plain = by_hand(model, task, sender, receivers, frozen, direction == "noising")
            assert torch.allclose(found.patches.values[i], plain, rtol=0, atol=EXACT), (sender, receivers)
    if has_mlp:
        found = path_patching(model, task, [HEAD, "blocks.0.mlp.out"], ["blocks.1.mlp.in"], "heads+mlps", direction=direction)
        plain = by_hand(model, task, HEAD, ["blocks.1.mlp.in"], [*heads_but((0, 1)), *mlps_from(0)], direction == "noising")
        assert torch.allclose(found.patches.values[0], plain, rtol=0, atol=EXACT)
        plain = by_hand(model, task, "blocks.0.mlp.out", ["blocks.1.mlp.in"], [*heads_but((0, -1)), *mlps_from(1)], direction == "noising")
        assert torch.allclose(found.patches.values[1], plain, rtol=0, atol=EXACT)


def test_rows_of_different_length():
    model, task = doubled("gpt2"), random_pairs(ragged=True)
    for receivers in (["logits"], ["blocks.1.attn.v[head=0]"], ["blocks.1.mlp.in[pos=-1]"]):
        found = path_patching(model, task, [HEAD, "blocks.0.mlp.out[pos=-2]"], receivers)
        for i in range(3):
            alone = path_patching(model, task.select([i]), [HEAD, "blocks.0.mlp.out[pos=-2]"], receivers)
            assert torch.allclose(found.patches.values[:, i : i + 1], alone.patches.values, rtol=0, atol=EXACT)


@pytest.mark.parametrize("family", ["native-gated", "gpt2", "llama"])
def test_with_everything_frozen_it_is_the_difference_of_direct_contributions(family):
    """And with a living norm it is not: the default."""
    model, task = doubled(family), random_pairs()
    task = task.with_metric(sonde.tasks.LogitDifference(task.targets, foils=task.foils))
    parts = {f"head {i}.{h}": f"blocks.{i}.attn.z[head={h}]" for i in range(LAYERS) for h in range(HEADS)}
    parts |= {f"MLP {i}": f"blocks.{i}.mlp.out" for i in range(LAYERS)}
    scale = [sonde.Detach("final_norm.scale")]

    def direct(ids, clean):
        """Each part's output times the slope of the logits, the final norm's scale held at the clean run's."""
        grads = model.grad(clean, of=task.metric, at=list(dict.fromkeys(site.split("[")[0] for site in parts.values())), edits=[*scale, *inputs])
        outputs = model.run(ids, read=[site.split("[")[0] for site in parts.values()])
        return torch.stack([(outputs[site] * grads[site]).flatten(1).sum(1) for site in parts.values()])

    inputs = [sonde.Detach(f"blocks.{i}.{branch}.in") for i in range(LAYERS) for branch in ("attn", "mlp")]
    expected = direct(task.corrupt, task.clean) - direct(task.clean, task.clean)
    frozen = path_patching(model, task, parts.values(), "logits", "heads+mlps", norm="frozen")
    bound = 1e-5 if family == "llama" else 1e-11  # transformers' RMSNorm computes in float32
    assert torch.allclose(frozen.scores, expected, rtol=0, atol=bound) and frozen.norm == "frozen"
    live = path_patching(model, task, parts.values(), "logits", "heads+mlps")
    assert live.norm == "live" and (live.scores - expected).abs().max() > 1e-3


def test_paths_add_up_where_nothing_is_between():
    """Of the last MLP the direct effect is the whole effect, frozen or not."""
    model, task = doubled("gpt2"), random_pairs()
    last = f"blocks.{LAYERS - 1}.mlp.out"
    whole = activation_patching(model, task, [last], "noising").values
    for frozen in ("none", "heads", "heads+mlps"):
        assert torch.allclose(path_patching(model, task, [last], "logits", frozen).patches.values, whole, rtol=0, atol=EXACT)


def test_without_freezing_paths_into_the_logits_are_the_total_effect():
    model, task = doubled("llama"), random_pairs()
    sites = [HEAD, "blocks.1.resid_pre[pos=3]", ["blocks.0.mlp.out", "blocks.1.attn.z[head=0]"]]
    whole = activation_patching(model, task, sites, "denoising").values
    paths = path_patching(model, task, sites, "logits", "none", direction="denoising")
    assert torch.allclose(paths.patches.values, whole, rtol=0, atol=EXACT)


def test_a_list_freezes_exactly_that():
    model, task = doubled("native"), random_pairs()
    frozen = ["blocks.0.mlp.out", "blocks.1.attn.z[head=[0,3]]"]
    found = path_patching(model, task, [HEAD], "logits", frozen)
    assert torch.allclose(found.patches.values[0], by_hand(model, task, HEAD, ["logits"], frozen), rtol=0, atol=EXACT)
    globbed = path_patching(model, task, [HEAD], "logits", ["blocks.*.mlp.out"])
    assert torch.allclose(globbed.patches.values[0], by_hand(model, task, HEAD, ["logits"], mlps_from(0)), rtol=0, atol=EXACT)


def test_heads_frozen_at_one_position_let_the_change_through_elsewhere():
    """The pitfall: a later head that reads the sender at another place is no longer blocked."""
    model, truth = planted(0)
    task = siblings_of(model)
    layer, head = truth["previous_token"].split(".")
    sender = [f"blocks.{layer}.attn.z[head={head}]"]
    blocked, leaking = (path_patching(model, task, sender, "logits", "heads", positions=pos).effect for pos in (None, 3))
    assert abs(float(blocked)) < 1e-4 and float(leaking) > 0.8
    assert path_patching(model, task, sender, "logits", positions=3).positions == "3"


def siblings_of(model, n=8):
    pair = counterfactuals("dog lamp river road horse tree lamp", model).best.pair
    return siblings(pair.clean, pair.corrupt, pair.target, pair.foil, model, n=n)


@pytest.mark.parametrize("seed", range(2))
def test_the_planted_path_and_only_it_carries_the_answer(seed):
    """The note of the word before reaches the copying head through its keys, and nothing else."""
    model, truth = planted(seed)
    task = siblings_of(model)
    (layer, head), (later, copying) = truth["previous_token"].split("."), truth["induction"].split(".")
    sender = f"blocks.{layer}.attn.z[head={head}]"
    names = [str(site) for site in head_sites(model)]
    for part, least, most in (("k", 0.8, 1.1), ("q", -0.1, 0.1), ("v", -0.1, 0.1)):
        effect = dict(zip(names, path_patching(model, task, names, f"blocks.{later}.attn.{part}[head={copying}]").effect.tolist(), strict=True))
        assert least < effect.pop(sender) < most
        assert max(map(abs, effect.values())) < 0.1
    others = [f"blocks.{later}.attn.k[head={h}]" for h in range(4) if h != int(copying)]
    assert abs(float(path_patching(model, task, [sender], others).effect)) < 0.1
    assert abs(float(path_patching(model, task, [sender], "logits").effect)) < 0.1


def test_the_claim_of_a_path_holds_on_other_prompts_and_not_where_there_is_none():
    model, truth = planted(0)
    search, evaluate = siblings_of(model, 16).split(0)
    (layer, head), (later, copying) = truth["previous_token"].split("."), truth["induction"].split(".")
    told = path_patching(model, search, head_sites(model), f"blocks.{later}.attn.k[head={copying}]")
    assert [told.senders[i] for i in told.found] == [f"blocks.{layer}.attn.z[head={head}]"]
    (verdict,) = told.check(model, evaluate)
    assert verdict.holds and verdict.measured > 0.8 and verdict.claim.startswith(f"Head {layer}.{head} carries") and verdict.n == 8
    (silent,) = path_patching(model, search, head_sites(model), f"blocks.{later}.attn.q[head={copying}]").check(model, evaluate)
    assert silent.holds is None and "no sender moves a tenth" in silent.reason
    wrong = replace(told, patches=replace(told.patches, values=told.patches.values.flip(0)))
    assert not wrong.check(model, evaluate)[0].holds


def test_kinds_of_ablation():
    model, task = doubled("gpt2"), random_pairs()
    run = model.run(task.corrupt, read="blocks.0.attn.z")
    stored = model.run(task.clean, read="blocks.*.attn.z")
    for ablation in (Ablation("zero"), Ablation("mean"), Ablation("resample", seed=1), Ablation("mean", over="all")):
        found = path_patching(model, task, [HEAD], "logits", ablation=ablation)
        value = ablation.of(run[HEAD], run.mask)
        edits = [*(sonde.Patch(site, stored) for site in heads_but((0, 1))), sonde.Set(HEAD, value)]
        assert torch.allclose(found.patches.values[0], task.metric(model.run(task.clean, edits=edits)), rtol=0, atol=EXACT)
        assert found.patches.written == ablation.told(3)


def test_coordinates_of_a_basis():
    model, task = doubled("native"), random_pairs()
    plane = sonde.bases.Subspace(torch.linalg.qr(torch.randn(16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))[0])
    model = model.attach("blocks.0.mlp.out", plane, name="plane")
    found = path_patching(model, task, ["blocks.0.mlp.out.plane", "blocks.0.mlp.out", "blocks.0.mlp.out.plane[feature=3]"], "logits", "heads+mlps")
    assert torch.allclose(found.patches.values[0], found.patches.values[1], rtol=0, atol=1e-11)
    assert (found.scores[2] - found.scores[1]).abs().max() > 1e-4


def test_what_is_the_same_in_both_prompts_has_no_effect():
    model, task = doubled("gpt2"), random_pairs(changed=(4,))
    found = path_patching(model, task, ["pos_embed", "blocks.0.attn.z[pos=2]", HEAD], ["blocks.1.attn.k[head=0]"])
    assert torch.equal(found.scores[:2], torch.zeros(2, 3, dtype=torch.float64)) and found.scores[2].abs().min() > 0


def test_senders_share_forwards():
    """Three forwards for the runs and the base, one for all that is recorded, and passes of a sweep: not two for each sender."""
    model, task = sonde.Model(bare("gpt2")), random_pairs()
    head_sites(model)
    model.sweep(task.clean, [sonde.Zero("blocks.0.mlp.out")], task.metric)  # what a first use proves is proved
    calls = []
    handle = model.module.register_forward_hook(lambda *_: calls.append(1))
    senders = [*head_sites(model), "blocks.0.mlp.out"]
    path_patching(model, task, senders, ["blocks.1.attn.q[head=0]"])
    handle.remove()
    assert len(calls) <= 6 < len(senders)


def test_tables_drawings_and_files(tmp_path):
    task = sonde.tasks.load("ioi", words(), n=4)
    found = path_patching(words(), task, head_sites(words()))
    assert found.drawing().kind == "bars" and "the logits" in found.drawing().title
    assert found.to_frame().columns[0] == "sender" and found.to_frame().height == 16 * 4 and set(found.to_frame()["receivers"]) == {"logits"}
    back = type(found).load(found.save(tmp_path / "paths"))
    assert torch.equal(back.effect, found.effect) and (back.frozen, back.norm) == (["heads"], "live")
    assert torch.allclose(found.scores.mean(1) / -found.patches.gap, found.effect, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"senders": []}, "nothing to patch"),
        ({"receivers": []}, "the change can arrive nowhere"),
        ({"receivers": ["logits", "blocks.1.attn.q[head=0]"]}, "'logits' holds what the other receivers do"),
        ({"receivers": ["blocks.1.resid_pre", "blocks.0.mlp.in"]}, "'blocks.1.resid_pre' holds what the other"),
        ({"senders": ["blocks.2.mlp.out"], "receivers": ["blocks.1.mlp.in"]}, "no sender comes before a receiver"),
        ({"senders": ["blocks.1.mlp.out"], "receivers": ["blocks.1.attn.q[head=0]"]}, "no sender comes before a receiver"),
        ({"frozen": "mlps"}, "frozen='mlps': use 'none', 'heads', 'heads.mlps'"),
        ({"norm": "folded"}, "norm='folded'"),
        ({"direction": "up"}, "direction='up'"),
        ({"direction": "denoising", "ablation": Ablation("zero")}, "denoising writes the clean value"),
        ({"ablation": Ablation("optimal")}, "optimal"),
        ({"senders": ["blocks.9.mlp.out"]}, "blocks.9.mlp.out"),
        ({"senders": ["blocks.1.mlp.down:out"]}, "give frozen= the sites to be held"),
        ({"frozen": ["blocks.*.mlp.uot"]}, "blocks.\\*.mlp.uot"),
    ],
)
def test_refusals(arguments, message):
    given = {"senders": ["blocks.1.mlp.out"], "receivers": "logits"} | arguments
    with pytest.raises(sonde.results.SondeError, match=message):
        path_patching(words(), sonde.tasks.load("agreement", words(), n=2), **given)


def test_modules_without_heads_name_what_is_frozen():
    """Freezing the heads of a model that has none would freeze nothing."""
    torch.manual_seed(0)
    layers = torch.nn.Sequential(torch.nn.Embedding(40, 8), torch.nn.Linear(8, 8), torch.nn.Tanh(), torch.nn.Linear(8, 40)).double()
    model, task = sonde.Model(layers), random_pairs()
    inputs = [torch.tensor(rows) for rows in (task.clean, task.corrupt)]
    task = type(task)(**{**vars(task), "clean": inputs[0], "corrupt": inputs[1], "metric": lambda run: run.logits[:, 4, 3]})
    with pytest.raises(sonde.results.SiteUnavailable, match="has no stack of blocks whose heads sonde knows: give frozen="):
        path_patching(model, task, ["0:out"], "3:in")
    found = path_patching(model, task, ["0:out"], "3:in", ["2:out"])
    assert not found.scores.any() and path_patching(model, task, ["0:out"], "3:in", "none").scores.any()


def test_a_gap_of_nothing_is_refused():
    task = random_pairs()
    flat = type(task)(**{**vars(task), "corrupt": task.clean})
    with pytest.raises(InputError, match="the metric is the same in both runs"):
        _ = path_patching(sonde.Model(bare("gpt2")), flat, [HEAD]).effect
