"""What the laboratory of attention finds on generated texts and on film reviews.

    python -m bench.attention [--sst2 FOLDER] [--folder FOLDER] [--json FILE]

On the marker texts of `sonde.attribution.attention`, where it is known which word decides, and, where the folder with the published files of SST-2
is given, on its first 3,000 sentences. What is finished is kept, so that an interrupted run goes on; together it takes about ten minutes of one core.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import sonde
from bench.table import RESULTS
from sonde.attribution.attention import AttentionClassifier, Corpus, Setting, marker_texts, read_sst2, study
from sonde.attribution.attention.texts import one_hot
from sonde.results.drawing import evidence

MARKER = Setting(d_embed=32, d_hidden=32, lr=5e-3)
REVIEWS = Setting(epochs=4)
TEXTS = 200  # that are looked at one by one
STRENGTHS = (1e-3, 1e-2, 1e-1)

Row = dict[str, Any]


def main(arguments: list[str] | None = None) -> None:
    """Run, keep and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.attention", description="Runs the laboratory of attention.")
    parser.add_argument("--sst2", type=Path, metavar="FOLDER", help="with train.tsv and test.tsv; left out where it is not given")
    parser.add_argument("--folder", type=Path, default=Path("build/attention"), help="where finished parts are kept (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", default=RESULTS / "attention.json", help="the figures (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    jobs = [(marker_texts(1000, 1000), MARKER)]
    if chosen.sst2 is not None:
        jobs.append((read_sst2(chosen.sst2, n_train=3000), REVIEWS))
    kept = json.loads(chosen.json.read_text(encoding="utf-8")) if chosen.json.is_file() else {"job": "attention", "figures": {}, "verdicts": {}}
    for corpus, setting in jobs:
        rows, kept["verdicts"][corpus.name] = measured(corpus, setting, chosen.folder / corpus.name)
        kept["figures"][corpus.name] = rows
        chosen.json.write_text(json.dumps(kept | {"sonde_version": sonde.__version__}, indent=1) + "\n", encoding="utf-8")
        for row in rows:
            print(f"| {corpus.name} | {row['figure']} | {row['of']} | {row['value']:.3f} |", flush=True)


def measured(corpus: Corpus, setting: Setting, folder: Path) -> tuple[list[Row], list[Row]]:
    """The figures of one corpus (what they are, of which network or weights, and their value), and the verdicts."""
    found = study(corpus, setting=setting, seeds=3, n=TEXTS, strengths=STRENGTHS, folder=folder, progress=True)
    names = ["base", "seed-1", "seed-2", "seed-3"]
    networks = {name: AttentionClassifier.load(folder / "networks" / name) for name in names}
    where = [row for name, network in networks.items() for row in deciding(corpus, name, network)]
    return found.to_frame().to_dicts() + where, [evidence(verdict) for verdict in found.check(networks["base"])]


def deciding(corpus: Corpus, name: str, network: AttentionClassifier) -> list[Row]:
    """The mean weight on the word that decides, class by class; nothing where that word is not known."""
    if corpus.test.deciding is None:
        return []
    attended = network.attend(corpus.test)
    weight = (attended.weights * one_hot(corpus.test)).sum(1)
    means = [float(weight[attended.labels == cls].mean()) for cls in range(len(corpus.classes))]
    return [{"figure": f"weight on the deciding word, {cls}", "of": name, "value": mean} for cls, mean in zip(corpus.classes, means, strict=True)]


if __name__ == "__main__":
    main()
