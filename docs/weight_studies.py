"""The study in docs/methods/attention-only.md: what each layer of attention adds, on the generated text.

    python docs/weight_studies.py FOLDER [STEPS]

trains the models in FOLDER (an interrupted study goes on), and prints the loss by what stood before, the in-context scores and the verdicts.
"""

import sys

from sonde.evidence import t_interval
from sonde.weights import SmallConfig, attention_only


def main(folder: str, steps: str = "3000") -> None:
    """Print the tables in Markdown, and keep the study beside its models."""
    found = attention_only(config=SmallConfig(steps=int(steps)), folder=folder)
    drawn = found.by_kind().data
    print("| " + " | ".join(drawn["columns"]) + " |\n|" + " --- |" * len(drawn["columns"]))
    for name, *losses in drawn["rows"]:
        print(f"| {name} | " + " | ".join(f"{loss:.2f}" for loss in losses) + " |")
    for name, scores in zip(found.names, found.in_context, strict=True):
        low, high = t_interval(scores)
        print(f"{name}: in-context score {scores.mean():+.2f} ({low:+.2f} to {high:+.2f})")
    if found.scores is not None:
        print("; ".join(f"head {role.head} {role}" for role in found.scores.roles()) or "no head has a name")
    for heads, scores in zip([", ".join(found.heads), *["random heads"] * (len(found.without) - 1)], found.without, strict=True):
        print(f"without {heads}: {scores.mean():+.2f}")
    for verdict in found.verdicts:
        print(verdict.holds, verdict.claim, verdict.measured, verdict.control, verdict.interval, verdict.reason)
    found.save(f"{folder}/study")


if __name__ == "__main__":
    main(*sys.argv[1:])
