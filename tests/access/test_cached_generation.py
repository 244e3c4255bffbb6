"""A generation with kept keys and values, against whole forwards over the text so far: the same logits under edits at every kind of site."""

import contextlib
import functools

import pytest
import torch
from tiny_families import DECODERS, build
from tiny_models import FAMILIES, NATIVE, VOCAB, bare
from tiny_tokenizer import text, words

import sonde
from sonde.access import Tokenizer
from sonde.access.selection import POSITION_AXES
from sonde.results import EditError, InputError, SiteUnavailable

PROMPTS = [[5, 9, 3], [7, 2], [1, 4, 8, 6, 2]]
NEW = 3
WIDE = torch.linspace(-2, 2, 16)


@contextlib.contextmanager
def logits_seen(module):
    """The logits of every call of the module, at the newest token."""
    seen = []
    handle = module.register_forward_hook(
        lambda module, args, output: seen.append((output if isinstance(output, torch.Tensor) else output.logits)[:, -1])
    )
    yield seen
    handle.remove()


def step_of(place, prompt):
    return max(0, place - prompt + 1)


def whole_forwards(model, prompt, edit, steps, new=NEW):
    """Ids and the logits after each step; the edit is made anew in each forward, at those of its positions whose step is meant."""
    ids, logits = list(prompt), []
    axes = model.locate(edit.site.name).axes
    own = "query" if "query" in axes else "pos"
    for _ in range(new):
        select = dict(edit.site.select)
        for axis in POSITION_AXES:
            if axis in axes and (axis in select or axis == own):
                chosen = select.get(axis, slice(None))
                places = range(len(ids))[chosen] if isinstance(chosen, slice) else [chosen % len(prompt) if chosen < 0 else chosen]
                places = [p for p in places if p < len(ids) and (axis != own or step_of(p, len(prompt)) in steps)]
                select[axis] = places[0] if places and isinstance(chosen, int) else tuple(places)
        made = [type(edit)(sonde.Site(edit.site.name, tuple(select.items())), *EDITS[edit.site.name][1:])] if () not in select.values() else []
        logits.append(model.run([ids], edits=made).logits[0, -1])
        ids.append(logits[-1].argmax().item())
    return ids[len(prompt) :], torch.stack(logits)


# a strong edit of every kind of site
EDITS = {
    "embed": (sonde.Add, WIDE),
    "pos_embed": (sonde.Scale, -1.0),
    "blocks.0.resid_pre": (sonde.Add, WIDE),
    "blocks.0.attn.norm.scale": (sonde.Scale, 0.5),
    "blocks.1.attn.in": (sonde.Add, WIDE),
    "blocks.0.attn.q": (sonde.Scale, -2.0),
    "blocks.0.attn.k": (sonde.Scale, -2.0),
    "blocks.0.attn.v": (sonde.Scale, -2.0),
    "blocks.0.attn.q_rot": (sonde.Scale, -2.0),
    "blocks.1.attn.k_rot": (sonde.Scale, -2.0),
    "blocks.0.attn.scores": (sonde.Scale, -1.5),
    "blocks.1.attn.pattern": (sonde.Scale, 0.2),
    "blocks.0.attn.z": (sonde.Scale, -2.0),
    "blocks.0.attn.result": (sonde.Add, WIDE),
    "blocks.0.resid_mid": (sonde.Add, WIDE),
    "blocks.0.mlp.post": (sonde.Scale, -2.0),
    "blocks.1.mlp.out": (sonde.Scale, -2.0),
    "final_norm": (sonde.Add, WIDE),
    "logits": (sonde.Add, torch.linspace(-2, 2, VOCAB)),
}


EVERY = (*NATIVE, *DECODERS)
# every site in some families, every family at some sites: one of eleven pairs
CASES = [(family, name) for i, family in enumerate(EVERY) for j, name in enumerate(EDITS) if (3 * i + j) % 11 == 0]


@functools.cache
def speaker(family):
    module = bare(family) if family in NATIVE else build(family)
    if hasattr(module, "generation_config"):
        module.generation_config.eos_token_id = None  # no text ends here before the others
    return sonde.Model(module, Tokenizer(words()))


@pytest.fixture(params=CASES, ids="-".join)
def case(request):
    family, name = request.param
    if name not in speaker(family).architecture.sites:
        pytest.skip("no such site in this family")
    return speaker(family), name


