"""The benchmark's command line.

    python -m bench list
    python -m bench run ID|all [--json FILE] [--quick] [--device cuda]
    python -m bench readme

`run` keeps the result in bench/results/ID.json and writes bench/README.md anew; with --quick it only shows it.
"""

import argparse
import ast
import json
import sys
from pathlib import Path
from typing import Any

from bench import table
from bench.claims import claims
from bench.errors import BenchError
from bench.jobs import JOBS, Job
from bench.measure import measure
from bench.subjects.blimp import DATA
from sonde.results import SondeError

QUICK = 2  # repeats
# commands of their own
OTHERS = (
    "dashboards",
    "dictionary_formats",
    "ekfac_wide",
    "exact_edges",
    "explain",
    "influence_stream",
    "influence",
    "nulls",
    "placebos",
    "recovery",
    "shapley_error",
    "stories260k",
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures sonde beside its peers.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the jobs, and the other commands in bench/")
    run = commands.add_parser("run", help="measure a job, or all of them")
    run.add_argument("id", help="a job's id, or 'all'")
    run.add_argument("--json", type=Path, metavar="FILE", help="write the result there too (of 'all': a list)")
    run.add_argument("--quick", action="store_true", help=f"{QUICK} repeats, keep nothing")
    run.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="on cuda wall seconds are measured, and nothing is kept but in --json")
    commands.add_parser("readme", help="write bench/README.md from the results")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "list":
            _list()
        elif chosen.command == "readme":
            table.write()
        else:
            _run(_chosen(chosen.id), chosen.json, chosen.quick, chosen.device)
    except SondeError as error:
        print(f"bench {chosen.command}: {error}", file=sys.stderr)
        return 2
    return 0


def _chosen(job: str) -> list[Job]:
    if job != "all" and job not in JOBS:
        raise BenchError(f"{job!r} is no job; the jobs are all, {', '.join(JOBS)}")
    if job != "all":
        if lacking := _lacking(JOBS[job]):
            raise BenchError(f"{job} needs {', '.join(lacking)} in {DATA}, which is not there; set SONDE_DATA")
        return [JOBS[job]]
    for one in JOBS.values():
        if lacking := _lacking(one):
            print(f"{one.id} is left out: no {', '.join(lacking)} in {DATA}; set SONDE_DATA", file=sys.stderr)
    return [one for one in JOBS.values() if not _lacking(one)]


def _lacking(job: Job) -> list[str]:
    """The shared data that a job needs and that are not here."""
    return [name for name in job.data if not (DATA / name).is_dir()]


def _list() -> None:
    for job in JOBS.values():
        print(f"{job.id:15}  {job.task} ({', '.join(job.subjects)})")
    print()
    for name in OTHERS:
        about = ast.get_docstring(ast.parse((table.FOLDER / f"{name}.py").read_text(encoding="utf-8"))) or ""
        print(f"python -m bench.{name:12}  {about.splitlines()[0]}")


def _run(jobs: list[Job], file: Path | None, quick: bool, device: str) -> None:
    found = []
    for job in jobs:
        result = measure(job, QUICK if quick else job.repeats, device)
        found.append(result)
        _show(job, result)
        if not quick and device == "cpu":
            _write(table.RESULTS / f"{job.id}.json", result)
            table.write()
    if file is not None:
        _write(file, found if len(jobs) > 1 else found[0])


def _write(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _show(job: Job, result: dict[str, Any]) -> None:
    print(f"{job.id}: {job.task}" + ("" if result["floor"] is None else f"; floor {result['floor']:.3g} s"))
    for row in result["rows"]:
        low, high = row["interval"]
        difference = "" if row["difference"] is None else f", differs by {row['difference']:.1e}"
        print(
            f"  {row['subject']:17} {row['value']:8.3g} {row['unit']} ({low:.3g} to {high:.3g}), {row['peak_mb']:.0f} MB{difference}  {row['note']}"
        )
    for claim in claims(job, result):
        print(f"  {'holds' if claim.holds else 'FAILS' if claim.holds is False else 'not tested'}: {claim.text}: {claim.measured}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
