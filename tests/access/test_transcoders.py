"""Features that are read at one site and written at another: the neurons of an MLP are the transcoder whose every number is known."""

import pytest
import torch
from tiny_models import LogitDifference, spread

import sonde
from sonde.access import Graph
from sonde.dictionaries import Dictionary, Part
from sonde.nn.transformer import Transformer, TransformerConfig
from sonde.results import EditError, InputError, SiteUnavailable

READ, WRITE = "blocks.1.mlp.in", "blocks.1.mlp.out"
FEATURES, ERROR, NEURONS = f"{WRITE}.tc", f"{WRITE}.tc.error", "blocks.1.mlp.post"
WIDTH, HIDDEN = 16, 24
METRIC = LogitDifference()


@pytest.fixture(scope="module")
def model():
    config = TransformerConfig(n_layers=2, d_model=WIDTH, n_heads=4, d_vocab=40, n_ctx=12, d_mlp=HIDDEN, activation="relu")
    return sonde.Model(spread(Transformer(config)))


def of_neurons(model, read=READ, write=WRITE, **changes):
    """The transcoder that is the MLP itself."""
    block = model.module.blocks[1].mlp
    into, out = (layer for layer in block.modules() if isinstance(layer, torch.nn.Linear))
    weights = [tensor.detach().clone() for tensor in (into.weight, into.bias, out.weight.T, out.bias)]
    return Dictionary(*weights, reads=(Part(read, WIDTH),), writes=(Part(write, WIDTH),), **changes)


@pytest.fixture(scope="module")
def attached(model):
    return model.attach(WRITE, of_neurons(model), "tc")


@pytest.fixture
def ids():
    return torch.randint(1, 40, (2, 7), generator=torch.Generator().manual_seed(1))


def test_its_features_are_the_neurons_and_nothing_is_left_out(model, attached, ids):
    run = attached.run(ids, read=[FEATURES, ERROR, NEURONS])
    assert torch.equal(run.logits, model.run(ids).logits)
    assert torch.allclose(run[FEATURES], run[NEURONS], atol=1e-5)
    assert run[ERROR].abs().max() < 1e-5 < 1e-2 < run[FEATURES].abs().max()
    wrong = model.attach(WRITE, of_neurons(model), "tc", reads=WRITE).run(ids, read=FEATURES)
    assert not torch.allclose(wrong[FEATURES], run[NEURONS], atol=1e-2)  # the control: encoding what is written is something else


@pytest.mark.parametrize("edit", [sonde.Zero, lambda s: sonde.Set(s, 3.0), lambda s: sonde.Add(s, -1.0), lambda s: sonde.Scale(s, 2.0)])
def test_an_edit_of_a_feature_is_that_of_its_neuron(attached, ids, edit):
    for place in ("", ", pos=-1", ", pos=1:3"):
        run = attached.run(ids, edits=edit(f"{FEATURES}[feature=5{place}]"), read=[FEATURES, ERROR, WRITE])
        truth = attached.run(ids, edits=edit(f"{NEURONS}[d_mlp=5{place}]"), read=[NEURONS, WRITE])
        assert torch.allclose(run.logits, truth.logits, atol=1e-5)
        assert torch.allclose(run[WRITE], truth[WRITE], atol=1e-5)
        assert torch.allclose(run[FEATURES], truth[NEURONS], atol=1e-5)  # reads see what was written
        assert run[ERROR].abs().max() < 1e-5


def test_an_edit_of_what_is_read_moves_the_features(attached, ids):
    moved = attached.run(ids, edits=sonde.Zero("blocks.0.attn.out"), read=[FEATURES, NEURONS])
    assert torch.allclose(moved[FEATURES], moved[NEURONS], atol=1e-5)
    assert not torch.allclose(moved[FEATURES], attached.run(ids, read=FEATURES)[FEATURES], atol=1e-2)
    both = [sonde.Zero(READ), sonde.Add(f"{FEATURES}[feature=2]", 1.0)]
    truth = attached.run(ids, edits=[sonde.Zero(READ), sonde.Add(f"{NEURONS}[d_mlp=2]", 1.0)])
    assert torch.allclose(attached.run(ids, edits=both).logits, truth.logits, atol=1e-5)


