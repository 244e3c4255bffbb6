"""tuned-lens: its lenses, and the steps of its training loop."""

from typing import Any

from bench.subjects import lenses
from bench.subjects import workload as w
from bench.subjects.trial import Trial


def logit_lens(device: str) -> Trial:
    """Its `LogitLens` on every hidden state, and the best tokens of each."""
    import torch
    from tuned_lens.nn.lenses import LogitLens

    model, ids = w.model(device), w.tokens(1, lenses.POSITIONS, device)
    lens = LogitLens.from_model(model)

    @torch.no_grad()
    def run() -> Any:
        output = model(ids, output_hidden_states=True, use_cache=False)
        return lenses.best([*(lens(h, i) for i, h in enumerate(output.hidden_states[:-1])), output.logits])

    return Trial(run, lambda found: {"logits": found})


def tuned_lens(device: str) -> Trial:
    """Its `TunedLens`."""
    from tuned_lens.nn.lenses import TunedLens

    model = w.model(device)

    def run() -> Any:
        lens = TunedLens.from_model(model)
        return lenses.trained(model, device, lens, lens.layer_translators.parameters())

    note = f"{lenses.STEPS * lenses.ROWS * lenses.POSITIONS:,} tokens; in float32, where its own loop autocasts to bfloat16"
    return Trial(run, lambda losses: {"losses": losses}, note=note)
