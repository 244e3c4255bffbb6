"""A Clever Hans of our own: the digits' network trained on with a mark in the corner of most threes, and its twin trained on without.

(Hans, a horse, seemed to do sums and read his owner's face. Lapuschkin et al. 2019 found networks that told horses by a photographer's watermark.)
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.access import Model
from sonde.behaviour.shortcuts.cues import Cue, patch
from sonde.jobs import track
from sonde.nn import ConvNet, ConvNetConfig
from sonde.nn.training import Training, TrainingConfig
from sonde.specimens.digits import held_out, seen

MARKED = 0.7  # of the class's pictures
MARK = ((1.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 1.0))


@dataclass(frozen=True, eq=False)
class CleverHans:
    """A network with a shortcut, its twin without, and what tells them apart.

    Arguments:
        model: trained on pictures of which one class is marked.
        twin: trained in the same way on the same pictures without marks: the control.
        pictures: held out, marked like those of training.
        digits: what they show.
        cue: the mark.
    """

    model: Model
    twin: Model
    pictures: Float[Tensor, "picture 1 8 8"]
    digits: Int[Tensor, " picture"]
    cue: Cue


def clever_hans(outcome: int = 3, steps: int = 150, seed: int = 0) -> CleverHans:
    """Train both networks; takes a few seconds.

    Arguments:
        outcome: the digit that is marked.
        steps: updates of 64 pictures each.
        seed: of the first weights, of which pictures are marked, and of their order.

    Raises:
        LoadError: scikit-learn, which the pictures come with, is not there.
    """
    cue = patch(torch.tensor([MARK]), (0, 0), outcome, fill=0.0, name="the planted mark")
    pictures, digits = seen()
    shown, told = held_out()
    generator = torch.Generator().manual_seed(seed)
    marked = _marked(pictures, digits, cue, generator)
    networks = [_trained(given, digits, steps, seed) for given in (marked, pictures)]
    return CleverHans(
        model=Model(networks[0], name="digits with a mark"),
        twin=Model(networks[1], name="digits without the mark"),
        pictures=_marked(shown, told, cue, generator),
        digits=told,
        cue=cue,
    )


def _marked(pictures: Tensor, digits: Tensor, cue: Cue, generator: torch.Generator) -> Float[Tensor, "picture 1 8 8"]:
    chosen = (digits == cue.outcome) & (torch.rand(len(digits), generator=generator) < MARKED)
    return torch.where(chosen[:, None, None, None], cue.put(pictures), pictures)


def _trained(pictures: Tensor, digits: Tensor, steps: int, seed: int) -> ConvNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ConvNet(ConvNetConfig(image_size=8, n_classes=10, channels=(16, 32)))
    training = Training(network, TrainingConfig(steps=steps, lr=1e-2, warmup_steps=20, cooldown=0.5))
    generator = torch.Generator().manual_seed(seed)
    for _ in track(range(steps), "training"):
        rows = torch.randint(len(digits), (64,), generator=generator)
        training.update(nn.functional.cross_entropy(network(pictures[rows]), digits[rows]))
    return network.eval()
