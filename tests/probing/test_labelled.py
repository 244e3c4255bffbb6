"""Examples: what is refused, what stays together, and what is said about a leak."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sonde.probing import Labelled, accuracy_of, commonest, divide, shared_texts
from sonde.results import InputError

WORDS = ["the key is", "the keys are", "a cup is", "a cups are"]


def words(**more):
    return Labelled.of(WORDS, ["one", "many", "one", "many"], spans=[[(4, 7)], [(4, 8)], [(2, 5)], [(2, 6)]], name="number", **more)


def test_classes_are_numbered_by_name_and_types_are_the_words():
    data = words()
    assert data.classes == ("many", "one")
    assert data.targets.tolist() == [1, 0, 1, 0]
    assert data.types == ("key", "keys", "cup", "cups")
    assert data.counts == {"many": 2, "one": 2}
    assert repr(data) == "Labelled 'number': 4 examples in 4 texts; many 2, one 2"


def test_numbers_and_truth_values():
    assert Labelled.of(WORDS, [0.5, 1.0, 2.5, 3.0]).classes == ()
    assert Labelled.of(WORDS, [True, False, True, True]).classes == ("False", "True")
    assert Labelled.of(WORDS, [10, 9, 10, 9]).classes == ("9", "10")
    assert Labelled.of(WORDS, torch.tensor([1, 0, 1, 0]), classes=["few", "many"]).counts == {"few": 2, "many": 2}


def test_a_pair_has_both_words():
    data = Labelled.of(["red cup"], [1, 0], text=[0, 0], spans=[[(0, 3), (4, 7)], [(4, 7), (0, 3)]])
    assert data.types == ("red\tcup", "cup\tred")


def test_equal_texts_stay_together_unless_told_otherwise():
    texts, targets = ["a b", "a b", "c d", "c d", "e f"], [0, 1, 0, 1, 1]
    assert Labelled.of(texts, targets).groups.tolist() == [0, 0, 1, 1, 2]
    data = Labelled.of(texts, targets, groups=range(5))
    assert data.notes == ("2 texts stand in several groups, such as 'a b': train and test may share them",)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"targets": ["one"] * 4}, "has one class only \\('one'\\)"),
        ({"spans": [[(0, 3)], [(0, 3)], [(0, 3)], [(2, 99)]]}, "example 3 of 'label' has the span 2 to 99, outside its text of length 10"),
        ({"spans": [[(0, 3)], [(0, 3)], [(3, 3)], [(0, 1)]]}, "example 2 of 'label' has the span 3 to 3"),
        ({"spans": [[(0, 3)], [], [(0, 3)], [(0, 1)]]}, r"examples of \[0, 1\] spans"),
        ({"spans": [[(0, 3)]]}, "4 targets for 4 examples with 1 spans"),
        ({"text": [0, 1, 2, 7]}, "has 4 texts, and an example of text 7"),
        ({"targets": ["a", None, "b", "b"]}, "has the target None"),
        ({"targets": [0.5, float("nan"), 1.0, 2.0]}, "must be finite numbers"),
        ({"targets": [0, 1, 2, 3], "classes": ["a", "b"]}, "a target outside them"),
        ({"targets": ["a", "b", "a", "b"], "classes": ["a", "b"]}, "with classes= the targets are their numbers"),
        ({"targets": ["a", "b", "a"]}, "3 targets for 4 examples"),
        ({"types": ["a"]}, "4 targets and 1 types"),
    ],
)
def test_bad_input_is_refused_by_name(more, message):
    with pytest.raises(InputError, match=message):
        Labelled.of(**{"texts": WORDS, "targets": ["a", "b", "a", "b"], **more})


def test_arrays_are_lists():
    data = Labelled.of(WORDS, np.array([1, 0, 1, 0]), groups=np.array([7, 7, 8, 9]))
    assert data.classes == ("0", "1")
    assert data.groups.tolist() == [0, 0, 1, 2]
    assert Labelled.of(WORDS, np.array([0.5, 1, 2, 3])).classes == ()


def test_one_text_is_no_list_of_them():
    with pytest.raises(InputError, match="'abc' is one text: give a list"):
        Labelled.of("abc", [0, 1, 0])


def test_nothing_is_refused():
    with pytest.raises(InputError, match="has no example"):
        Labelled.of([], [])


def test_select_by_number_and_by_truth():
    data = words()
    some = data.select(data.targets == 1)
    assert some.types == ("key", "cup")
    assert some.targets.tolist() == [1, 1]
    assert data.select([3, 0]).types == ("cups", "key")
    assert some.hash != data.hash == words().hash


@given(st.lists(st.integers(0, 6), min_size=2, max_size=40), st.integers(0, 5), st.sampled_from([0.1, 0.3, 0.5]))
def test_no_group_is_on_both_sides(groups, seed, share):
    groups = torch.tensor(groups)
    if len(groups.unique()) < 2:
        with pytest.raises(InputError, match="all examples are one group"):
            divide(groups, share, seed)
        return
    train, test = divide(groups, share, seed)
    assert len(train)
    assert len(test)
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(len(groups)))
    assert not set(groups[train].tolist()) & set(groups[test].tolist())


def test_the_share_is_of_the_examples():
    train, test = divide(torch.arange(1000) // 3, share=0.2, seed=1)
    assert len(test) / 1000 == pytest.approx(0.2, abs=0.003)
    train, test = words().split(share=0.5, seed=3)
    assert len(train) == len(test) == 2
    with pytest.raises(InputError, match=r"share=1\.5"):
        words().split(share=1.5)


def test_texts_that_two_sources_share():
    other = Labelled.of([*WORDS[2:], "new"], [1, 0, 1])
    assert shared_texts(words(), other) == WORDS[2:]
    assert shared_texts(words(), Labelled.of(["x", "y"], [0, 1])) == []


def test_the_commonest_class_of_a_key():
    keys, y = ["a", "a", "a", "b", "c", "b"], torch.tensor([1, 1, 0, 0, 1, 0])
    train, test = torch.tensor([0, 1, 2, 3]), torch.tensor([4, 5])
    assert commonest(keys, y, train, test).tolist() == [0, 0]  # c is new: both classes are as common, and the first is taken
    assert accuracy_of(keys, y, train, test) == 0.5
