"""What two sources share transfers, what only one has does not; classes are matched by name, and texts in both are named."""

from pathlib import Path

import pytest
import torch

import sonde
from sonde.probing import Labelled, States, Transfer, transfer, transfer_of
from sonde.results import InputError, Result


def source(directions: dict[str, torch.Tensor], classes: list[str], seed: int, n: int = 400) -> States:
    """Activations in which each class has its own direction."""
    draw = torch.Generator().manual_seed(seed)
    labels = [classes[int(i)] for i in torch.randint(len(classes), (n,), generator=draw)]
    x = torch.stack([directions[label] for label in labels]) + torch.randn(n, 10, generator=draw)
    return States.of({"site": x}, labels, name="class")


@pytest.fixture(scope="module")
def found() -> Transfer:
    draw = torch.Generator().manual_seed(121)
    shared, own = ({name: 3 * torch.randn(10, generator=draw) for name in "abc"} for _ in range(2))
    # the second language numbers its classes otherwise, and lacks one
    home = source(shared, ["a", "b", "c"], 122)
    return transfer_of(home, {"alike": source(shared, ["c", "a"], 123), "unlike": source(own, ["a", "b", "c"], 124)}, source="home")


def test_what_is_shared_transfers(found: Transfer) -> None:
    alike, unlike = (float(rows.mean()) for rows in found.abroad)
    assert alike > 0.9 and unlike < 0.6
    assert all(float(rows.mean()) > 0.9 for rows in (*found.natives, found.at_home))
    assert found.check()[0].holds is True
    assert "learnt on home, reads alike" in found.check()[0].claim


def test_is_kept_drawn_and_tabled(found: Transfer, tmp_path: Path) -> None:
    again = Result.load(found.save(tmp_path / "kept"))
    assert isinstance(again, Transfer)
    torch.testing.assert_close(again.abroad[1], found.abroad[1])
    assert found.to_frame()["judged_on"].to_list() == ["home", "alike", "unlike"]
    assert [series["name"] for series in found.drawing().data["series"]] == ["home, where it was learnt", "alike", "unlike"]


def test_runs_on_a_model_and_names_texts_in_both() -> None:
    model = sonde.load("specimen:words-small")

    def data(words: list[str]) -> Labelled:
        return Labelled.of(words, ["many" if word.endswith("s") else "one" for word in words], name="number", groups=list(range(len(words))))

    found = transfer(model, data(["key", "keys", "dog", "dogs", "cup", "cups"] * 3), data(["box", "keys", "book", "books"] * 4), sites="embed")
    assert any("'keys'" in note for note in found.notes)
    assert len(found.drawing().data["series"]) == 3 and len(found.check(model)) == 1


def test_bad_input_is_refused() -> None:
    x = torch.randn(30, 2)
    home = States.of(x, ["a", "b"] * 15)
    with pytest.raises(InputError, match="has the class 'z'"):
        transfer_of(home, {"other": States.of(x, ["a", "z"] * 15)})
    with pytest.raises(InputError, match="at the same sites"):
        transfer_of(home, {"other": States.of({"elsewhere": x}, ["a", "b"] * 15)})
    with pytest.raises(InputError, match="give both alike"):
        transfer_of(home, {"other": States.of(x, torch.randn(30))})


def test_a_translation_of_what_was_learnt_from_is_never_judged_on():
    """The sources share the numbers of their sentences, and one of them lacks some: each number is on one side in both."""
    draw = torch.Generator().manual_seed(0)
    y = torch.arange(60) % 2
    whole = States.of(torch.randn(60, 4, generator=draw), y, groups=torch.arange(60))
    some = whole.select(torch.randperm(60, generator=draw)[:41].sort().values)
    found = transfer_of(some, {"other": whole}, "some")
    judged_at_home, judged_abroad = set(found.home_groups.tolist()), set(found.groups[0].tolist())
    assert not judged_abroad & (set(some.data.groups.tolist()) - judged_at_home) and len(judged_abroad) > 5
