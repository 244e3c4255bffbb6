"""Every encoder, of texts, images or both, is what its sites say; what is written arrives, and nothing leaks between rows or towers."""

import pytest
import tiny_encoders
import torch
from tiny_encoders import SPECIALS, first_output, inputs

import sonde
from sonde.access.kernels import PORTS
from sonde.results import InputError, SiteUnavailable, UnknownSite

# some thousand forwards: the check of shapes at every call, which other tests make, would take most of the time
pytestmark = pytest.mark.usefixtures("unchecked")


@pytest.fixture(scope="module", params=tiny_encoders.ENCODERS)
def encoder(request, tmp_path_factory):
    """An encoder's name and module, and the same opened from a folder."""
    module, folder = tiny_encoders.build(request.param), tmp_path_factory.mktemp(request.param)
    module.save_pretrained(folder)
    return request.param, module, sonde.load(folder)


@pytest.fixture(scope="module")
def base(encoder):
    """Every site at once, under the recorded kernel."""
    model = encoder[2]
    return model.run(inputs(model), read=list(model.architecture.sites))


def record(model):
    """A site that has a run recorded."""
    return next(name for name, spec in model.architecture.sites.items() if spec.point.port == "scores")


def test_an_unedited_run_is_the_bare_module_bit_for_bit(encoder):
    _, module, model = encoder
    assert type(model.module) is type(module)
    hooked = [name for name, spec in model.architecture.sites.items() if spec.point.port not in PORTS]
    for read in ((), hooked):
        assert torch.equal(model.run(inputs(model), read=read).logits, first_output(module, inputs(model)))


def test_every_equation_holds(encoder, base):
    _, module, model = encoder
    identities = model.prove()
    assert len(identities) >= 17 * len(model.architecture.towers or "1")
    assert all(identity.off < identity.bound / 5 for identity in identities), [str(i) for i in identities if not i.off < i.bound / 5]
    assert torch.allclose(base.logits, first_output(module, inputs(model)), atol=1e-5)  # recording costs rounding only
    for tower in model.architecture.towers or (model.architecture,):
        vouched = {site for identity in identities for site in identity.sites if site.startswith(tower.prefix)}
        assert {f"{tower.prefix}blocks.1.{part}" for part in ("attn.z", "attn.pattern", "attn.v", "attn.out", "mlp.post", "mlp.out")} <= vouched


def test_shapes_follow_the_axes(encoder, base):
    name, _, model = encoder
    for tower in model.architecture.towers or (model.architecture,):
        pos = 7 if tower.images is None else tower.specials + 4
        sizes = {"batch": 3 if tower.prefix == "text." else 2, "pos": pos, "query": pos, "key": pos, "patch": 4, "head": tower.n_heads, "class": 2}
        sizes |= {"vocab": tower.d_vocab, "d_model": tower.d_model, "d_head": tower.d_head, "d_mlp": tower.d_mlp}
        sizes["vocab"] = 2 if name == "bert-tokens" else tower.d_vocab
        for site, spec in tower.sites.items():
            assert base[site].shape == tuple(sizes[axis] for axis in spec.axes), site
    if model.architecture.towers:
        assert base["logits"].shape == (2, 3) and base.axes("logits") == ("batch", "text")


@pytest.mark.parametrize("name", SPECIALS)
def test_positions_are_special_tokens_and_then_patches_row_by_row(name):
    """One patch of the image alone is changed, and the position that is said to be its own alone changes."""
    model = sonde.Model(tiny_encoders.build(name))
    images, specials = inputs(model), SPECIALS[name]
    changed = images.clone()
    changed[:, :, 4:, :4] += 1  # the second row of patches, the first of it: patch 2
    before, after = (model.run(given, read=["embed", "blocks.0.resid_pre"]) for given in (images, changed))
    assert model.architecture.specials == specials
    for site, place, count in (("embed", 2, 4), ("blocks.0.resid_pre", specials + 2, specials + 4)):
        moved = (before[site] != after[site]).any(-1).all(0)
        assert moved.tolist() == [i == place for i in range(count)], site
    patches = model.run(images, read=[f"blocks.0.resid_pre[pos={specials}:]"])
    assert torch.equal(patches[f"blocks.0.resid_pre[pos={specials}:]"], before["blocks.0.resid_pre"][:, specials:])
    assert "patches row by row" in model.architecture.sites["blocks.0.resid_pre"].meaning


def test_the_identity_changes_nothing(encoder, base):
    _, _, model = encoder
    for site in base:
        run = model.run(inputs(model), edits=[sonde.Apply(site, torch.clone), sonde.Set(site, base[site])], read=record(model))
        assert torch.equal(run.logits, base.logits), site


