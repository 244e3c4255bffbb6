"""Work in pieces: every piece once, whatever happens in between."""

import pytest
import torch

from sonde.jobs import InProcess, shards
from sonde.results import LoadError, SondeError


def square(seen):
    def work(n):
        seen.append(n)
        return {"square": torch.tensor(n * n)}

    return work


def test_each_piece_is_computed_once_and_in_order():
    seen = []
    assert [(i, result["square"].item()) for i, result in shards(square(seen), [5, 7, 9])] == [(0, 25), (1, 49), (2, 81)]
    assert seen == [5, 7, 9]


def test_what_was_interrupted_goes_on(tmp_path):
    seen = []

    def failing(n):
        if n == 9 and len(seen) < 3:
            seen.append("stopped")
            raise KeyboardInterrupt
        return square(seen)(n)

    done = []
    with pytest.raises(KeyboardInterrupt):
        done += shards(failing, [5, 7, 9, 11], tmp_path / "job", "key")
    assert seen == [5, 7, "stopped"]
    assert {i: result["square"].item() for i, result in shards(failing, [5, 7, 9, 11], tmp_path / "job", "key")} == {0: 25, 1: 49, 2: 81, 3: 121}
    assert seen == [5, 7, "stopped", 9, 11]
    # and once more: nothing is left to do
    assert len(list(shards(failing, [5, 7, 9, 11], tmp_path / "job", "key"))) == 4
    assert seen == [5, 7, "stopped", 9, 11]


def test_pieces_of_another_job_are_refused(tmp_path):
    list(shards(square([]), [5], tmp_path / "job", "one"))
    with pytest.raises(SondeError, match="holds pieces of another job"):
        list(shards(square([]), [5], tmp_path / "job", "two"))


def test_a_damaged_piece_is_refused(tmp_path):
    list(shards(square([]), [5], tmp_path / "job", "key"))
    file = tmp_path / "job" / "000000" / "tensors.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(LoadError, match="was changed after it was written"):
        list(shards(square([]), [5], tmp_path / "job", "key"))


def test_another_executor_may_give_results_in_any_order():
    class Backwards(InProcess):
        def map(self, work, items):
            return reversed(list(super().map(work, items)))

    found = shards(square([]), [5, 7], executor=Backwards())
    assert [(i, result["square"].item()) for i, result in found] == [(1, 49), (0, 25)]
