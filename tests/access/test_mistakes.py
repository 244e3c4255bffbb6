"""Errors are part of the interface: what people get wrong, and the one line that each mistake gives them.

Every line names the value that was refused and the way out. nnsight #369 and #593 (also #422, #472 and #401) report what happens without that:
a message of another layer, such as "Weakly-referenced object no longer exists" for a wrong keyword.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_models import llama
from tiny_models import LogitDifference, bare
from torch import nn

import sonde
from sonde.results import EditError, InputError, LoadError, SiteUnavailable, SondeError, UnknownSite, shown

IDS = [[1, 2, 3, 4], [5, 6, 7, 8]]
RAGGED = torch.tensor([[1, 0, 1, 1], [1, 1, 1, 1]])


@pytest.fixture(scope="module")
def o():
    """What the mistakes are made with: a model of ids, one of texts, a module of no family, and a run."""
    model = sonde.Model(bare("gpt2"))
    net = sonde.Model(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)))
    run = model.run(IDS, read=["blocks.0.attn.z", "embed"])
    return SimpleNamespace(model=model, texts=llama(), net=net, run=run, ids=torch.tensor(IDS), metric=LogitDifference(), x=torch.ones(2, 3))


zero = sonde.Zero("embed")
MODEL_FILE = sonde.specimens.path("words") / "config.json"
MISTAKES = {
    # inputs
    "no input": (lambda o: o.model.run(None), InputError, "None is no input: give a text, several texts, token ids by row"),
    "a number": (lambda o: o.model.run(5), InputError, "5 is no input"),
    "bytes": (lambda o: o.texts.run(b"Lily"), InputError, "b'Lily' is no input"),
    "a set, which has no order": (lambda o: o.model.run({1, 2}), InputError, "{1, 2} is no input"),
    "a run": (lambda o: o.model.run(o.run), InputError, "token ids must be whole numbers"),
    "no rows": (lambda o: o.model.run([]), InputError, "no input: give at least one prompt"),
    "a row without tokens": (lambda o: o.model.run([[1], []]), InputError, "row 1 is empty: give at least one token"),
    "fractions": (lambda o: o.model.run([[1.5]]), InputError, "token ids must be whole numbers, by row; got [1.5]"),
    "three axes": (
        lambda o: o.model.run(o.ids[None]),
        InputError,
        "token ids must be whole numbers, (pos) or (batch pos); got torch.int64 (1, 2, 4)",
    ),
    "a token too large": (lambda o: o.model.run([[40]]), InputError, "the prompt holds token 40, and the model's vocabulary has 40 (0 to 39)"),
    "a prompt too long": (lambda o: o.model.run([[1] * 13]), InputError, "13 tokens and the model's context is 12: shorten it"),
    "a text without tokenizer": (lambda o: o.model.run("hello"), InputError, "without a tokenizer: pass token ids, or load it with tokenizer="),
    "an empty text": (lambda o: o.texts.run(["Lily", " "]), InputError, "the prompt ' ' is empty: give at least one word"),
    "texts and ids": (lambda o: o.texts.run(["Lily", [1, 2]]), InputError, "texts and other inputs are mixed: [1, 2] is no text"),
    "bos as a text": (lambda o: o.texts.run("Lily", bos="<s>"), InputError, "bos='<s>': use True, False, or None for the tokenizer's default"),
    "bos with ids": (lambda o: o.model.run(IDS, bos=True), InputError, "bos=True speaks of texts"),
    "another keyword": (lambda o: o.model.run({"ids": o.ids}), InputError, "the tensors 'input_ids' and 'attention_mask' by name; got 'ids'"),
    "a mask of another shape": (
        lambda o: o.model.run({"input_ids": o.ids, "attention_mask": o.ids[:, 1:]}),
        InputError,
        "(2, 4); got torch.int64 (2, 3)",
    ),
    "a mask that is a word": (lambda o: o.model.run({"input_ids": o.ids, "attention_mask": "all"}), InputError, "(2, 4); got 'all'"),
    "a mask of no axes": (
        lambda o: o.model.run({"input_ids": o.ids, "attention_mask": torch.tensor(1)}),
        InputError,
        "must be 0 or 1 for every token",
    ),
    "a mask with a hole": (lambda o: o.model.run({"input_ids": o.ids, "attention_mask": RAGGED}), InputError, "side by side"),
    "logits that are no choice": (lambda o: o.model.run(IDS, logits="first"), InputError, "logits='first': use True, 'last' or False"),
    "logits as a tensor": (lambda o: o.model.run(IDS, logits=o.ids), InputError, "use True, 'last' or False"),
    "nothing wanted": (lambda o: o.model.run(IDS, logits=False), InputError, "nothing was asked for: name sites in read=, or keep the logits"),
    # places
    "a typing error": (lambda o: o.model.run(IDS, read="blocks.0.atn.z"), UnknownSite, "nearest: 'blocks.0.attn.z'"),
    "a block too many": (lambda o: o.model.run(IDS, read="blocks.7.attn.z"), UnknownSite, "the blocks are 0 to 1"),
    "a part that the family lacks": (
        lambda o: o.model.run(IDS, read="blocks.0.mlp.gate"),
        SiteUnavailable,
        "not gated; use 'mlp.pre' and 'mlp.post'",
    ),
    "a glob for nothing": (lambda o: o.model.run(IDS, read="blocks.*.foo"), UnknownSite, "'blocks.*.foo' matches no site of this model; nearest"),
    "a number as a site": (lambda o: o.model.run(IDS, read=3), UnknownSite, "3 names no sites: give a name, a glob such as 'blocks.*.attn.z'"),
    "a number among sites": (lambda o: o.model.run(IDS, read=["embed", 3]), UnknownSite, "3 is no site: give its name as a text"),
    "None as a site": (lambda o: o.model.run(IDS, read=None), UnknownSite, "None names no sites"),
    "a bracket left open": (
        lambda o: o.model.run(IDS, read="embed[pos=1"),
        UnknownSite,
        "'embed[pos=1' is not a site: write a name and, if wanted, a selection",
    ),
    "no such axis": (lambda o: o.model.run(IDS, read="embed[head=1]"), UnknownSite, "there is no axis 'head' here; the axes are batch pos d_model"),
    "a head too many": (lambda o: o.model.run(IDS, read="blocks.0.attn.z[head=4]"), UnknownSite, "head 4 is out of range; there are 4 (head 0 to 3)"),
    "a position too many": (
        lambda o: o.model.run(IDS, read="embed[pos=4]"),
        InputError,
        "position 4 is outside row 0, which has 4 tokens (0 to 3, or -4 to -1)",
    ),
    "a position beyond any": (lambda o: o.model.run(IDS, read=f"embed[pos={10**30}]"), InputError, "is outside row 0"),
    "an empty selection": (lambda o: o.model.run(IDS, read="embed[pos=2:2]"), InputError, "the selection along 'pos' is empty"),
    "an entry twice": (lambda o: o.model.run(IDS, read="embed[pos=[1,1]]"), InputError, "the selection along 'pos' names an entry twice"),
    "a word without tokenizer": (lambda o: o.model.run(IDS, read="embed[pos='a']"), InputError, "without a tokenizer 'a' can't be found"),
    "a word that is not there": (
        lambda o: o.texts.run("Lily and Tom", read="embed[pos='Ben']"),
        InputError,
        "its tokens are 0 '<s>', 1 ' Lily', 2 ' and'",
    ),
    "a word twice": (
        lambda o: o.texts.run("Lily and Lily", read="embed[pos='Lily']"),
        InputError,
        "occurs 2 times in row 0, at 1 (' Lily'), 3 (' Lily')",
    ),
    "a head by a word": (lambda o: o.model.run(IDS, read="blocks.0.attn.z[head='a']"), UnknownSite, "give 'head' a number from 0 to 3"),
    "a module without its port": (
        lambda o: o.model.run(IDS, read="transformer.h.0"),
        UnknownSite,
        "write 'transformer.h.0:in' or 'transformer.h.0:out'",
    ),
    "no such module": (lambda o: o.model.run(IDS, read="transformer.h.9:out"), UnknownSite, "nearest"),
    "what was not read": (lambda o: o.run["blocks.1.attn.z"], UnknownSite, "was not read in this run; it holds 'blocks.0.attn.z': name it in read="),
    "a run by number": (lambda o: o.run[0], UnknownSite, "0 is no site: give its name as a text"),
    "no such block": (lambda o: o.model.block(2), InputError, "there is no block 2: GPT2LMHeadModel has 2, counted from 0"),
    "sites by number": (lambda o: o.model.sites(3), UnknownSite, "3 names no sites"),
    "a place by number": (lambda o: o.model.locate(3), UnknownSite, "3 is no site"),
    "each of one": (lambda o: o.model.sites("blocks.*.attn.z").each(head=2), InputError, "head=2: give the entries to go through, such as range(12)"),
    # edits
    "a name for an edit": (lambda o: o.model.run(IDS, edits="embed"), InputError, "'embed' is no edit: use sonde.Zero, Set"),
    "no edit": (lambda o: o.model.run(IDS, edits=None), InputError, "None is no edit"),
    "a kind without its site": (lambda o: o.model.run(IDS, edits=sonde.Zero), InputError, "is no edit"),
    "edits in lists in lists": (lambda o: o.model.run(IDS, edits=[[zero]]), InputError, "[Zero('embed')] is no edit"),
    "an edit of many sites": (
        lambda o: o.model.run(IDS, edits=[sonde.Zero("blocks.*.attn.z")]),
        UnknownSite,
        "an edit names one site; make one edit for each",
    ),
    "an edit of a number": (lambda o: sonde.Zero(3), UnknownSite, "3 is no site"),
    "a value of another shape": (
        lambda o: o.model.run(IDS, edits=[sonde.Set("embed", torch.ones(5))]),
        EditError,
        "(5,) does not fit the site, which has (2, 4, 16) here",
    ),
    "a value that is a word": (lambda o: sonde.Set("embed", "much"), EditError, "'much' is no number and no tensor"),
    "a value beyond all numbers": (lambda o: sonde.Set("embed", 10**400), EditError, "is no number and no tensor"),
    "a value beyond the type": (
        lambda o: o.model.run(IDS, edits=[sonde.Add("embed", 1e300)]),
        EditError,
        "beyond the largest torch.float32, 3.4",
    ),
    "a complex value": (lambda o: sonde.Set("embed", 1j), EditError, "a value of torch.complex64 on device cpu can't be written; give real numbers"),
    "a value without numbers": (lambda o: sonde.Set("embed", o.x.to("meta")), EditError, "on device meta can't be written"),
    "a tensor for a run": (lambda o: sonde.Patch("embed", o.x), EditError, "is no run; give what model.run returned"),
    "nothing for a run": (lambda o: sonde.Patch("embed", None), EditError, "None is no run"),
    "a number for a function": (lambda o: sonde.Apply("embed", 3), EditError, "3 is no function; use Set for a constant"),
    "a word for a rule": (lambda o: sonde.GradRule("embed", "smooth"), EditError, "a rule is 'identity', 'guided', 'half', or a function"),
    "noise without size": (lambda o: sonde.Noise("embed", 0.0), EditError, "std=0.0 is no standard deviation; give a positive number"),
    "a tensor for a basis": (lambda o: sonde.Project("embed", o.x, "keep"), EditError, "is no basis; give one of sonde.bases"),
    "a word for edits by row": (lambda o: sonde.PerRow(["embed", None]), InputError, "is no edit: give each row an edit, a list of edits, or None"),
    "edits for fewer rows": (lambda o: o.model.run(IDS, edits=[sonde.PerRow([zero])]), EditError, "rows"),
    "NaN": (lambda o: sonde.Add("embed", float("nan")), EditError, "the value holds NaN; give finite numbers"),
    "a mean of one number": (lambda o: o.model.run(IDS, edits=[sonde.Mean("embed", 0.5)]), EditError, "a mean of shape () does not fit"),
    "a source that did not read": (lambda o: sonde.Patch("blocks.1.attn.z", o.run), UnknownSite, "was not read in this run"),
    "a source of other lengths": (
        lambda o: o.model.run([[1, 2]], edits=[sonde.Patch("embed", o.run)]),
        EditError,
        "rows have 4, 4 tokens and the run's 2",
    ),
    "a source of another model": (lambda o: o.texts.run(IDS, edits=[sonde.Patch("embed", o.run)]), EditError, "(2, 4, 16) and the run (2, 4, 32)"),
    "a function without result": (lambda o: o.model.run(IDS, edits=[sonde.Apply("embed", lambda old: None)]), EditError, "and returned NoneType"),
    "a function in place": (
        lambda o: o.model.run(IDS, edits=[sonde.Apply("embed", lambda old: old.mul_(2))]),
        EditError,
        "return a new tensor instead",
    ),
    "token ids moved": (
        lambda o: o.model.run(IDS, edits=[sonde.Add("transformer.wte:in", 0.5)]),
        EditError,
        "the site holds whole numbers (torch.int64)",
    ),
    "a scale of zero": (lambda o: o.model.run(IDS, edits=[sonde.Zero("final_norm.scale")]), EditError, "must leave it above zero everywhere"),
    "an edit that never fires": (lambda o: nothing(o.model.edited([zero])), SiteUnavailable, "never fired in this forward: the model did not call"),
    # gradients
    "no metric": (lambda o: o.model.grad(IDS, None), InputError, "None is no metric: give a function from a Run to one number per example"),
    "a word for a metric": (lambda o: o.model.grad(IDS, "logit"), InputError, "'logit' is no metric"),
    "one number for all": (lambda o: o.model.grad(IDS, lambda run: run.logits.sum()), InputError, "here a tensor of shape (2,);"),
    "complex numbers": (lambda o: o.model.grad(IDS, lambda run: run.last_logits[:, 0] * 1j), InputError, "gave torch.complex64 (2,)"),
    "a metric of whole numbers": (lambda o: o.model.grad(IDS, lambda run: run.last_logits.argmax(-1)), InputError, "by any differentiable path"),
    "a metric that detaches": (lambda o: o.model.grad(IDS, lambda run: run.last_logits[:, 0].detach()), InputError, "by any differentiable path"),
    "a metric of what was not read": (
        lambda o: o.model.grad(IDS, lambda run: run["blocks.0.attn.z"].sum((1, 2, 3))),
        UnknownSite,
        "was not read in this run",
    ),
    "no site to differentiate": (lambda o: o.model.grad(IDS, o.metric, at=[]), InputError, "grad needs at least one site in at="),
    "gradients of token ids": (
        lambda o: o.model.grad(IDS, o.metric, at="transformer.wte:in"),
        SiteUnavailable,
        "use a site after it, such as 'embed'",
    ),
    # sweeps
    "a sweep of nothing": (lambda o: o.model.sweep(IDS, [], o.metric), InputError, "a sweep needs at least one edit, and every cell at least one"),
    "a sweep of one edit": (lambda o: o.model.sweep(IDS, zero, o.metric), InputError, "a sweep takes a list of edits; got Zero('embed')"),
    "a sweep of sites": (lambda o: o.model.sweep(IDS, o.model.sites("blocks.*.attn.z"), o.metric), InputError, "Site('blocks.0.attn.z') is no edit"),
    "a cell of nothing": (lambda o: o.model.sweep(IDS, [zero, None], o.metric), InputError, "None is no edit"),
    "a sweep without metric": (lambda o: o.model.sweep(IDS, [zero], None), InputError, "None is no metric"),
    "no rows in a pass": (
        lambda o: o.model.sweep(IDS, [zero], o.metric, batch_size=0),
        InputError,
        "batch_size=0: use 'auto' or a number of rows from 1 on",
    ),
    "half a row in a pass": (lambda o: o.model.sweep(IDS, [zero], o.metric, batch_size=0.5), InputError, "batch_size=0.5: use 'auto'"),
    # generation
    "text without tokenizer": (lambda o: o.model.generate([1, 2]), InputError, "load it with tokenizer="),
    "no new tokens": (lambda o: o.texts.generate("Lily", max_new_tokens=0), InputError, "max_new_tokens=0"),
    "half a token": (lambda o: o.texts.generate("Lily", max_new_tokens=1.5), InputError, "max_new_tokens=1.5"),
    "tokens as a word": (lambda o: o.texts.generate("Lily", max_new_tokens="3"), InputError, "max_new_tokens='3'"),
    "heat as a word": (lambda o: o.texts.generate("Lily", temperature="hot"), InputError, "temperature='hot'"),
    "a prompt of nothing": (lambda o: o.texts.generate(None), InputError, "None is no input"),
    "too many new tokens": (lambda o: o.texts.generate("Lily", max_new_tokens=99), InputError, "ask for at most 62 with max_new_tokens="),
    "negative heat": (lambda o: o.texts.generate("Lily", temperature=-1), InputError, "temperature=-1"),
    "an edit beyond the text": (
        lambda o: o.texts.generate("Lily", edits=[sonde.Zero("embed[pos=40]")], max_new_tokens=2),
        SiteUnavailable,
        "would never apply",
    ),
    # modules of no family
    "a text for any module": (lambda o: o.net.run("hello"), InputError, "this module takes tensors"),
    "tensors of another width": (
        lambda o: o.net.run(torch.ones(2, 5)),
        InputError,
        "Sequential can't take torch.float32 (2, 5): 'mat1 and mat2 shapes",
    ),
    "tensors of another type": (
        lambda o: o.net.run(o.x.long()),
        InputError,
        "Sequential can't take torch.int64 (2, 3): 'mat1 and mat2 must have the same dtype",
    ),
    "another name": (lambda o: o.net.run({"image": o.x}), InputError, "Sequential can't take image torch.float32 (2, 3): "),
    "the vocabulary of no family": (lambda o: o.net.run(o.x, read="blocks.0.attn.z"), UnknownSite, "its sites are module paths with ':in' or ':out'"),
    "positions where there are none": (lambda o: o.net.run(o.x, read="0:out[pos=1]"), UnknownSite, "the axes are batch unit"),
    # loading
    "nothing to load": (lambda o: sonde.load(None), LoadError, "None is no model: give the name of one, a folder, or a torch module"),
    "weights to load": (lambda o: sonde.load({"weight": o.x}), LoadError, "{'weight': tensor([[1., 1., 1.], [1., 1., 1.]])} is no model"),
    "a class to load": (lambda o: sonde.load(nn.Linear), LoadError, "is no model"),
    "no such folder": (lambda o: sonde.load("./nowhere"), LoadError, "there is no folder ./nowhere"),
    "no such specimen": (lambda o: sonde.load("specimen:nothing"), LoadError, "unknown specimen 'nothing': there is words"),
    "a file": (lambda o: sonde.load(MODEL_FILE), LoadError, "is a file: give the folder that holds config.json and the weights"),
    "a Python file": (lambda o: sonde.load(__file__), LoadError, "test_mistakes.py:NAME, the function in it that makes the model"),
    "no such type": (lambda o: sonde.load("specimen:words", dtype=torch.int8), LoadError, "dtype=torch.int8 is no type for weights"),
    "no such device": (lambda o: sonde.load("specimen:words", device="tpu9"), LoadError, "the model can't be put on device 'tpu9'"),
    "a name for a module": (lambda o: sonde.Model("gpt2"), InputError, "'gpt2' is no torch module: sonde.load opens a model by its name or folder"),
    "a name for a tokenizer": (lambda o: sonde.Model(o.net.module, "gpt2"), InputError, "'gpt2' is no tokenizer: give one of transformers"),
}


def nothing(context):
    with context:
        pass


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_line_that_names_the_value_and_the_way_out(o, mistake):
    make, error, message = MISTAKES[mistake]
    with pytest.raises(SondeError) as raised:
        make(o)
    assert isinstance(raised.value, error)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in o.model.module.modules())


def test_what_people_mean_is_taken():
    """The control: what lies close to these mistakes and is none."""
    model = sonde.Model(bare("gpt2"))
    expected = model.run(IDS).logits
    mask = [[1] * 4] * 2
    for same in (
        IDS,
        torch.tensor(IDS),
        np.array(IDS),
        tuple(map(tuple, IDS)),
        (row for row in IDS),
        {"input_ids": torch.tensor(IDS), "attention_mask": mask},
    ):
        assert torch.equal(model.run(same).logits, expected)
    assert model.run(range(3)).logits.shape == (1, 3, 40)
    assert torch.equal(model.run(IDS, edits=sonde.Add("embed", np.zeros(16))).logits, expected)
    assert len(model.run(IDS, read=iter(["embed", "blocks.*.attn.z"]))) == 3


def test_the_cause_of_a_refusal_by_a_module_is_kept():
    with pytest.raises(InputError) as raised:
        sonde.Model(nn.Linear(2, 2)).run(torch.ones(1, 3))
    assert isinstance(raised.value.__cause__, RuntimeError)


def test_an_error_of_the_users_own_code_is_left_as_it_is():
    """Their traceback shows where; a message of ours would hide it."""

    def mine(value):
        raise RuntimeError("mine")

    net = sonde.Model(nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(RuntimeError, match=r"^mine$"):
        net.run(torch.ones(1, 2), edits=[sonde.Apply("0:out", mine)])
    with pytest.raises(RuntimeError, match=r"^mine$"):
        net.grad(torch.ones(1, 2), mine, at="0:out")


def test_a_refused_value_stays_short():
    assert len(shown(torch.zeros(100, 100))) <= 120
    assert "\n" not in shown("a\nb" * 100)