def edit_of(model, name, select):
    if "query" in model.architecture.sites[name].axes and "pos" in select:
        select = {"query": select["pos"], "key": 0}
    kind, *values = EDITS[name]
    return kind(sonde.Site(name).at(**select), *values)


def test_every_site_as_in_whole_forwards(case):
    model, name = case
    for select, when, steps in (({}, "prompt", [0]), ({}, "new", [1, 2]), ({"pos": slice(2, None)}, "all", range(NEW)), ({"pos": 1}, [0, 2], [0, 2])):
        edit = edit_of(model, name, select)
        with logits_seen(model.module) as cached:
            written = model.generate(PROMPTS[0], edit, when=when, max_new_tokens=NEW)
        ids, logits = whole_forwards(model, PROMPTS[0], edit, steps)
        assert written == text(ids)
        if name != "logits":  # which are edited after they were seen
            assert torch.allclose(torch.cat(cached), logits, atol=1e-4 * logits.abs().max())


def test_several_prompts_as_each_alone(case):
    """Rows of different length, padded on the left: positions are those of each row."""
    model, name = case
    for select, when in (({}, "all"), ({"pos": (-1, 5)}, "all")):
        edit = edit_of(model, name, select)
        with logits_seen(model.module) as together:
            written = model.generate(PROMPTS, edit, when=when, max_new_tokens=NEW)
        for row, prompt in enumerate(PROMPTS):
            with logits_seen(model.module) as alone:
                assert model.generate(prompt, edit, when=when, max_new_tokens=NEW) == written[row]
            for batch, single in zip(together, alone, strict=True):
                assert torch.allclose(batch[row], single[0], atol=1e-4 * single.abs().max())


def test_rows_may_be_edited_by_themselves():
    model = speaker("llama")
    alone = [model.generate(prompt, max_new_tokens=NEW) for prompt in PROMPTS]
    edit = sonde.Add("blocks.0.resid_post[batch=1]", WIDE)
    steered = model.generate(PROMPTS[1], sonde.Add("blocks.0.resid_post", WIDE), max_new_tokens=NEW)
    assert model.generate(PROMPTS, edit, max_new_tokens=NEW) == [alone[0], steered, alone[2]]
    assert steered != alone[1]
    third = sonde.Scale("blocks.0.attn.z[pos=4]", -2.0)
    together = model.generate(PROMPTS, sonde.PerRow([[], sonde.Add("blocks.0.resid_post", WIDE), third]), max_new_tokens=NEW)
    assert together == [alone[0], steered, model.generate(PROMPTS[2], third, max_new_tokens=NEW)]
    with pytest.raises(InputError, match="there is no row 3; there are 3 prompts"):
        model.generate(PROMPTS, sonde.Zero("embed[batch=3]"), max_new_tokens=NEW)


def test_a_patch_takes_each_row_from_its_own_row():
    model, site = speaker("gpt2"), "blocks.0.resid_post"
    others = [[8, 8, 1], [6, 3], [2, 2, 9, 9, 4]]
    source = model.run(others, read=site)
    for selected in (site, f"{site}[pos=-1]", f"{site}[pos=[0,1]]"):
        written = model.generate(PROMPTS, sonde.Patch(selected, source), when="prompt", max_new_tokens=NEW)
        for row, prompt in enumerate(PROMPTS):
            patch = sonde.Patch(selected, model.run([others[row]], read=site))
            assert model.generate(prompt, patch, when="prompt", max_new_tokens=NEW) == written[row]
            assert written[row] == text(greedy(model, prompt, patch, NEW))


def greedy(model, prompt, patch, new):
    """Whole forwards in which only the prompt's tokens are patched."""
    ids, length = list(prompt), len(prompt)
    index = dict(patch.site.select).get("pos", slice(None))
    places = [length - 1] if index == -1 else list(index) if isinstance(index, tuple) else list(range(length))
    for _ in range(new):
        now = sonde.Patch(sonde.Site(patch.site.name).at(pos=places), patch.source)
        ids.append(model.run([ids], edits=now).last_logits[0].argmax().item())
    return ids[length:]


def test_a_patch_counts_from_the_end_of_its_own_source():
    """As in a run: -1 is the last token of the prompt here, and the last token of the source there."""
    model, site = speaker("native"), "blocks.0.resid_post[pos=-1]"
    longer = model.run([[1, 2, 3, 4, 5, 6]], read="blocks.0.resid_post")
    first = model.run([PROMPTS[0]], edits=sonde.Patch(site, longer)).last_logits.argmax().item()
    assert model.generate(PROMPTS[0], sonde.Patch(site, longer), max_new_tokens=1) == text([first])