def test_the_error_stays_and_may_be_written(model, ids):
    half = of_neurons(model)
    half = Dictionary(half.encoder[:12], half.encoder_bias[:12], half.decoder[:12], half.decoder_bias, reads=half.reads, writes=half.writes)
    m = model.attach(WRITE, half, "tc")
    base = m.run(ids, read=[FEATURES, ERROR, WRITE])
    assert torch.allclose(half.decode(base[FEATURES]) + base[ERROR], base[WRITE], atol=1e-5)
    run = m.run(ids, edits=[sonde.Add(f"{FEATURES}[feature=3]", 2.0), sonde.Zero(ERROR)], read=[FEATURES, ERROR, WRITE])
    new = base[FEATURES].clone()
    new[..., 3] += 2
    assert torch.allclose(run[WRITE], half.decode(new), atol=1e-5) and (run[ERROR] == 0).all()


def test_a_skip_connection_is_no_error(model, ids):
    skip = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(3))
    m = model.attach(WRITE, of_neurons(model, skip=skip), "tc")
    run = m.run(ids, read=[READ, ERROR])
    assert torch.allclose(run[ERROR], -run[READ] @ skip.T, atol=1e-4)  # the MLP has no such connection


def test_written_features_are_read_after_another_basis_wrote_there(attached, ids):
    m = attached.attach(WRITE, sonde.bases.Subspace.random(WIDTH, 2), "plane")
    edits = [sonde.Set(f"{FEATURES}[feature=1]", 2.0), sonde.Zero(f"{WRITE}.plane")]
    run = m.run(ids, edits=edits, read=[FEATURES, ERROR, WRITE])
    assert (run[FEATURES][..., 1] == 2).all()
    told = m.bases[FEATURES].decode(run[FEATURES]) + run[ERROR]
    assert torch.allclose(told, run[WRITE], atol=1e-5)


