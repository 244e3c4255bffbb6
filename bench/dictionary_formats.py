"""Are dictionaries the same function in sonde and in the program whose format they are in?

    python -m bench.dictionary_formats [PEER ...] [--json FILE]

Each peer makes dictionaries of every kind that it knows, with random weights, and says what they write for the same activations; sonde reads them.
What sonde then writes for SAELens, SAELens reads. The figures are the largest difference over the largest output; above 1e-5 the command fails.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from bench.environments import ROOT, interpreter
from bench.errors import BenchError
from bench.jobs import DICTIONARIES
from bench.table import RESULTS
from sonde.dictionaries import read, write
from sonde.results import InputError

MOST = 1e-5

Row = dict[str, str | float | None]


def main(arguments: list[str] | None = None) -> int:
    """Compare, keep and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.dictionary_formats", description="Compares dictionaries in sonde and in other programs.")
    parser.add_argument("peers", nargs="*", default=DICTIONARIES, metavar="PEER", help=f"whose: {', '.join(DICTIONARIES)} (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", default=RESULTS / "dictionary-formats.json", help="where the figures are kept")
    chosen = parser.parse_args(arguments)
    rows = [row for peer in chosen.peers for row in compared(peer)]
    chosen.json.write_text(json.dumps({"job": "dictionary-formats", "at_most": MOST, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    for row in rows:
        read_back = row["written"] if isinstance(row["written"], str) else f"{row['written']:.1e}"
        print(f"{row['peer']:20} {row['kind']:26} read {row['read']:.1e}, written for SAELens {read_back}")
    far = [row for row in rows for figure in (row["read"], row["written"]) if isinstance(figure, float) and not figure <= MOST]
    return 1 if far else 0


def compared(peer: str) -> list[Row]:
    """How far apart the two are, for each kind of dictionary of a peer: as read, and as written again."""
    with tempfile.TemporaryDirectory() as made, tempfile.TemporaryDirectory() as ours:
        _run(peer, "make", made)
        rows: list[Row] = []
        for file in sorted(Path(made).glob("*.safetensors")):
            known, dictionary = load_file(file), read(Path(made) / file.stem)
            save_file({"x": known["x"]}, Path(ours) / "x.safetensors")
            row: Row = {"peer": peer, "kind": file.stem, "read": _apart(dictionary.reconstruct(known["x"]), known["y"]), "written": "refused"}
            try:
                write(dictionary, Path(ours) / file.stem)
                row["written"] = None
            except InputError as refused:
                row["written"] = f"refused: {str(refused).split(':')[1].split(';')[0].strip()}"
            rows.append(row)
        _run("sae-lens", "answer", ours)
        for row in rows:
            if row["written"] is None:
                answer = load_file(Path(ours) / str(row["kind"]) / "answer.safetensors")["y"]
                row["written"] = _apart(answer, load_file(Path(made) / f"{row['kind']}.safetensors")["y"])
    return rows


def _apart(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


def _run(peer: str, do: str, folder: str) -> None:
    command = [interpreter(peer), "-m", "bench.subjects.dictionary_files", peer, do, folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{peer} fails to {do} dictionaries: {(done.stderr.strip() or 'no word of why').splitlines()[-1]}")


if __name__ == "__main__":
    sys.exit(main())
