"""Positions by name: read, written, patched across lengths, in every verb; and texts of several tokens."""

import pytest
import torch
from small_models import words

import sonde
from sonde.access import Span
from sonde.results import EditError, InputError, SiteUnavailable, UnknownSite

SITE = "blocks.1.resid_post"
ROWS = [[3, 1, 0, 4, 7], [9, 2, 6], [5, 5, 8, 1]]
SPANS = {"subject": [(1, 2), (0, 2), (-1, -3)], "verb": [(3,), (1,), (0,)], "uneven": [(0,), (1, 2), (0, 1, 3)]}
PLACES = [(1, 2), (0, 2), (3, 1)]  # of the subject, from the beginning


@pytest.fixture
def run(model):
    return model.run(ROWS, read=SITE, spans=SPANS)


def test_read_where_each_row_has_them(model, run):
    expected = torch.stack([run[SITE][row, list(places)] for row, places in enumerate(PLACES)])
    assert torch.equal(run[f"{SITE}[pos=subject]"], expected)
    assert torch.equal(model.run(ROWS, read=f"{SITE}[pos=subject]", spans=SPANS)[f"{SITE}[pos=subject]"], expected)
    assert run.axes(f"{SITE}[pos=subject]") == ("batch", "pos", "d_model")
    assert run[sonde.Site(SITE).at(pos=Span("verb"))].shape == (3, 1, 16)


def test_written_where_each_row_has_them(model, run):
    expected = run[SITE].clone()
    for row, places in enumerate(PLACES):
        expected[row, list(places)] = 0.5
    edited = model.run(ROWS, edits=sonde.Set(f"{SITE}[pos=subject]", 0.5), read=SITE, spans=SPANS)
    assert torch.equal(edited[SITE][edited.mask], expected[edited.mask])


def test_rows_with_more_and_fewer_positions_can_be_written_and_not_read(model, run, ids):
    with pytest.raises(InputError, match=r"differs in length between them \(1 to 3 positions\)"):
        run[f"{SITE}[pos=uneven]"]
    vector = torch.linspace(-1, 1, 16)
    for edit, made in [
        (sonde.Zero, lambda old: 0 * old),
        (lambda site: sonde.Set(site, vector), lambda old: vector.expand_as(old)),
        (lambda site: sonde.Add(site, vector), lambda old: old + vector),
        (lambda site: sonde.Scale(site, 3.0), lambda old: 3 * old),
        (lambda site: sonde.Apply(site, torch.neg), lambda old: -old),
    ]:
        expected = run[SITE].clone()
        for row, places in enumerate(SPANS["uneven"]):
            expected[row, list(places)] = made(expected[row, list(places)])
        edited = model.run(ROWS, edits=edit(f"{SITE}[pos=uneven]"), read=SITE, spans=SPANS)
        assert torch.equal(edited[SITE][edited.mask], expected[edited.mask])
    cut = model.run(ROWS, edits=sonde.Zero(f"{SITE}[pos=1:]"), read=SITE)  # a slice with an open end is uneven, too
    assert torch.equal(cut[SITE][:, 0], run[SITE][:, 0]) and (cut[SITE][:, 1:][cut.mask[:, 1:]] == 0).all()


def test_in_every_verb(model, metric, run):
    edit = sonde.Scale(f"{SITE}[pos=subject]", 2.0)
    edited = model.run(ROWS, edits=edit, spans=SPANS)
    sweep = model.sweep(ROWS, [edit, sonde.Zero(f"{SITE}[pos=uneven]"), sonde.Zero(f"{SITE}[pos=verb]")], metric, spans=SPANS, verify=True)
    assert torch.allclose(sweep.values[0], metric(edited), atol=1e-5)
    grads = model.grad(ROWS, metric, at=[f"{SITE}[pos=subject]"], spans=SPANS)[f"{SITE}[pos=subject]"]
    whole = model.grad(ROWS, metric, at=SITE)[SITE]
    assert torch.allclose(grads, torch.stack([whole[row, list(places)] for row, places in enumerate(PLACES)]), atol=1e-6)


def test_patched_from_a_run_of_another_length(model, run):
    """Each run counts its own positions and knows its own spans."""
    others = [[7, 7, 3, 1], [1, 2, 3, 4, 5, 6], [9, 8]]
    spans = {"subject": [(0, 1), (4, 5), (0, 1)]}
    source = model.run(others, read=SITE, spans=spans)
    edited = model.run(ROWS, edits=sonde.Patch(f"{SITE}[pos=subject]", source), read=SITE, spans=SPANS)
    for row, (here, there) in enumerate(zip(PLACES, spans["subject"], strict=True)):
        assert torch.equal(edited[SITE][row, list(here)], source[SITE][row, list(there)])
    three = model.run(others[:1], read=SITE, spans={"subject": [(0, 1, 3)]})
    with pytest.raises(EditError, match=r"the source holds \(1, 3, 16\) and the run \(3, 2, 16\)"):
        model.run(ROWS, edits=sonde.Patch(f"{SITE}[pos=subject]", three), spans=SPANS)
    with pytest.raises(EditError, match="patch runs of the same length, or select positions that both have"):
        model.run(ROWS, edits=sonde.Patch(SITE, source))


