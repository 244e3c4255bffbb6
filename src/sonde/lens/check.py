"""Is the answer really readable from a layer on? Tested over sibling prompts, against the same states turned at random.

A rotation keeps every length and angle among states and destroys only their relation to the unembedding. Reading turned states tells target
from foil half of the time; a layer from which the answer is readable beats that.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, random_rotation, untestable
from sonde.lens.logit import layer_site, read_out
from sonde.results import Verdict
from sonde.tasks import Task

CLAIM = "The answer can be read from the residual stream by the unembedding."
MEASURE = "share of prompts in which the layer, read through the unembedding, puts the target above the foil"
THRESHOLD, SOURCE = 0.9, "nine of ten prompts; reading by chance gives one half"


def margins(model: Model, task: Task, rotation: Float[Tensor, "d d"] | None = None) -> Float[Tensor, "layer example"]:
    """Target minus foil, in logits, in each layer's reading at the last token of each prompt."""
    layers = ["embed", *(str(i) for i in range(model.n_layers - 1)), "model"]
    sites = [layer_site(model, layer).at(pos=-1) for layer in layers]
    run = model.run(task.clean, read=sites, logits=False)
    rows = torch.arange(len(task))
    logits = torch.stack([read_out(model, run[site], rotation).cpu() for site in sites])
    return logits[:, rows, task.targets.cpu()] - logits[:, rows, task.foils.cpu()]


def readable_from(model: Model, search: Task, evaluate: Task, seed: int = 0, rotations: int = 8) -> tuple[str | None, Verdict]:
    """The first layer from which on the answer is readable, found on one half of the prompts and tested on the other.

    Arguments:
        model: a language model.
        search: the prompts on which the layer is chosen: the first from which on every layer puts target above foil in nine prompts of ten.
        evaluate: other prompts, on which the claim is tested.
        seed: of the rotations.
        rotations: how many random rotations make the control.

    Returns:
        The layer's name (`None` where there is no such layer before the end), and the verdict.
    """
    layers = ["embed", *(str(i) for i in range(model.n_layers - 1)), "model"]
    right = (margins(model, search) > 0).float().mean(-1) >= THRESHOLD if len(search) else torch.zeros(len(layers), dtype=torch.bool)
    start = next((i for i in range(len(layers)) if bool(right[i:].all())), None)
    if start is None:
        reason = "no layer puts the target above the foil in nine of ten search prompts"
        return None, untestable(CLAIM, MEASURE, reason, threshold=THRESHOLD, threshold_source=SOURCE)
    found = (margins(model, evaluate)[start] > 0).float()
    turned = [random_rotation(model.d_model, seed + i) for i in range(rotations)]
    control = torch.stack([(margins(model, evaluate, rotation)[start] > 0).float() for rotation in turned]).mean(0)
    where = {0: "the embedding", len(layers) - 1: "the last block"}.get(start, f"block {layers[start]}")
    claim = f"The answer can be read from the residual stream from {where} on."
    return layers[start], compare(claim, MEASURE, found, control, threshold=THRESHOLD, threshold_source=SOURCE, seed=seed)