def test_a_mean_by_position_fits_no_row_of_another_length():
    """Padding stands on the left: the same table would mean other positions in a shorter row."""
    mean = sonde.Mean("blocks.0.resid_post", torch.zeros(5, 16))
    with pytest.raises(EditError, match=r"a mean of shape \(5, 16\) does not fit"):
        speaker("native").generate(PROMPTS, mean, when="prompt", max_new_tokens=1)


def test_a_row_that_would_never_be_edited_is_named():
    with pytest.raises(SiteUnavailable, match="would never apply in row 1: steps 0 to 2 compute no such position"):
        speaker("native").generate(PROMPTS, sonde.Zero("embed[pos=4]"), max_new_tokens=NEW)


@pytest.mark.parametrize("when", [[], [3], [-1], ["prompt"], [0.5]])
def test_steps_that_are_not_there(when):
    with pytest.raises(InputError, match=r"the steps are 0 \(the prompt\) to 2 \(the token that was written 2th\)"):
        speaker("native").generate([1, 2], sonde.Zero("embed"), when=when, max_new_tokens=NEW)


def test_the_work_is_one_token_a_step():
    for model in map(speaker, FAMILIES):
        lengths = []
        handle = model.block(0).register_forward_pre_hook(lambda module, args, seen=lengths: seen.append(args[0].shape[1]))
        model.generate(PROMPTS[2], max_new_tokens=4)
        handle.remove()
        assert lengths[:1] == [5] and set(lengths[1:]) <= {1}


def test_nothing_is_left_behind():
    for model in map(speaker, FAMILIES):
        before = model.run([PROMPTS[0]]).logits
        model.generate(PROMPTS, sonde.Zero("blocks.0.attn.pattern[head=0]"), max_new_tokens=NEW)
        with pytest.raises(EditError):
            model.generate(PROMPTS, sonde.Scale("blocks.0.resid_post", float("inf")), max_new_tokens=NEW)
        assert torch.equal(model.run([PROMPTS[0]]).logits, before)


@pytest.mark.parametrize("family", ["native", "llama"])
def test_inside_an_edited_module(family):
    """The context's edits and the call's own count the same positions, also of the newest token beside a cache."""
    model, steer, own = speaker(family), sonde.Add("blocks.0.resid_post", WIDE), sonde.Scale("blocks.1.attn.z[head=1]", -2.0)
    expected = model.generate(PROMPTS, [steer, own], max_new_tokens=NEW)
    with model.edited(steer):
        assert model.generate(PROMPTS, own, max_new_tokens=NEW) == expected
    with model.edited(sonde.Add("blocks.0.resid_post[pos=-1]", WIDE)):
        last = model.generate(PROMPTS, max_new_tokens=NEW)
    assert last == [model.generate(p, sonde.Add(f"blocks.0.resid_post[pos={len(p) - 1}:]", WIDE), max_new_tokens=NEW) for p in PROMPTS]


def test_coordinates_of_a_basis_are_steered_while_writing():
    from sonde.bases import Subspace

    model = speaker("gpt2")
    basis = Subspace(torch.linalg.qr(torch.randn(16, 3, generator=torch.Generator().manual_seed(0))).Q)
    attached = model.attach("blocks.0.resid_post", basis, name="plane")
    edit = sonde.Set("blocks.0.resid_post.plane[feature=0]", 3.0)
    ids = list(PROMPTS[0])
    for _ in range(NEW):
        ids.append(attached.run([ids], edits=edit).last_logits[0].argmax().item())
    assert attached.generate(PROMPTS[0], edit, max_new_tokens=NEW) == text(ids[3:])


@pytest.mark.parametrize("family", ["gpt2", "llama", "native-gated"])
def test_noise_is_that_of_whole_forwards(family):
    """It belongs to the tokens, so neither steps nor padding nor company change it."""
    model, noise = speaker(family), sonde.Noise("blocks.0.resid_post", 2.0, seed=1)
    written = model.generate(PROMPTS, noise, max_new_tokens=NEW)
    for row, prompt in enumerate(PROMPTS):
        ids = list(prompt)
        for _ in range(NEW):
            ids.append(model.run([ids], edits=noise).last_logits[0].argmax().item())
        assert written[row] == text(ids[len(prompt) :])
    assert written != model.generate(PROMPTS, max_new_tokens=NEW)
