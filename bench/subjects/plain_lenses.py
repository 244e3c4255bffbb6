"""Lenses as a page of PyTorch has them, with the hidden states that transformers gives."""

from typing import Any

from bench.subjects import lenses
from bench.subjects import workload as w
from bench.subjects.trial import Trial


def logit_lens(device: str) -> Trial:
    """Every hidden state through the final norm (the last one has gone through it) and the unembedding, and the best tokens of each."""
    read = reader(device)
    return Trial(lambda: lenses.best(read()), lambda found: {"logits": found})


def reader(device: str) -> Any:
    """What gives the logits of one layer after the other."""
    import torch

    model, ids = w.model(device), w.tokens(1, lenses.POSITIONS, device)

    @torch.no_grad()
    def run() -> Any:
        output = model(ids, output_hidden_states=True, use_cache=False)
        for h in output.hidden_states[:-1]:
            yield model.lm_head(model.transformer.ln_f(h))
        yield output.logits

    return run


def tuned_lens(device: str) -> Trial:
    """A linear layer for each hidden state, gradients by autograd."""
    import torch

    model = w.model(device)

    def run() -> Any:
        translators = torch.nn.ModuleList(torch.nn.Linear(w.D_MODEL, w.D_MODEL) for _ in range(w.LAYERS))
        for weights in translators.parameters():
            torch.nn.init.zeros_(weights)
        return lenses.trained(
            model, device, lambda h, i: model.lm_head(model.transformer.ln_f(h + translators[i](h))), translators.parameters()
        )  # fmt: skip

    return Trial(run, lambda losses: {"losses": losses}, note=_tokens())


def _tokens() -> str:
    return f"{lenses.STEPS * lenses.ROWS * lenses.POSITIONS:,} tokens"