def test_patched_from_another_place_of_the_source(model, ids):
    source = model.run(ids, read="blocks.*.resid_post")
    at = "blocks.0.resid_post[pos=2:4]"
    edited = model.run(ids, edits=sonde.Patch(f"{SITE}[pos=[5,1]]", source, at=at), read=SITE)
    assert torch.equal(edited[f"{SITE}[pos=[5,1]]"], source[at])
    one = model.run(ids, edits=sonde.Patch(f"{SITE}[pos=-1]", source, at="blocks.0.resid_post[batch=[1], pos=0]"), read=SITE)
    assert torch.equal(one[f"{SITE}[pos=-1]"], source["blocks.0.resid_post[batch=[1], pos=0]"].expand(2, 16))
    with pytest.raises(EditError, match=r"the source holds \(2, 2, 16\) and the run \(2, 3, 16\)"):
        model.run(ids, edits=sonde.Patch(f"{SITE}[pos=0:3]", source, at=at))
    with pytest.raises(EditError, match="the source holds"):
        model.run(ids, edits=sonde.Patch(f"{SITE}[pos=-1]", source, at="blocks.0.resid_post[batch=1, pos=0]"))
    padded = model.run([[1, 2, 3], [4]], read=SITE)  # its whole tensor holds padding, which must not pass for positions
    with pytest.raises(EditError, match="the source's rows have 3, 1 tokens and the run's 7, 7"):
        model.run(ids, edits=sonde.Patch(f"{SITE}[pos=0:3]", padded, at=SITE))
    with pytest.raises(UnknownSite, match="was not read in this run"):
        sonde.Patch(SITE, source, at="blocks.0.mlp.out")
    assert sonde.Patch(SITE, source) != sonde.Patch(SITE, source, at="blocks.0.resid_post")


@pytest.mark.parametrize(
    "spans, site, error, message",
    [
        (
            SPANS,
            f"{SITE}[pos=object]",
            UnknownSite,
            "no span 'object'; known are subject, verb, uneven; a token's text stands",
        ),
        ({}, f"{SITE}[pos=object]", UnknownSite, "these inputs have no span 'object'; name them with spans= beside the inputs"),
        (SPANS, f"{SITE}[d_model=subject]", UnknownSite, "'subject' is the name of a span, which positions have"),
        ({"a": [(0,)]}, SITE, InputError, "the span 'a' has 1 entries for 3 rows; give one for each row"),
        ({"a": [(0,), (3,), (0,)]}, SITE, InputError, r"position 3 is outside row 1, which has 3 tokens"),
        ({"a": [(0,), (0,), ()]}, f"{SITE}[pos=a]", InputError, "the span 'a' is empty in row 2"),
        ({"1st": [(0,)] * 3}, SITE, InputError, "'1st' can't name a span: begin with a letter"),
        ({"a": [(0, 0), (1,), (1,)]}, SITE, InputError, "names a position twice in row 0"),
        ({"a": "the"}, SITE, InputError, "without a tokenizer"),
    ],
)
def test_refused(loaded, spans, site, error, message):
    with pytest.raises(error, match=message):
        loaded["gpt2"].run(ROWS, read=site, spans=spans)


def test_inputs_that_are_no_tokens_have_none():
    model = sonde.Model(torch.nn.Linear(3, 2))
    with pytest.raises(InputError, match="name positions of tokens, and these inputs are none"):
        model.run(torch.ones(2, 3), spans={"a": [(0,), (0,)]})


def test_a_task_knows_its_spans():
    model = words()
    task = sonde.tasks.load("agreement", model, n=8, seed=0)
    run = model.run(task.clean, read=SITE, spans=task.spans)
    for name, positions in task.spans.items():
        if len({len(row) for row in positions}) == 1 and all(positions):
            expected = torch.stack([run[SITE][row, list(places)] for row, places in enumerate(positions)])
            assert torch.equal(run[f"{SITE}[pos={name}]"], expected)


def test_texts_of_several_tokens():
    model = words()
    text = "The keys on the cabinet"
    run = model.run(text, read=SITE)
    tokens = run.tokens[0]
    first = next(i for i, token in enumerate(tokens) if token.strip() == "on")
    with pytest.raises(InputError, match=rf"'on the' is 2 tokens of row 0, at {first} to {first + 1}; write pos={first}:{first + 2}, or name it"):
        run[f"{SITE}[pos='on the']"]
    named = model.run(text, read=SITE, spans={"where": "on the", "what": [" keys"]})
    assert torch.equal(named[f"{SITE}[pos=where]"], run[f"{SITE}[pos={first}:{first + 2}]"])
    assert named[f"{SITE}[pos=what]"].shape[1] == 1
    with pytest.raises(InputError, match="'a lock' stands in row 0 nowhere; give the positions as numbers"):
        model.run(text, spans={"where": "a lock"})
    with pytest.raises(InputError, match="'the' stands in row 0 2 times, at"):
        model.run("on the keys on the cabinet", spans={"where": "the"})


def test_generation_counts_them_in_the_prompt():
    model = words()
    prompt = "The keys on the cabinet"
    by_name = model.generate(prompt, edits=sonde.Zero(f"{SITE}[pos=who]"), spans={"who": "keys"}, max_new_tokens=4)
    by_number = model.generate(prompt, edits=sonde.Zero(f"{SITE}[pos=' keys']"), max_new_tokens=4)
    assert by_name == by_number


def test_inside_edited_no_span_is_known(loaded, ids):
    model = loaded["gpt2"]
    with pytest.raises((UnknownSite, SiteUnavailable)), model.edited(sonde.Zero(f"{SITE}[pos=subject]")):
        model.module(ids)