def test_gradients_are_those_of_the_neurons(attached, ids):
    grads = attached.grad(ids, METRIC, at=[FEATURES, ERROR])
    truth = attached.grad(ids, METRIC, at=[NEURONS, WRITE])
    assert torch.allclose(grads[FEATURES], truth[NEURONS], rtol=1e-4, atol=1e-5)
    assert torch.allclose(grads[ERROR], truth[WRITE], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("read", [READ, "blocks.0.mlp.in", "blocks.1.attn.in"])
def test_sweeps_equal_plain_forwards(model, ids, read):
    m = model.attach(WRITE, of_neurons(model, read=read), "tc")
    cells = [sonde.Set(f"{FEATURES}[feature={i}, pos={p}]", 1.0) for i in range(3) for p in (0, -1)] + [sonde.Zero("blocks.1.attn.out")]
    sweep = m.sweep(ids, cells, METRIC, verify=True)
    for cell, values in zip(cells, sweep.values, strict=True):
        assert torch.allclose(values, METRIC(m.run(ids, edits=cell)), rtol=1e-5, atol=1e-5)


def test_the_module_itself_and_generation_with_a_cache(attached, ids):
    feature, neuron = sonde.Set(f"{FEATURES}[feature=5]", 4.0), sonde.Set(f"{NEURONS}[d_mlp=5]", 4.0)
    with attached.edited([feature]), torch.no_grad():
        first, second = (attached.module(one) for one in (ids, ids - 1))
    assert torch.allclose(first, attached.run(ids, edits=neuron).logits, atol=1e-5)
    assert torch.allclose(second, attached.run(ids - 1, edits=neuron).logits, atol=1e-5)
    words = sonde.load("specimen:words")
    weights = [torch.randn(*shape, generator=torch.Generator().manual_seed(0)) for shape in ((8, 128), (8,), (8, 128), (128,))]
    site = "blocks.1.mlp.out"
    width = words.d_model
    tc = Dictionary(*(w[..., :width] for w in weights), reads=(Part("blocks.1.mlp.in", width),), writes=(Part(site, width),))
    m = words.attach(site, tc, "tc")
    edit = sonde.Set(f"{site}.tc[feature=2]", 5.0)
    text = m.generate("The keys", edits=edit, max_new_tokens=4)
    whole, prompt = "The keys", m.prepare("The keys").ids
    for _ in range(4):  # without a cache, one whole forward for each token
        logits = m.run(prompt, edits=edit, logits="last").last_logits
        prompt = torch.cat([prompt, logits.argmax(-1, keepdim=True)], 1)
    assert whole + text == words.tokenizer.decode(prompt[0].tolist())


def test_a_crosscoder_is_attached_one_site_at_a_time(model, ids):
    sites = ["blocks.0.resid_post", "blocks.1.resid_post"]
    generator = torch.Generator().manual_seed(5)
    encoder, decoder, bias = (torch.randn(shape, generator=generator) for shape in ((6, 32), (6, 32), (32,)))
    parts = tuple(Part(site, WIDTH) for site in sites)
    both = Dictionary(encoder, torch.zeros(6), decoder, bias, reads=parts, writes=parts, centred=True)
    with pytest.raises(SiteUnavailable, match="has 16 entries along d_model"):
        model.attach(sites[1], both, "cc")
    with pytest.raises(SiteUnavailable, match=r"writes 2 sites at once.*writing"):
        model.attach(sites[1], both, "cc", reads=sites)
    with pytest.raises(InputError, match=r"writes 'blocks\.0\.resid_post', 'blocks\.1\.resid_post'"):
        both.writing("blocks.9.resid_post")
    m = model.attach(sites[1], both.writing(sites[1]), "cc")
    run = m.run(ids, read=[*sites, f"{sites[1]}.cc"])
    x = torch.cat([run[site] for site in sites], -1)
    assert torch.allclose(run[f"{sites[1]}.cc"], both.encode(x), atol=1e-4)
    edited = m.run(ids, edits=sonde.Add(f"{sites[1]}.cc[feature=2]", 1.5), read=[sites[1], f"{sites[1]}.cc"])
    assert torch.allclose(edited[sites[1]], run[sites[1]] + 1.5 * decoder[2, WIDTH:], atol=1e-5)
    assert torch.allclose(edited[f"{sites[1]}.cc"][..., 2], run[f"{sites[1]}.cc"][..., 2] + 1.5, atol=1e-5)
    with pytest.raises(SiteUnavailable, match="attach a basis where it writes, after all that it reads"):
        model.attach(sites[0], both.writing(sites[0]), "cc")


def test_what_would_be_a_wrong_number_is_refused(model, attached, ids):
    nameless = of_neurons(model, read="")
    with pytest.raises(InputError, match="say which site with reads="):
        model.attach(WRITE, nameless, "tc")
    assert model.attach(WRITE, nameless, "tc", reads=READ).run(ids, read=FEATURES)[FEATURES].shape == (2, 7, HIDDEN)
    with pytest.raises(SiteUnavailable, match="after all that it reads"):
        model.attach(READ, of_neurons(model), "tc", reads=WRITE)
    with pytest.raises(SiteUnavailable, match="has 24 entries, and the basis writes 16"):
        model.attach(NEURONS, of_neurons(model), "tc")
    with pytest.raises(InputError, match="not coordinates"):
        attached.attach("blocks.1.resid_post", of_neurons(model), "again", reads=FEATURES)
    for edit in (sonde.Clamp(WRITE, 1.0, basis=nameless), sonde.Project(WRITE, nameless, "keep")):
        with pytest.raises(EditError, match="reads something else than what it writes"):
            model.run(ids, edits=edit)
    with pytest.raises(InputError, match="are features of what another site holds"):
        Graph.of(attached, features=["tc"])
    wide = model.attach(WRITE, of_neurons(model), "tc", reads=["blocks.1.attn.in", READ])
    with pytest.raises(SiteUnavailable, match=r"reads 16 entries for each of \(2, 7\) places"):
        wide.run(ids, read=FEATURES)


def test_a_dictionary_of_an_mlps_output_divides_its_node(model, ids):
    generator = torch.Generator().manual_seed(6)
    encoder, decoder, bias = (torch.randn(shape, generator=generator) for shape in ((6, WIDTH), (6, WIDTH), (WIDTH,)))
    m = model.attach(WRITE, Dictionary(encoder, torch.zeros(6), decoder, bias, "topk", k=2), "sae")
    graph = Graph.of(m, features=["sae"])
    from sonde.access.edges import outputs

    made = outputs(m, graph, ids)
    own = [i for i, name in enumerate(graph.sources) if name.startswith(f"{WRITE}.sae")]
    assert len(own) == 7  # six features and the error
    assert torch.allclose(made.values[own].sum(0), m.run(ids, read=WRITE)[WRITE], atol=1e-4)
