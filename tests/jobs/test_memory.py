"""A batch never takes more than its budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonde.jobs import available, rows_within
from sonde.results import SondeError


@given(st.integers(1, 10**6), st.integers(0, 10**9))
def test_rows_fill_the_budget(bytes_per_row, spare):
    budget = bytes_per_row + spare
    rows = rows_within(bytes_per_row, budget)
    assert rows * bytes_per_row <= budget < (rows + 1) * bytes_per_row


def test_what_does_not_fit_is_said():
    with pytest.raises(SondeError, match=r"one row takes 2\.0 GB and only 1\.5 MB may be used"):
        rows_within(2_000_000_000, budget=1_500_000)


def test_the_default_is_half_of_what_is_free():
    assert 0 < available() < 10**15
    assert rows_within(1_000_000) == pytest.approx(available() / 2_000_000, rel=0.2)


def test_a_container_has_its_own_limit(tmp_path, monkeypatch):
    (tmp_path / "max").write_text("5000\n")
    (tmp_path / "current").write_text("2000\n")
    monkeypatch.setattr("sonde.jobs.memory.CGROUPS", [(str(tmp_path / "max"), str(tmp_path / "current"))])
    assert available() == 3000
    (tmp_path / "max").write_text("max\n")
    assert available() > 3000
