"""The page is what the generator makes of the results that are kept, and those follow their schema."""

import json

import jsonschema
import pytest

from bench import table
from bench.__main__ import main
from bench.claims import claims
from bench.jobs import JOBS

SCHEMA = json.loads((table.FOLDER / "result.schema.json").read_text(encoding="utf-8"))
KEPT = [path for path in sorted(table.RESULTS.glob("*.json")) if path.stem in JOBS]

ROW = {
    "subject": "sonde", "version": "0.1.0", "value": 1.0, "unit": "CPU s", "interval": [0.9, 1.2], "cpu_s": 1.0, "wall_s": 1.1, "peak_mb": 1000.0,
    "repeats": 3, "load": 0.1, "difference": 0.0, "note": "",
}  # fmt: skip
RESULT = {
    "job": "run-nothing", "machine": "a machine", "rows": [{**ROW, "subject": "plain", "value": 0.5}, ROW], "floor": 0.5, "gflop": None,
    "gflop_per_s": None, "missing": {"pyvene": "pyvene: broken"},
}  # fmt: skip


def test_the_page_is_made_of_the_results():
    assert table.README.read_text(encoding="utf-8") == table.page(table.results(), table.beside()), "run: python -m bench readme"


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_kept_results_follow_the_schema(path):
    result = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(result, SCHEMA)
    assert result["job"] == path.stem


def test_the_schema_refuses_what_is_no_result():
    jsonschema.validate(RESULT, SCHEMA)
    for broken in ({**RESULT, "rows": []}, {**RESULT, "extra": 1}, {**RESULT, "rows": [{**ROW, "unit": "parsecs"}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, SCHEMA)


def test_a_page():
    page = table.page([RESULT])
    assert "| run-nothing | at most 1.02 x the bare forward | 2.000 x | **no** |" in page
    assert "| plain | 0.1.0 | 0.5 (0.9 to 1.2) | 0.50 x |" in page
    assert "Not measured: pyvene (pyvene: broken)." in page
    assert "Nothing was measured yet" in table.page([])


def test_claims_about_memory_and_about_a_way_of_sonde_s():
    memory = claims(JOBS["ekfac-memory"], {**RESULT, "rows": [{**ROW, "peak_mb": 1699.0}]})
    assert [claim.holds for claim in memory] == [True]
    rows = [{**ROW, "value": 8.0}, {**ROW, "subject": "sonde, index", "value": 1.1}, {**ROW, "subject": "kronfluence", "value": 10.0}]
    ahead, index = claims(JOBS["ekfac-pairwise"], {**RESULT, "rows": rows})
    assert ahead.holds and index.holds is False and index.measured == "0.110 x"
    assert claims(JOBS["ekfac-pairwise"], {**RESULT, "rows": rows[:2]})[1].holds is None


def test_list_names_every_job(capsys):
    assert main(["list"]) == 0
    told = capsys.readouterr().out
    assert all(job in told for job in JOBS) and "bench.stories260k" in told


def test_an_unknown_job_is_one_line(capsys):
    assert main(["run", "tea"]) == 2
    assert capsys.readouterr().err.startswith("bench run: 'tea' is no job; the jobs are all, sweep-residual")
