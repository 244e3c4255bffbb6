"""SyntaxGym's formulas against values worked out by hand, and the grammar against itself: what is printed is read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonde.behaviour.formula import Number, Operation, Term, near, parse
from sonde.results import InputError

# surprisals of two conditions with three regions; 4 + 2.5 + 1 = 7.5 and 3 + 2.5 + 6 = 11.5
VALUES = {
    (1, "a"): 4.0, (2, "a"): 2.5, (3, "a"): 1.0, ("*", "a"): 7.5,
    (1, "b"): 3.0, (2, "b"): 2.5, (3, "b"): 6.0, ("*", "b"): 11.5,
    (1, "sub_no-matrix"): 9.0,
}  # fmt: skip

BY_HAND = [
    ("(1;%a%) > (1;%b%)", True),  # 4 > 3
    ("(1;%a%) < (1;%b%)", False),
    ("(3;%a%) < (3;%b%)", True),  # 1 < 6
    ("(2;%a%) = (2;%b%)", True),  # 2.5 = 2.5
    ("(2;%a%) < (2;%b%)", False),  # a tie is not less
    ("(2;%a%) > (2;%b%)", False),
    ("(1;%a%) = 4", True),
    ("(1;%a%) = 4.0009", True),  # within 1e-3 + 1e-5 * 4.0009
    ("(1;%a%) = 4.0011", False),
    ("(*;%a%) = 7.5", True),
    ("(*;%a%) < (*;%b%)", True),  # 7.5 < 11.5
    ("(*;%b%) - (*;%a%) = 4", True),
    ("(1;%a%) + (2;%a%) + (3;%a%) = (*;%a%)", True),
    ("(1;%a%) - (2;%a%) - (3;%a%) = 0.5", True),  # (4 - 2.5) - 1; read from the right it would be 2.5
    ("(1;%a%) - (2;%a%) - (3;%a%) = 2.5", False),
    ("(1;%a%) - (2;%a%) - (3;%a%) > 1", False),  # a reader that drops the third finds 1.5
    ("(1;%a%) - [(2;%a%) - (3;%a%)] = 2.5", True),
    ("(1;%a%) - ((2;%a%) - (3;%a%)) = 2.5", True),
    ("(1;%a%) - (2;%a%) + (3;%a%) = 2.5", True),  # (4 - 2.5) + 1; plus does not bind tighter than minus
    ("10 - (1;%a%) + 1 = 7", True),
    ("(1;%a%) - (1;%b%) > (2;%a%) - (2;%b%)", True),  # 1 > 0
    ("[(3;%b%) - (3;%a%)] > [(1;%b%) - (1;%a%)]", True),  # 5 > -1
    ("(1;%b%) - (1;%a%) < 0", True),
    ("(1;%b%) - (1;%a%) = -1", True),
    ("(1;%b%) - -1 = 4", True),
    ("(1;%a%) > 3 & (1;%b%) > 3", False),  # true and false
    ("(1;%a%) > 3 | (1;%b%) > 3", True),
    ("(1;%a%) > 3 & (1;%b%) > 2 & (3;%a%) > 2", False),  # true, true, false
    ("(1;%a%) < 3 | (1;%b%) < 2 | (3;%a%) < 2", True),  # false, false, true
    ("1 > 2 & 1 > 2 | 2 > 1", True),  # (false and false) or true
    ("2 > 1 | 1 > 2 & 1 > 2", False),  # (true or false) and false: one level, from left to right
    ("2 > 1 | [1 > 2 & 1 > 2]", True),
    ("(2 > 1 | 1 > 2) & (1;%a%) > 0", True),
    ("((1;%a%)>(1;%b%))&((3;%a%)<(3;%b%))", True),
    ("((((1;%a%))))>1.5e0", True),
    ("(1;%sub_no-matrix%) > .5", True),
    (" ( 1 ; %a% )\n >\t( 1 ; %b% ) ", True),
]


@pytest.mark.parametrize("text, truth", BY_HAND)
def test_by_hand(text, truth):
    formula = parse(text)
    assert formula.holds(VALUES) is truth
    assert parse(str(formula)).holds(VALUES) is truth


def test_the_places_that_a_formula_speaks_of():
    terms = parse("(1;%a%) + (*;%b%) > 3 & (2;%a%) < 1").terms()
    assert [(term.region, term.condition, term.at) for term in terms] == [(1, "a", 1), ("*", "b", 11), (2, "a", 25)]


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "is empty"),
        ("(1;%a%)", "is a number and can't be true or false"),
        ("1 + 2", "is a number"),
        ("1 < 2 < 3", "at character 7: two comparisons in a row"),
        ("(1;%a% < 3", "at character 3: ';%a%' is no region"),
        ("(1;a) < 2", "at character 3"),
        ("(x;%a%) < 2", "at character 2"),
        ("1 & 2 < 3", "at character 3: '&' joins truths, and on its left stands a number"),
        ("1 < 2 & 3", "at character 9: '&' joins truths, and on its right stands a number"),
        ("1 < 2 + [3 < 4]", "at character 9: '[+]' joins numbers, and on its right stands a truth"),
        ("[1 < 2] < 3", "at character 9: '<' joins numbers, and on its left stands a truth"),
        ("[1 < 2", "at character 7: the '\\[' at 1 is not closed"),
        ("[1 < 2)", "at character 7: the '\\[' at 1 is not closed"),
        ("1 < 2]", "at character 6: ']' does not belong here"),
        ("1 2 < 3", "at character 3: '2' does not belong here"),
        ("< 2", "at character 1: a region, a number or a bracket is missing"),
        ("1 <", "at character 4: something is missing at the end"),
        ("1 ** 2 > 3", "at character 3: '\\*\\*' is no region"),
        ("1 == 1", "at character 4: a region, a number or a bracket is missing before '='"),
    ],
)
def test_malformed(text, said):
    with pytest.raises(InputError, match=said) as error:
        parse(text)
    assert "\n" not in str(error.value)


def test_unknown_places():
    known = {"a": frozenset({1, 2}), "b": frozenset({1})}
    parse("(2;%a%) < (*;%b%)").refuse_unknown(known)
    with pytest.raises(InputError, match=r"at character 11: the condition 'b' has no region 2; it has 1$"):
        parse("(2;%a%) < (2;%b%)").refuse_unknown(known)
    with pytest.raises(InputError, match=r"at character 1: there is no condition 'c'; there are a, b$"):
        parse("(1;%c%) < 3").refuse_unknown(known)


def test_equality_is_numpys():
    import numpy as np

    for left, right in [(3.0, 3.001), (3.0, 3.00104), (1e6, 1e6 + 10), (1e6, 1e6 + 11), (0.0, 1e-3), (0.0, 1.1e-3), (-5.0, -5.001)]:
        assert near(left, right) == np.isclose(left, right, rtol=1e-5, atol=1e-3)


numbers = st.one_of(
    st.floats(-99, 99, allow_nan=False).map(lambda x: Number(abs(x) if x == 0 else x)),
    st.builds(Term, st.one_of(st.just("*"), st.integers(1, 3)), st.sampled_from(["a", "b"])),
)
sums = st.recursive(numbers, lambda inner: st.builds(Operation, st.sampled_from("+-"), inner, inner), max_leaves=5)
comparisons = st.builds(Operation, st.sampled_from("<>="), sums, sums)
truths = st.recursive(comparisons, lambda inner: st.builds(Operation, st.sampled_from("&|"), inner, inner), max_leaves=4)


@given(truths)
def test_what_is_printed_is_read_again(root):
    assert parse(str(root)).root == root
    assert parse(str(root).replace(" ", "")).root == root
