"""sonde's lenses."""

from bench.subjects import lenses
from bench.subjects import workload as w
from bench.subjects.trial import Trial


def logit_lens(device: str) -> Trial:
    """`logit_lens`, with all that its result holds: ranks, entropies and divergences, too."""
    import sonde

    model, ids = sonde.load(w.model(device)), w.tokens(1, lenses.POSITIONS, device)
    return Trial(
        lambda: sonde.lens.logit_lens(model, ids, k=lenses.K),
        lambda found: {"logits": found.logit[:, 0]},
        note="with ranks, entropies and divergences",
    )


def tuned_lens(device: str) -> Trial:
    """`train` with the peer's optimiser."""
    import torch

    import sonde

    model, given = sonde.load(w.model(device)), lenses.rows(device).tolist()
    config = sonde.lens.TunedTraining(
        steps=lenses.STEPS, tokens=lenses.ROWS * lenses.POSITIONS, optimiser="sgd", weight_decay=lenses.DECAY, clip=lenses.CLIP
    )

    def answer(lens: sonde.lens.TunedLens) -> dict[str, torch.Tensor]:
        return {"losses": torch.tensor([lens.log[layer][-1] for layer in lens.layers])}

    return Trial(lambda: sonde.lens.train(model, given, config), answer, note=f"{lenses.STEPS * lenses.ROWS * lenses.POSITIONS:,} tokens")
