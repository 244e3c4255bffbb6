"""What must not matter does not: a row's company in its batch, its place there, its padding, the order and the number of the sites that are read.

Every property is drawn over families, sites and rows. Two runs under one kernel whose matrices have the same shapes are equal bit for bit; rows in
other company are multiplied in matrices of other shapes, whose sums have another order.
"""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from small_models import llama, words
from subjects import DECODER_SUBJECTS, subject_model
from tiny_models import VOCAB

import sonde
from sonde.access.kernels import PORTS

pytestmark = pytest.mark.usefixtures("unchecked")

ROUNDING = {"atol": 2e-5, "rtol": 2e-5}
families = st.sampled_from([*DECODER_SUBJECTS, "bert", "bert-body", "roberta", "distilbert", "t5", "t5-gated"])
row = st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=8)
rows = st.lists(row, min_size=2, max_size=4)
numbers = st.integers(0, 2**20)
few = settings(max_examples=25)


def moved(old):
    """Another value that no norm is blind to: a constant added to every entry is what a LayerNorm takes away."""
    return old + torch.linspace(-1, 1, old.shape[-1])


def hooked(model):
    """The sites that are read without a change of kernel."""
    return [name for name, spec in model.architecture.sites.items() if spec.point.port not in PORTS]


def some_sites(model, draw):
    """A few sites that hold one value per position, without a change of kernel."""
    names = [name for name in hooked(model) if "pos" in model.architecture.sites[name].axes]
    return [names[(draw * 7 + step) % len(names)] for step in (0, 5, 11)]


@few
@given(families, rows, numbers)
def test_the_company_of_a_row_does_not_matter(family, rows, draw):
    model = subject_model(family)
    names = some_sites(model, draw)
    together = model.run(rows, read=names)
    for i, row in enumerate(rows):
        alone = model.run([row], read=names)
        assert torch.allclose(together.logits[i, : len(row)], alone.logits[0], **ROUNDING)
        assert torch.allclose(together.last_logits[i], alone.last_logits[0], **ROUNDING)
        for name in names:
            if together[name].shape[0] == len(rows):
                assert torch.allclose(together[name][i, : len(row)], alone[name][0], **ROUNDING), name


