"""Selections against plain loops over the elements: what is taken, what is put back, and positions in rows of different length."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sonde.access import Site
from sonde.access.selection import Rows, put, resolve, rows_of, take
from sonde.results import InputError, SiteUnavailable, UnknownSite

AXES = ("batch", "pos", "head", "d_head")
SHAPE = (3, 5, 4, 2)


def chosen(index, size):
    """The entries that an index means, and whether its axis stays."""
    if isinstance(index, int):
        return [index % size], False
    return (list(range(size))[index] if isinstance(index, slice) else [i % size for i in index]), True


def index_of(size):
    number = st.integers(-size, size - 1)
    several = st.lists(number, min_size=1, max_size=size, unique_by=lambda i: i % size).map(tuple)
    ends = st.none() | number
    steps = st.none() | st.integers(1, 3) | st.integers(-3, -1)
    return number | several | st.builds(slice, ends, ends, steps).filter(lambda s: len(range(size)[s]) > 0)


selections = st.fixed_dictionaries({}, optional={axis: index_of(size) for axis, size in zip(AXES, SHAPE, strict=True)})


@given(selections)
def test_equal_rows_are_indexed_axis_by_axis(select):
    value = torch.arange(120.0).reshape(SHAPE)
    site = Site("z", tuple(select.items()))
    expected = value
    for axis in range(4):
        entries, _ = chosen(select.get(AXES[axis], slice(None)), SHAPE[axis])
        expected = expected.index_select(axis, torch.tensor(entries))
    for axis in reversed(range(4)):
        if not chosen(select.get(AXES[axis], slice(None)), SHAPE[axis])[1]:
            expected = expected.select(axis, 0)
    resolved = resolve(site, AXES, value.shape, Rows((0,) * 3, (5,) * 3))
    assert torch.equal(take(value, resolved), expected)
    changed = value.clone()
    put(changed, -expected - 1, resolved)
    assert torch.equal(take(changed, resolved), -expected - 1)
    assert (changed != value).sum() == expected.numel()  # and nothing else changed


@st.composite
def ragged(draw):
    """Rows that lie anywhere in eight columns, and an index that means equally many positions in each."""
    lengths = draw(st.lists(st.integers(2, 8), min_size=3, max_size=3))
    starts = [draw(st.integers(0, 8 - length)) for length in lengths]
    shortest = min(lengths)
    index = draw(
        st.integers(-shortest, shortest - 1)
        | st.sampled_from([slice(-2, None), slice(0, 2), slice(1, 2), slice(-1, -3, -1)])
        | st.sampled_from([(0, -1), (-1, -2), (1,)])
    )
    return Rows(tuple(starts), tuple(lengths)), index


@given(ragged(), st.none() | index_of(3), st.none() | index_of(4))
def test_positions_count_each_rows_own_tokens(rows_and_index, batch, head):
    rows, index = rows_and_index
    value = torch.arange(3.0 * 8 * 4).reshape(3, 8, 4)
    select = {"pos": index} | ({} if batch is None else {"batch": batch}) | ({} if head is None else {"head": head})
    picked, several = chosen(slice(None) if batch is None else batch, 3)
    heads, several_heads = chosen(slice(None) if head is None else head, 4)
    expected = []
    for row in picked:
        tokens = value[row, rows.starts[row] : rows.starts[row] + rows.lengths[row]]
        entries, stays = chosen(index, len(tokens))
        part = tokens[entries][:, heads]
        part = part if several_heads else part[:, 0]
        expected.append(part if stays else part[0])
    expected = torch.stack(expected) if several else expected[0]
    resolved = resolve(Site("x", tuple(select.items())), ("batch", "pos", "head"), value.shape, rows)
    assert torch.equal(take(value, resolved), expected)
    changed = value.clone()
    put(changed, -expected - 1, resolved)
    assert torch.equal(take(changed, resolved), -expected - 1)
    assert (changed != value).sum() == expected.numel()


TOKENS = (("The", " keys", " on", " the", " cabinet"), ("The", " key"))
ROWS = Rows((0, 3), (5, 2), TOKENS)


@pytest.mark.parametrize("text, columns", [("keys", [1]), (" keys", [1]), ("The", [0]), ("the", [3])])
def test_a_position_by_its_token(text, columns):
    assert ROWS.columns(0, text, Site("embed")) == columns


def test_a_word_behind_a_token_of_nothing_but_space_stands_once():
    """SentencePiece writes some spaces as tokens of their own, and bytes of one character as several."""
    rows = Rows((0,), (6,), (("the", " ", "cat", "", " sat", " sat down"),))
    assert rows.columns(0, "cat", Site("embed")) == [2]
    assert rows.places(0, " cat") == [range(1, 3)]
    assert rows.places(0, "cat sat") == [range(2, 5)]
    assert rows.places(0, " sat down") == [range(5, 6)] and rows.places(0, "the cat") == [range(3)]
    assert not rows.places(0, "he cat") and not rows.places(0, "sat")[1:]


def test_the_same_word_may_stand_elsewhere_in_another_row():
    value = torch.arange(10.0).reshape(2, 5, 1)
    rows = Rows((0, 0), (5, 5), (("a", " b", " c", " d", " e"), ("e", " d", " c", " a", " b")))
    assert take(value, resolve(Site.parse("x[pos='b']"), ("batch", "pos", "d"), value.shape, rows)).tolist() == [[1.0], [9.0]]


@pytest.mark.parametrize(
    "rows, text, message",
    [
        (
            Rows((0,), (3,), (("the", " cat", " the"),)),
            "the",
            r"'the' occurs 2 times in row 0, at 0 \('the'\), 2 \(' the'\); give the position as a number",
        ),
        (ROWS, "cab", r"'cab' is no single token of row 0; its tokens are 0 'The', 1 ' keys', 2 ' on', 3 ' the', 4 ' cabinet'"),
        (Rows((0,), (3,)), "the", "without a tokenizer 'the' can't be found; give the position as a number"),
    ],
)
def test_texts_that_mean_no_one_place(rows, text, message):
    with pytest.raises(InputError, match=message):
        rows.columns(0, text, Site("embed").at(pos=text))


@pytest.mark.parametrize(
    "select, error, message",
    [
        ({"channel": 0}, UnknownSite, "there is no axis 'channel' here; the axes are batch pos head d_head"),
        ({"head": 4}, UnknownSite, r"head 4 is out of range; there are 4 \(head 0 to 3\)"),
        ({"head": (0, -5)}, UnknownSite, "head -5 is out of range"),
        ({"head": slice(2, 2)}, InputError, "the selection along 'head' is empty"),
        ({"head": (1, -3)}, InputError, "names an entry twice"),
        ({"head": "cat"}, UnknownSite, "'cat' is the text of a token: give 'head' a number from 0 to 3"),
        ({"pos": 5}, InputError, r"position 5 is outside row 0, which has 5 tokens \(0 to 4, or -5 to -1\)"),
        ({"pos": 2}, InputError, r"position 2 is outside row 1, which has 2 tokens"),
        ({"pos": slice(0, 4)}, InputError, "the rows have 2 to 5 tokens, so this selection differs in length between them"),
    ],
)
def test_refused(select, error, message):
    with pytest.raises(error, match=message):
        resolve(Site("z", tuple(select.items())), AXES, torch.Size((2, 5, 4, 2)), ROWS)


def test_a_tensor_that_has_no_column_for_every_token_is_not_indexed():
    """Control for the silent case: cutting a slice out of too short a tensor would give an empty one."""
    with pytest.raises(SiteUnavailable, match="has no column for every token along 'pos'; read it whole"):
        resolve(Site.parse("x[pos=-1]"), ("batch", "pos", "unit"), torch.Size((2, 1, 4)), ROWS)


def test_one_row_for_all_serves_equal_rows_only():
    shared = torch.Size((1, 5, 4))
    assert resolve(Site.parse("x[pos=-1]"), ("batch", "pos", "d"), shared, Rows((0, 0), (5, 5)))[0][1] == slice(4, 5)
    with pytest.raises(SiteUnavailable):
        resolve(Site.parse("x[pos=-1]"), ("batch", "pos", "d"), shared, Rows((0, 0), (5, 4)))


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=4))
def test_masks_tell_rows_or_are_refused(mask):
    side_by_side = all("1" in (bits := "".join("01"[real] for real in row)) and "0" not in bits.strip("0") for row in mask)
    if not side_by_side:
        with pytest.raises(InputError, match="side by side"):
            rows_of(torch.tensor(mask))
        return
    rows = rows_of(torch.tensor(mask))
    assert [row[start : start + length] for row, start, length in zip(mask, rows.starts, rows.lengths, strict=True)] == [
        [True] * sum(row) for row in mask
    ]


def test_positions_are_counted_from_the_first_token_also_where_the_first_columns_are_cached():
    rows = Rows((0, 0), (6, 6), cached=4)
    new, keys = torch.arange(2 * 2 * 3).view(2, 2, 3), torch.arange(2 * 6 * 3).view(2, 6, 3)
    axes = ("batch", "pos", "d_model")
    assert torch.equal(take(new, resolve(Site.parse("x[pos=-1]"), axes, new.shape, rows)), new[:, 1])
    assert torch.equal(take(new, resolve(Site.parse("x[pos=4:6]"), axes, new.shape, rows)), new)
    assert torch.equal(take(keys, resolve(Site.parse("x[pos=1]"), axes, keys.shape, rows)), keys[:, 1])  # keys are all there
    with pytest.raises(SiteUnavailable, match="cached"):
        resolve(Site.parse("x[pos=3]"), axes, new.shape, rows)
