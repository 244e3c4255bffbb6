"""bench/README.md, made from the results: nothing in it is written by hand but what stands in this file."""

import json
from pathlib import Path
from typing import Any

from bench.claims import claims
from bench.jobs import JOBS

FOLDER = Path(__file__).parent
RESULTS, README = FOLDER / "results", FOLDER / "README.md"

HEAD = """# Benchmarks

Every claim of speed, measured beside the libraries that people use, in one run. `python -m bench readme` writes this page from `bench/results`.

```sh
python -m bench list              # the jobs
python -m bench run all           # measure, keep the results, write this page; acdc and exact-edges take long, ask for IDs one by one
python -m bench run ID --quick    # few repeats, nothing kept
```

- **The network** is a GPT-2 small with random weights from transformers, float32, one thread: the figures are about machinery, not about a model.
- **Peers** (`bench/peers.toml`) are used in their documented way, each in an environment of its own that is made from PyPI at its first use.
  A peer that makes one forward for each cell of a sweep is timed on some cells and multiplied; its row says so. sonde does the whole
  job, but for exact-edges, of which `python -m bench.exact_edges` does all.
- **Before it is timed** each subject's numbers are compared with those of hooks written by hand; *difference* is the largest one.
  A subject whose numbers are others is not timed.
- **Time** is processor seconds, which other programs on the machine disturb little: the median over repeats that take turns, in brackets the
  least and the greatest repeat; where a sample of a job's cells stands for all, widened by 1.96 of the sample's standard errors. *Peak memory* is
  that of the whole process during the first repeat (resident, with weights and libraries), in brackets what of it came with the job.
- **The floor** of a job is the arithmetic that it cannot avoid (`bench/arithmetic.py`) at the rate of matrix products measured in the same
  run, or the bare forward.
"""