@few
@given(families, rows, numbers, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(family, rows, draw, random):
    model = subject_model(family)
    names = some_sites(model, draw)
    order = random.sample(range(len(rows)), len(rows))
    first, second = model.run(rows, read=names), model.run([rows[i] for i in order], read=names)
    for i, row in zip(order, range(len(rows)), strict=True):
        length = len(rows[i])
        assert torch.allclose(first.logits[i, :length], second.logits[row, :length], **ROUNDING)
        for name in names:
            assert torch.allclose(first[name][i, :length], second[name][row, :length], **ROUNDING), name


@few
@given(families, rows, st.sampled_from(["left", "right"]), st.integers(0, 3), st.integers(0, VOCAB - 1))
def test_a_users_own_padding_does_not_matter(family, rows, side, extra, pad):
    """transformer-lens #911: masks of padded batches; here also more padding than any row needs, and any token under it."""
    model = subject_model(family)
    width = max(map(len, rows)) + extra
    ids, mask = torch.full((len(rows), width), pad), torch.zeros(len(rows), width, dtype=torch.long)
    for i, row in enumerate(rows):
        place = slice(width - len(row), width) if side == "left" else slice(0, len(row))
        ids[i, place], mask[i, place] = torch.tensor(row), 1
    own = model.run({"input_ids": ids, "attention_mask": mask}, read="blocks.1.resid_post")
    given = model.run(rows, read="blocks.1.resid_post")
    for i, row in enumerate(rows):
        assert torch.allclose(own.logits[i, : len(row)], given.logits[i, : len(row)], **ROUNDING)
        assert torch.allclose(own["blocks.1.resid_post"][i, : len(row)], given["blocks.1.resid_post"][i, : len(row)], **ROUNDING)
    assert torch.equal(own.last_logits, given.last_logits) or torch.allclose(own.last_logits, given.last_logits, **ROUNDING)


@few
@given(families, rows, numbers)
def test_the_logits_that_are_kept_do_not_matter(family, rows, draw):
    model = subject_model(family)
    names = some_sites(model, draw)
    whole, last, none = (model.run(rows, read=names, logits=logits) for logits in (True, "last", False))
    assert torch.allclose(whole.last_logits, last.last_logits, **ROUNDING)
    for name in names:
        assert torch.equal(whole[name], last[name]), name
        assert torch.equal(whole[name], none[name]), name


@few
@given(families, rows, st.randoms(use_true_random=False))
def test_the_order_and_number_of_reads_do_not_matter(family, rows, random):
    """transformer-lens #1624 and nnsight #468: what else was asked for, and in which order, changed the answer."""
    model = subject_model(family)
    names = hooked(model)
    every = model.run(rows, read=names)
    shuffled = model.run(rows, read=random.sample(names, len(names)))
    chosen = random.sample(names, 3)
    few = model.run(rows, read=chosen)
    assert torch.equal(every.logits, shuffled.logits)
    assert torch.equal(every.logits, few.logits)
    assert torch.equal(every.logits, model.run(rows).logits)
    for name in names:
        assert torch.equal(every[name], shuffled[name]), name
        assert name not in chosen or torch.equal(every[name], few[name]), name


@few
@given(families, rows, numbers)
def test_globs_mean_the_names_that_they_match(family, rows, draw):
    model = subject_model(family)
    name = some_sites(model, draw)[0]
    parts = name.split(".")
    glob = ".".join("*" if part.isdigit() else part for part in parts)
    run = model.run(rows, read=glob)
    named = model.run(rows, read=[found for found in model.site_names if found in run])
    assert name in run
    assert list(run) == list(named)
    assert all(torch.equal(run[found], named[found]) for found in run)


@few
@given(families, rows, numbers, st.integers(-1, 0))
def test_an_edit_changes_nothing_before_it(family, rows, draw, pos):
    """Neither the blocks below it nor, in a causal model, the positions left of it."""
    model = subject_model(family)
    names = [name for name in hooked(model) if name.startswith("blocks.0.") and not name.endswith("resid_post")]
    edit = sonde.Add("blocks.1.resid_pre", 1.0) if draw % 2 else sonde.Scale("blocks.1.resid_post", 3.0)
    base, run = model.run(rows, read=names), model.run(rows, edits=[edit], read=names)
    assert all(torch.equal(base[name], run[name]) for name in names)
    if model.architecture.causal:
        site = f"blocks.0.resid_pre[pos={pos}]"
        felt = model.run(rows, edits=[sonde.Apply(site, moved)])
        for i, row in enumerate(rows):
            place = pos % len(row)
            assert torch.equal(felt.logits[i, :place], base.logits[i, :place])
            assert not torch.allclose(felt.logits[i, place], base.logits[i, place], atol=1e-6)


@few
@given(families, rows, numbers)
def test_an_edit_of_one_row_stays_in_it(family, rows, draw):
    model = subject_model(family)
    chosen = draw % len(rows)
    base, run = model.run(rows), model.run(rows, edits=[sonde.Apply(f"blocks.0.resid_post[batch={chosen}]", moved)])
    for i, row in enumerate(rows):
        same = torch.equal(run.logits[i, : len(row)], base.logits[i, : len(row)])
        assert same == (i != chosen)


@few
@given(families, rows, numbers, st.data())
def test_a_selection_is_that_part_of_the_whole(family, rows, draw, data):
    model = subject_model(family)
    name = some_sites(model, draw)[0]
    if model.architecture.sites[name].axes[0] != "batch":
        return
    shortest = min(map(len, rows))
    pos = data.draw(st.integers(-shortest, shortest - 1))
    entry = data.draw(st.integers(0, 1))
    axis = model.architecture.sites[name].axes[-1]
    select = {"pos": pos} | ({axis: entry} if axis != "pos" else {})
    site = sonde.Site(name).at(**select)
    run, whole = model.run(rows, read=[site]), model.run(rows, read=name)
    for i, row in enumerate(rows):
        expected = whole[name][i, pos % len(row)]
        expected = expected if axis == "pos" else expected[..., entry]
        assert torch.allclose(run[site][i], expected, **ROUNDING)
        assert torch.equal(whole[site][i], run[site][i]) or name.endswith("attn.result")


@pytest.mark.parametrize("model, bos", [(llama, True), (llama, False), (llama, None), (words, False), (words, None)])
def test_the_first_token_is_one_like_others(model, bos):
    """transformer-lens #1624: `prepend_bos=False` was ignored by one verb and not by another. Texts and ids are one input."""
    model = model()
    run = model.run("Lily and Tom", bos=bos, read="blocks.0.resid_post")
    same = model.run(run.ids, read="blocks.0.resid_post")
    assert torch.equal(run.logits, same.logits)
    assert torch.equal(run["blocks.0.resid_post"], same["blocks.0.resid_post"])


def test_control_rows_in_a_batch_that_lean_on_one_another():
    """The properties above fail for a module in which rows do matter to each other."""

    class Coupled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 3)

        def forward(self, x):
            return self.layer(x - x.mean(0))

    model, x = sonde.Model(Coupled()), torch.randn(3, 3)
    assert not torch.allclose(model.run(x).logits[:1], model.run(x[:1]).logits, **ROUNDING)
