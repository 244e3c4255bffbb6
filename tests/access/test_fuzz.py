"""Any text where a site is expected: it means one part of one tensor, as NumPy takes it, or it is refused in one line.

The texts are near misses: names, axes and indices that a model has, with characters dropped, doubled and exchanged.
"""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from subjects import subject_model

import sonde
from sonde.results import InputError, SiteUnavailable, SondeError, UnknownSite

pytestmark = pytest.mark.usefixtures("unchecked")

IDS = torch.randint(40, (3, 6), generator=torch.Generator().manual_seed(0))
FAMILIES = ("gpt2", "llama", "native-attention")
NAMES = ("embed", "final_norm.scale", "logits", *(f"blocks.{i}.{part}" for i in (0, 1) for part in ("resid_pre", "attn.z", "attn.k", "mlp.post")))
AXES = ("batch", "pos", "head", "kv_head", "d_head", "d_model", "d_mlp", "vocab", "query")

number = st.integers(-9, 9)
bound = st.none() | number
shown = lambda part: "" if part is None else str(part)
index = st.one_of(
    number.map(str),
    st.lists(number, max_size=4).map(lambda entries: f"[{','.join(map(str, entries))}]"),
    st.tuples(bound, bound).map(lambda ends: f"{shown(ends[0])}:{shown(ends[1])}"),
    st.tuples(bound, bound, bound).map(lambda ends: ":".join(map(shown, ends))),
)
pairs = st.lists(st.tuples(st.sampled_from(AXES), index), max_size=3)
sites = st.tuples(st.sampled_from(NAMES), pairs)


def written(name, select):
    return f"{name}[{', '.join(f'{axis}={entry}' for axis, entry in select)}]" if select else name


def of_numpy(value, axes, select):
    """The part that the selection means, axis by axis; `None` where it means none."""
    array, chosen = value.numpy(), dict(select)
    if len(chosen) < len(select) or not chosen.keys() <= set(axes):
        return None
    for place in reversed(range(len(axes))):
        if axes[place] not in chosen:
            continue
        entry = eval(f"np.s_[{chosen[axes[place]]}]", {"np": np})
        try:
            array = array[(slice(None),) * place + (entry,)]
        except (IndexError, ValueError):
            return None
        repeats = isinstance(entry, list) and len({i % value.shape[place] for i in entry}) < len(entry)
        if array.size == 0 or repeats:  # an empty part, or an entry twice
            return None
    return array


@settings(max_examples=150)
@given(st.sampled_from(FAMILIES), sites)
def test_a_selection_is_what_numpy_takes(family, site):
    name, select = site
    model, text = subject_model(family), written(name, select)
    if name not in model.architecture.sites:
        with pytest.raises((SiteUnavailable, UnknownSite)):
            model.run(IDS, read=text)
        return
    whole = model.run(IDS, read=name)
    expected = of_numpy(whole[name], whole.axes(name), select)
    if expected is None:
        with pytest.raises((UnknownSite, InputError)) as error:
            model.run(IDS, read=text)
        assert "\n" not in str(error.value)
        return
    run = model.run(IDS, read=text)
    assert np.array_equal(run[text].numpy(), expected)
    assert np.array_equal(whole[text].numpy(), expected)
    assert len(run.axes(text)) == expected.ndim
    edited = model.run(IDS, edits=[sonde.Set(text, 1.5)], read=name)[name].numpy()
    assert np.count_nonzero(edited != whole[name].numpy()) == expected.size


SLIPS = ["", " ", "]", "[", "=", ",", ":", "'", '"', "-", ".", "*", "é", "\n", "\\", "0", "x"]


@settings(max_examples=300)
@given(sites, st.integers(0, 60), st.sampled_from(SLIPS), st.booleans())
@example(("embed", []), 0, "\x00", False)
def test_a_near_miss_is_a_site_or_one_clear_line(site, place, character, doubled):
    text = written(*site)
    place %= len(text) + 1
    text = text[:place] + character + text[place + (not doubled) :]
    message = refusal(lambda: subject_model("gpt2").run(IDS, read=text, logits=False))
    assert "\n" not in message
    assert len(message) < 500
    if not refusal(lambda: sonde.Site.parse(text)):
        assert sonde.Site.parse(str(sonde.Site.parse(text))) == sonde.Site.parse(text)


def refusal(function):
    """What sonde says to it; nothing where it is done. Any other error is a failure."""
    try:
        function()
    except SondeError as error:
        return str(error)
    return ""


@settings(max_examples=50)
@given(st.sampled_from(["blocks.0.resid_pre", "blocks.1.mlp.post", "blocks.1.attn.scores"]), st.integers(0, 60), st.sampled_from("abcdef_.z"))
def test_a_typing_error_is_shown_what_was_meant(name, place, character):
    """The name itself is among the nearest."""
    model = subject_model("llama")
    place %= len(name)
    wrong = name[:place] + character + name[place + 1 :]
    if wrong in model.architecture.sites or not wrong.startswith("blocks."):
        return
    with pytest.raises(SondeError) as error:
        model.run(IDS, read=wrong)
    assert isinstance(error.value, SiteUnavailable) or f"'{name}'" in str(error.value)


def test_no_text_is_too_long():
    with pytest.raises(UnknownSite) as error:
        sonde.Site.parse("embed[pos=" + "9" * 10_000 + "]")
    assert len(str(error.value)) < 500
    with pytest.raises(SondeError) as error:
        subject_model("gpt2").run(IDS, read="x" * 10_000)
    assert len(str(error.value)) < 1000
