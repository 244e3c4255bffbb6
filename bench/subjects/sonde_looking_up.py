"""sonde's dataset examples."""

from typing import Any

from bench.subjects import looking_up as u
from bench.subjects.trial import Trial


def dataset_examples(device: str) -> Trial:
    """One pass."""
    import sonde
    from sonde.vision import dataset_examples as look_up

    model, pictures = sonde.load(u.network(device)), u.pictures()

    def run() -> Any:
        return look_up(
            model, pictures, u.LAYER, normalise="imagenet", top=u.TOP, levels=u.LEVELS, per_level=u.EACH, batch_size=u.BATCH
        )  # fmt: skip

    return Trial(run, answer=lambda found: {"most": found.most.value, "least": found.least.value}, note="receptive fields and crops included")
