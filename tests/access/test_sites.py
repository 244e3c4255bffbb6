"""The names of places: a grammar that reads back what it prints, and messages that show the way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonde.access import Site, Sites, Span
from sonde.access.sites import expand
from sonde.results import InputError, SiteUnavailable, SondeError, UnknownSite

numbers = st.integers(-99, 99)
indices = st.one_of(
    numbers,
    st.text(),
    st.builds(slice, st.none() | numbers, st.none() | numbers, st.none() | st.integers(1, 9) | st.integers(-9, -1)),
    st.lists(numbers, min_size=1).map(tuple),
    st.from_regex(r"[A-Za-z]\w*([ -]\w+)*", fullmatch=True).map(Span),
)
names = st.from_regex(r"[A-Za-z_0-9*?:./-]+", fullmatch=True)
selections = st.dictionaries(st.from_regex(r"[a-z_][a-z_0-9]*", fullmatch=True), indices, max_size=4)


@given(names, selections)
def test_what_is_printed_reads_back(name, select):
    site = Site(name, tuple(select.items()))
    assert Site.parse(str(site)) == site
    assert hash(Site.parse(str(site))) == hash(site)
    assert Site(name).at(**select) == site


@given(st.text(alphabet="ab.*[]=,:'\"\\-0123 \n"))
def test_any_text_is_a_site_or_a_clear_error(text):
    try:
        site = Site.parse(text)
    except UnknownSite:
        return
    assert Site.parse(str(site)) == site


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "'' is not a site: write a name and"),
        ("c1:out[", "'c1:out[' is not a site"),
        ("z[]", "the selection '' is not understood; write axis=index pairs, as in [head=6, pos=0:4] or [pos=[1,3]]"),
        ("z[pos=a.b]", "'a.b' is not an index; use a whole number, a slice such as 0:4, a list such as [1,3], a span's name, or a text in quotes"),
        ("z[pos=[]]", "'[]' is not an index"),
        ("z[pos=1:2:0]", "'1:2:0' is not an index"),
        ("z[pos=1, pos=2]", "an axis is selected twice"),
        ("z[pos=1 2]", "the selection 'pos=1 2' is not understood"),
        (5, "5 is no site: give its name as a text"),
    ],
)
def test_refused(text, message):
    with pytest.raises(UnknownSite) as error:
        Site.parse(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("index, message", [([], "is empty"), ([1.5], "selects nothing"), (None, "selects nothing"), (1.0, "selects nothing")])
def test_refused_selections(index, message):
    with pytest.raises(InputError, match=message):
        Site("z").at(pos=index)
    with pytest.raises(InputError, match="already selects along 'head'"):
        Site.parse("z[head=1]").at(head=2)


def test_quoted_texts_may_hold_anything():
    site = Site.parse(r"""z[pos='it\'s, [x]', head=[1, 3]]""")
    assert site.select == (("pos", "it's, [x]"), ("head", (1, 3)))
    assert Site.parse('z[pos="\n"]') == Site.parse(r"z[pos='\n']")
    assert "\n" not in str(Site.parse('z[pos="\n"]'))


def test_equal_sites_are_one_key():
    assert len({Site.parse("z[pos=0:2]"), Site("z").at(pos=slice(0, 2)), Site.parse(" z [ pos = 0:2 ] ")}) == 1


NAMES = ["embed", "blocks.0.attn.z", "blocks.1.attn.z", "blocks.0.mlp.out", "blocks.0.attn.z.deep"]


def test_a_star_stands_for_one_part():
    assert [str(site) for site in expand("blocks.*.attn.z", NAMES)] == ["blocks.0.attn.z", "blocks.1.attn.z"]
    assert [str(site) for site in expand(["blocks.1.attn.z", "blocks.*.attn.z[head=1]", "blocks.1.attn.z"], NAMES)] == [
        "blocks.1.attn.z", "blocks.0.attn.z[head=1]", "blocks.1.attn.z[head=1]",
    ]  # fmt: skip


def test_a_glob_without_a_match_says_why():
    with pytest.raises(UnknownSite, match=r"'blocks.\*.atn.z' matches no site of this model; nearest: 'blocks.1.attn.z'"):
        expand("blocks.*.atn.z", NAMES)


def test_a_glob_over_what_the_family_lacks_gives_the_reason(loaded):
    """transformer-lens #1688: hooks on gated points were accepted and never fired."""
    with pytest.raises(SiteUnavailable, match=r"'blocks.\*.mlp.gate' does not exist in this gpt2 model: the MLP of this model is not gated"):
        loaded["gpt2"].run([[1]], read="blocks.*.mlp.gate")


def test_the_table(loaded):
    """transformer-lens #909 and #286 ask what each point is."""
    table = repr(loaded["llama"].sites()).splitlines()
    assert table[0] == f"{len(loaded['llama'].architecture.sites)} sites"
    assert table[1].split() == ["site", "axes", "meaning", "where"]
    assert any(
        line.startswith("blocks.{0,1}.attn.k ") and "batch pos kv_head d_head" in line and "model.layers.0.self_attn.k_proj:out" in line
        for line in table
    )
    assert all(len(line) < 200 for line in table)


def test_a_selection_of_sites_can_be_counted_and_refined(loaded):
    sites = loaded["gpt2"].sites("blocks.*.attn.z")
    assert len(sites) == 2
    assert len(sites.each(head=range(4), pos=["a", -1])) == 16
    assert sites.at(pos=-1)[1] == Site.parse("blocks.1.attn.z[pos=-1]")
    assert isinstance(sites[:1], Sites)
    assert "blocks.{0,1}.attn.z[head=3]" in repr(sites.each(head=range(4)))
    with pytest.raises(SondeError):
        loaded["gpt2"].sites("blocks.7.attn.z")