def results(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """What was measured last, in the order of the jobs."""
    kept = (folder / f"{job}.json" for job in JOBS)
    return [json.loads(path.read_text(encoding="utf-8")) for path in kept if path.is_file()]


def beside(folder: Path = RESULTS) -> str:
    """What sonde was measured at by itself, at full size: the whole of exact-edges, and ACDC's decisions made again by hand."""
    lines = []
    if (whole := folder / "exact_edges.json").is_file():
        found = json.loads(whole.read_text(encoding="utf-8"))
        edges, seconds = sum(block["edges"] for block in found["blocks"]), found["cpu_s"]
        most = JOBS["exact-edges"].at_most
        lines += [
            "## exact-edges, once in full", "", f"`python -m bench.exact_edges`; {found['machine']}.", "",
            f"All {edges:,} edges, one after the other: {seconds:,.0f} CPU s ({1000 * seconds / edges:.0f} ms an edge), where {most:,} are allowed"
            f"{'' if seconds <= most else ': **missed**'}; at most {max(block['above_mb'] for block in found['blocks']):.0f} MB above the loaded "
            "model.", "",
        ]  # fmt: skip
    if (replay := folder / "acdc-replay.json").is_file():
        found = json.loads(replay.read_text(encoding="utf-8"))
        lines += [
            "## acdc, replayed by hand", "", "`python -m bench.acdc_replay`", "",
            f"Of {found['edges']:,} decisions {found['replayed']} were drawn and made again by two whole forwards each, with none of the shortcuts: "
            f"{found['same']} are the same, and the changes differ by {found['largest difference of a change']:.0e} at most. The search visited "
            f"{found['states']:,} states in {found['passes']} passes, and kept {found['kept']} edges.", "",
        ]  # fmt: skip
    if (wide := folder / "ekfac-wide.json").is_file():
        lines += _counted(json.loads(wide.read_text(encoding="utf-8")))
    if (stream := folder / "influence-stream.json").is_file():
        lines += _searched(json.loads(stream.read_text(encoding="utf-8")))
    for file in sorted(folder.glob("influence-*.json")):
        found = json.loads(file.read_text(encoding="utf-8"))
        if "lds_ceiling" in found:
            lines += _judged(found)
    return "\n".join(lines)


def _counted(found: dict[str, Any]) -> list[str]:
    """The operations of EK-FAC in a wide block, by library."""
    lines = [
        "## ekfac-wide", "", "`python -m bench.ekfac_wide`", "",
        "Operations for one sequence of 128 tokens in one block as wide as GPT-2 small, counted by PyTorch, the model's own pass included.", "",
        "| stage | sonde, GFLOP | kronfluence, GFLOP | times fewer | claimed | holds |", "| --- " * 6 + "|",
    ]  # fmt: skip
    for stage, claimed in found["fewer"].items():
        ours, theirs = found["gflop"]["sonde"][stage], found["gflop"]["kronfluence"][stage]
        holds = "yes" if theirs / ours >= claimed else "**no**"
        lines.append(f"| {stage} | {ours:.1f} | {theirs:.1f} | {theirs / ours:.2f} | {claimed:g} | {holds} |")
    return [*lines, ""]


def _searched(found: dict[str, Any]) -> list[str]:
    """What searches of training sets of several sizes cost."""
    lines = [
        "## influence-stream", "", f"`python -m bench.influence_stream`; {found['machine']}.", "",
        "The 50 sequences of 16 tokens that bear most on each of 10 queries, by EK-FAC; the sequences are made when they are asked for.", "",
        "| sequences | CPU s | CPU ms a sequence | peak MB | load |", "| --- " * 5 + "|",
    ]  # fmt: skip
    for row in found["rows"]:
        each = 1000 * row["cpu_s"] / row["sequences"]
        lines.append(
            f"| {row['sequences']:,} | {row['cpu_s']:.1f} | {each:.2f} | {row['peak_mb']:.0f} ({row['above_mb']:+.0f}) | {row['load']:.0f} |"
        )
    return [*lines, ""]


def _judged(found: dict[str, Any]) -> list[str]:
    """How well scores of training examples foretell training again, by library."""
    name, lds, loo = found["job"].removeprefix("influence-"), found["lds_ceiling"]["bound"], found["loo_ceiling"]
    alone = f", and without single examples (Pearson's beside it; {loo['bound']:.3f} at most)" if loo else ""
    lines = [
        f"## {found['job']}", "", f"`python -m bench.influence {name}`; {found['machine']}.", "",
        f"{found['problem']} {found['training']}; accuracy {found['accuracy']:.2f}. Means over 100 queries of rank correlations with training again: "
        f"on halves (LDS; none can exceed {lds:.3f} but by chance){alone}. *Damping*: the library's default, a tenth of the mean eigenvalue "
        "(mean), or the weight decay; none was chosen on these scores.", "",
        "| library | version | method | damping | LDS | leave-one-out | CPU s |", "| --- " * 7 + "|",
    ]  # fmt: skip
    for row in found["rows"]:
        told = f"{row.get('missing', '')} | |"
        if "lds" in row:
            low, high = row["interval"]
            one = f"{row['loo_spearman']:.3f} / {row['loo_pearson']:.3f}" if "loo_spearman" in row else ""
            told = f"{row['lds']:.3f} ({low:.3f} to {high:.3f}) | {one} | {row['cpu_s']:.1f}"
        lines.append(f"| {row['subject']} | {row['version']} | {row['method']} | {row['damping']} | {told} |")
    lines += ["", "Query by query:", ""]
    lines += [
        f"- {pair['ours']} minus {pair['theirs']}: {pair['mean']:+.4f} ({pair['interval'][0]:+.4f} to {pair['interval'][1]:+.4f})"
        for pair in found["paired"]
    ]
    return [*lines, ""]


def page(found: list[dict[str, Any]], more: str = "") -> str:
    """The page.

    Arguments:
        found: the results.
        more: what stands beneath them.
    """
    return "\n".join([HEAD, _summary(found), *(_section(result) for result in found), *([more] if more else [])])


def _summary(found: list[dict[str, Any]]) -> str:
    lines = ["## Claims", "", "| job | claim | measured | holds |", "| --- | --- | --- | --- |"]
    words = {True: "yes", False: "**no**", None: "not tested"}
    for result in found:
        for claim in claims(JOBS[result["job"]], result):
            lines.append(f"| {result['job']} | {claim.text} | {claim.measured} | {words[claim.holds]} |")
    return "\n".join([*lines, ""]) if found else "Nothing was measured yet.\n"


def _section(result: dict[str, Any]) -> str:
    lines = [
        f"## {result['job']}",
        "",
        f"{JOBS[result['job']].task[0].upper()}{JOBS[result['job']].task[1:]}.",
        f"{result['machine']}.{_floor(result)}",
        "",
    ]
    ours = next(row["value"] for row in result["rows"] if row["subject"] == "sonde")
    unit = result["rows"][0]["unit"]
    lines += [
        f"| subject | version | {unit} | times what sonde takes | wall s | peak MB | difference | repeats | load | remarks |",
        "| --- " * 10 + "|",
    ]
    for row in result["rows"]:
        low, high = row["interval"]
        times = "" if row["subject"].startswith("sonde") else f"{row['value'] / ours:.2f} x"
        difference = "" if row["difference"] is None else f"{row['difference']:.1e}"
        memory = f"{row['peak_mb']:.0f}" + (f" ({row['above_mb']:+.0f})" if "above_mb" in row else "")
        time = f"{row['value']:.3g} ({low:.3g} to {high:.3g})"
        lines.append(
            f"| {row['subject']} | {row['version']} | {time} | {times} | {row['wall_s']:.3g} | {memory} | {difference} "
            f"| {row['repeats']} | {row['load']:.1f} | {row['note']} |"
        )
    lines += [f"\nNot measured: {subject} ({reason})." for subject, reason in result["missing"].items()]
    return "\n".join([*lines, ""])


def _floor(result: dict[str, Any]) -> str:
    if result["gflop"] is not None:
        return f" Floor: {result['floor']:.3g} s ({result['gflop']:g} GFLOP at {result['gflop_per_s']:.0f} GFLOP/s)."
    return "" if result["floor"] is None else f" Floor: the bare forward, {result['floor']:.3g} s."


def write(folder: Path = RESULTS, readme: Path = README) -> None:
    """Write the page anew.

    Arguments:
        folder: with the results.
        readme: the page.
    """
    readme.write_text(page(results(folder), beside(folder)), encoding="utf-8")
