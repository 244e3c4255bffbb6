"""inseq, which explains what a language model generates; it takes texts, so that the model gets a tokenizer with a word for every token."""

import tempfile
from typing import Any

from bench.subjects import workload as w
from bench.subjects.trial import Trial


def occlusion(device: str) -> Trial:
    """The method "occlusion" of the logit of the target less that of the foil, at the token after the prompt."""
    import inseq
    import torch

    model, ids = w.model(device), w.tokens(1, w.SWEEP_POSITIONS, device)
    with tempfile.TemporaryDirectory() as folder:
        attributed = inseq.load_model(model, "occlusion", tokenizer=w.word_for_each(folder))
    words = " ".join(f"w{i}" for i in ids[0].tolist())

    def difference(args: Any) -> Any:
        logits = args.forward_output.logits[:, -1]
        return logits[:, w.TARGET] - logits[:, w.FOIL]

    inseq.register_step_function(fn=difference, identifier="difference", overwrite=True)

    def run() -> Any:
        made = attributed.attribute(words, f"{words} w{w.TARGET}", attributed_fn="difference", show_progress=False, pretty_progress=False)
        found = made.sequence_attributions[0].target_attributions
        return torch.as_tensor(found.sum(-1) if found.ndim == 3 else found)[: w.SWEEP_POSITIONS, 0]

    return Trial(run, lambda found: {"tokens": found.float()}, note="one forward for each token")


def integrated_gradients(device: str) -> Trial:
    """The method "integrated_gradients" of the logit of the target less that of the foil, at the token after the prompt."""
    import inseq
    import torch

    model, ids = w.model(device), w.tokens(1, w.SWEEP_POSITIONS, device)
    with tempfile.TemporaryDirectory() as folder:
        attributed = inseq.load_model(model, "integrated_gradients", tokenizer=w.word_for_each(folder))
    words = " ".join(f"w{i}" for i in ids[0].tolist())

    def difference(args: Any) -> Any:
        logits = args.forward_output.logits[:, -1]
        return logits[:, w.TARGET] - logits[:, w.FOIL]

    inseq.register_step_function(fn=difference, identifier="difference", overwrite=True)

    def run() -> Any:
        made = attributed.attribute(
            words, f"{words} w{w.TARGET}", attributed_fn="difference", n_steps=w.STEPS, internal_batch_size=10, show_progress=False,
            pretty_progress=False,
        )  # fmt: skip
        found = made.sequence_attributions[0].target_attributions
        return torch.as_tensor(found)[: w.SWEEP_POSITIONS, 0].sum(-1)

    return Trial(run, lambda values: {"tokens": values.float()}, note=f"{w.STEPS} steps, 10 at once, all logits")
