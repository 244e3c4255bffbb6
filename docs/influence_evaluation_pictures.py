"""The pictures in the docs on judging influence: pictures beside pictures, the removal curve, agreement beside its ceiling.

    python docs/influence_evaluation_pictures.py [FOLDER]

Trains the small network on digits some hundred times (about two minutes); FOLDER keeps finished trainings. Needs Playwright and a Chromium (in
`SONDE_CHROMIUM`, or on the path).
"""

import sys
from pathlib import Path

from photographs import photographed

from sonde.influence import CrossEntropy, evaluate, fit, pictures, problem, stability, trained

ASKED = 3  # of the pictures to ask about, the one with the highest loss first


def main(folder: str | None = None) -> None:
    """Write `docs/images/influence-evaluation-pictures.png`, `-removal.png`, `-lds.png`."""
    digits = problem("digits-mlp")
    module = trained(digits.training, digits.train_set)
    scores = fit(module, digits.train_set, CrossEntropy()).scores(digits.query)
    hardest = scores.query_values.argsort(descending=True)[:ASKED].tolist()
    found = evaluate(digits, subsets=100, seeds=5, left_out=0, removed=(5, 10, 20, 50, 100), folder=None if folder is None else Path(folder))
    assert found.removal is not None and found.removal.flips is not None
    kinds = {
        "pictures": pictures(scores, digits.train_set[0], digits.query[0], digits.picture, queries=hardest[:1]),
        "removal": found.removal.drawing(), "lds": found.lds.drawing(),
    }  # fmt: skip
    photographed(kinds, "influence-evaluation")
    print(found.lds, *found.verdicts(), sep="\n")
    for k, rise, flips in zip(found.removal.ks, found.removal.rise.mean(-1).T.tolist(), found.removal.flips.mean(-1).T.tolist(), strict=True):
        print(
            f"without {k}:", ", ".join(f"{name} {a:+.3f} nats, {b:.0%} flip" for name, a, b in zip(found.removal.methods, rise, flips, strict=True))
        )
    ahead = (found.removal.rise[0] > found.removal.rise[1]).sum(-1).tolist()
    print("queries that lose more than by nearest neighbours:", dict(zip(found.removal.ks, ahead, strict=True)))
    influence, decay = fit(module, digits.train_set, CrossEntropy()), digits.training.decay
    dampings = {"a tenth of the mean": scores, "the weight decay": influence.with_damping(decay).scores(digits.query)}
    assert found.stability is not None and found.mislabelled is not None
    print(
        found.stability.to_frame(),
        stability(dampings).to_frame(),
        found.concentration.to_frame().group_by("top", maintain_order=True).mean(),
        sep="\n",
    )
    print("area of wrong labels", dict(zip(found.mislabelled.methods, found.mislabelled.auc, strict=True)))


if __name__ == "__main__":
    main(*sys.argv[1:])
