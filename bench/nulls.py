"""How often does a claim of `sonde explain` hold where nothing was learnt?

    python -m bench.nulls [SEEDS]

The shipped specimen with the entries of every weight shuffled, one copy for each seed, explains three prompts with the answers that the trained
model would give. Printed are the claims that hold, out of all that were made; there should be none, or hardly one in a hundred.
"""

import sys
from collections import Counter

import sonde
from sonde.evidence import permuted

PROMPTS = {
    "When Mary and John went to the shop, John gave a book to": (" Mary", " John"),
    "The keys on the cabinet": (" are", " is"),
    "The capital of France is": (" Paris", " Rome"),
}


def main(seeds: int = 20) -> None:
    """Print the count of every verdict, by claim."""
    model = sonde.load("specimen:words")
    counts: Counter[str] = Counter()
    held: list[str] = []
    for seed in range(seeds):
        broken = sonde.Model(permuted(model.module, seed), model.tokenizer)
        for prompt, (target, foil) in PROMPTS.items():
            for verdict in sonde.explain(broken, prompt, target=target, foil=foil, seed=seed).verdicts:
                counts[{True: "holds", False: "does not hold", None: "not tested"}[verdict.holds]] += 1
                held += [f"seed {seed}, {prompt!r}: {verdict.claim}"] if verdict.holds else []
    print(f"{seeds} shuffled models, {len(PROMPTS)} prompts each, {counts.total()} claims")
    for answer in ("holds", "does not hold", "not tested"):
        print(f"{answer:>14}: {counts[answer]}")
    print("\n".join(held))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