def test_a_large_edit_is_read_back_and_felt(encoder, base):
    """transformer-lens #1688, #1526 and nnsight #468: edits that were accepted and never happened."""
    _, _, model = encoder
    for site in base:
        value = base[site]
        bump = 0.5 + torch.rand(value.shape, generator=torch.Generator().manual_seed(3))
        if site.endswith("scores"):  # what a mask hides stays hidden: CLIP's texts are causal
            bump = torch.where(value < -1e30, value, bump)
        run = model.run(inputs(model), edits=[sonde.Set(site, bump)], read=[site, record(model)])
        assert torch.allclose(run[site], bump, atol=1e-5 if site.endswith("resid_mid") else 0), site
        assert not torch.allclose(run.logits, base.logits, atol=1e-4), f"an edit of {site} does not reach the output"


def metric(run):
    return run.logits.flatten(1)[:, 0] - run.logits.flatten(1)[:, -1]


def test_a_sweep_equals_plain_forwards(encoder):
    _, _, model = encoder
    given = inputs(model)
    prefixes = [tower.prefix for tower in model.architecture.towers] or [""]
    parts = ["blocks.1.resid_pre[pos=2]", "blocks.0.resid_post[pos=-1]", "blocks.1.attn.z[head=1]", "blocks.0.attn.q[head=3]", "blocks.1.mlp.post"]
    edits = [sonde.Zero(prefix + part) for prefix in prefixes for part in parts]
    sweep = model.sweep(given, edits, metric)
    for edit, values in zip(edits, sweep.values, strict=True):
        assert torch.allclose(values, metric(model.run(given, edits=[edit])), atol=1e-5), edit
    assert (sweep.values != sweep.base).any(1).all()


def test_gradients_reach_every_site(encoder, base):
    _, _, model = encoder
    grads = model.grad(inputs(model), of=lambda run: run.logits.flatten(1).pow(2).sum(1), at=list(base))
    for site in base:
        assert grads[site].isfinite().all(), site
        assert grads[site].abs().max() > 0, site


def test_what_a_family_has_not_is_refused_with_a_reason(encoder):
    _, _, model = encoder
    whole = ("pos_embed", "type_embed", "embed.norm.scale", "final_norm", "final_norm.scale", "logits")
    for name, reason in model.architecture.unavailable.items():
        tower, part = next(((p, name[len(p) :]) for p in ("text.", "vision.") if name.startswith(p)), ("", name))
        with pytest.raises(SiteUnavailable) as refusal:
            model.run(inputs(model), read=tower + (part if part in whole else f"blocks.1.{part}"))
        assert reason in str(refusal.value)


TEXTS = [name for name in tiny_encoders.ENCODERS if name.startswith(("bert", "roberta", "distilbert", "t5", "clip-text"))]


@pytest.mark.parametrize("name", TEXTS)
def test_padding_never_shows_in_texts(name):
    """A shorter row of a padded batch is what it is alone, though every token sees every other."""
    model = sonde.Model(tiny_encoders.build(name))
    rows = [[5, 6, 7, 8, 9, 4, 3], [9, 8, 4, 3]]
    reads = ["blocks.0.resid_pre", "blocks.1.attn.z", "blocks.1.mlp.post", "blocks.1.resid_post"]
    together, alone = model.run(rows, read=reads), model.run([rows[1]], read=reads)
    for site in reads:
        assert torch.allclose(together[site][1, :4], alone[site][0], atol=1e-5), site
        assert torch.allclose(together[f"{site}[pos=-1]"][1], alone[site][0, -1], atol=1e-5), site
    if "logits" in model.architecture.sites:
        assert torch.allclose(together.last_logits[1], alone.last_logits[0], atol=1e-5)
    left = {"input_ids": torch.tensor([[0, 0, 0, *rows[1]]]), "attention_mask": torch.tensor([[0, 0, 0, 1, 1, 1, 1]])}
    assert torch.equal(model.run(left, read=reads)["blocks.1.resid_post"], alone["blocks.1.resid_post"])


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_positions_of_a_text_are_not_those_of_an_image(name):
    """A text is shorter than another, and all patches of the images stay where they are."""
    model = sonde.Model(tiny_encoders.build(name))
    whole = inputs(model)
    reads = ["text.blocks.1.resid_post", "vision.blocks.1.resid_post", "vision_model.encoder.layers.1:out"]
    if name == "siglip":
        with pytest.raises(InputError, match="this model reads its last column: give rows of one length, filled up to 12"):
            model.run({"images": whole["pixel_values"], "text": [[5, 6, 3], [5, 3]]})
        return
    given = {"images": whole["pixel_values"], "text": [[5, 6, 7, 8, 9, 10, 3], [9, 3]]}
    run = model.run(given, read=reads)
    alone = model.run({"images": whole["pixel_values"], "text": [[9, 3]]}, read=reads)
    assert torch.allclose(run["text.blocks.1.resid_post[pos=-1]"][1], alone["text.blocks.1.resid_post"][0, 1], atol=1e-5)
    assert torch.allclose(run.logits[:, 1], alone.logits[:, 0], atol=1e-5)
    for site in reads[1:]:
        assert torch.equal(run[f"{site}[pos=-1]"], run[site][:, -1])
        assert torch.equal(run[f"{site}[pos=4]"], run[site][:, 4])  # beyond the end of the second text
    edited = model.run(given, edits=[sonde.Zero("vision.blocks.1.resid_post[pos=0]")], read=reads[1])
    assert (edited[reads[1]][:, 0] == 0).all() and (edited[reads[1]][:, 1:] == run[reads[1]][:, 1:]).all()


def test_the_masked_word_is_read_where_it_stands():
    model = sonde.Model(tiny_encoders.build("bert"))
    ids = inputs(model)
    grads = model.grad(ids, of=lambda run: run.logits[:, 3, 5], at="blocks.0.resid_pre")
    assert (grads["blocks.0.resid_pre"].abs().sum((0, 2)) > 0).all()  # also from what comes later
    sweep = model.sweep(ids, [sonde.Zero("blocks.1.resid_pre[pos=6]")], lambda run: run.logits[:, 3, 5])
    assert (sweep.values[0] != sweep.base).all()


@pytest.mark.parametrize("name", ["bert-body", "vit", "clip"])
def test_what_makes_no_sense_is_refused_in_one_line(name):
    model = sonde.Model(tiny_encoders.build(name))
    with pytest.raises(SiteUnavailable, match="has no unembedding; load the language model around it"):
        model.unembed(torch.zeros(1, 2, 16))
    with pytest.raises(InputError):
        model.generate([1, 2])


def test_names_that_are_no_sites_of_a_tower():
    model = sonde.Model(tiny_encoders.build("clip"))
    for site, said in {
        "blocks.0.attn.z": "nearest: 'text.blocks.0.attn.z', 'vision.blocks.0.attn.z'",
        "text.blocks.7.attn.z": "the blocks are 0 to 1",
        "vision.blocks.9.mlp.gate": "the blocks are 0 to 1",
    }.items():
        with pytest.raises(UnknownSite, match=said):
            model.run(inputs(model), read=site)


def test_the_lens_reads_words_and_no_images():
    with pytest.raises(InputError, match="the logit lens needs a language model"):
        sonde.lens.logit_lens(sonde.Model(tiny_encoders.build("vit")), torch.zeros(1, 3, 8, 8))


def test_the_decoder_of_t5_is_refused_by_name():
    module = tiny_encoders.spread(tiny_encoders.hf.T5ForConditionalGeneration(tiny_encoders.ENCODERS["t5"][1]))
    model = sonde.Model(module)
    with pytest.raises(SiteUnavailable, match=r"sonde has names for T5's encoder alone: load T5EncoderModel\.from_pretrained"):
        model.run([[1, 2]], read="blocks.0.resid_pre")
    given = {"input_ids": torch.tensor([[4, 5, 3]]), "decoder_input_ids": torch.tensor([[0, 4]])}
    run = model.run(given, read="decoder.block.1:out")
    assert torch.equal(run.logits, first_output(module, given))
    assert run["decoder.block.1:out"].shape == (1, 2, 16)


def test_segments_that_a_tokenizer_gives_are_followed():
    """A pair of sentences, in rows padded on the left: the segment of a token is its own wherever it stands."""
    model = sonde.Model(tiny_encoders.build("bert"))
    ids, segments = torch.tensor([[5, 6, 7, 8, 9], [0, 0, 5, 6, 7]]), torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 1, 1]])
    mask = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]])
    run = model.run({"input_ids": ids, "attention_mask": mask, "token_type_ids": segments}, read="type_embed")
    with torch.no_grad():
        whole = model.module(input_ids=ids[:1], token_type_ids=segments[:1]).logits
        part = model.module(input_ids=ids[1:, 2:], token_type_ids=segments[1:, 2:]).logits
    assert torch.allclose(run.logits[:1], whole, atol=1e-5)
    assert torch.allclose(run.logits[1:, :3], part, atol=1e-5)
    assert torch.equal(run["type_embed[pos=-1]"][0], run["type_embed[pos=-1]"][1])
    with pytest.raises(InputError, match="token_type_ids must be a whole number for every token id"):
        model.run({"input_ids": ids, "token_type_ids": segments[:, 1:]})
