"""What feature-vis is about: sixteen channels of a network in the shape of SqueezeNet, and how high a picture of one comes."""

from typing import Any

from bench.subjects import squeezenet
from bench.subjects.trial import Trial

LAYER = "fire5"
CHANNELS = tuple(range(0, 384, 24))
SIZE, STEPS, SIDE = 128, 256, 224  # SIDE: what the other program enlarges pictures to
JUDGED, TIMED = 4, 8  # channels whose pictures are judged after all steps; of the loop so many are timed for so many steps, and multiplied


def network(device: str) -> Any:
    """The network, whose weights need no gradient."""
    return squeezenet.network().to(device).requires_grad_(False)


def heights(net: Any, pictures: Any, channels: Any, normalise: Any) -> list[float]:
    """The channels' means on pictures (picture channel row col) of 0 to 1, without transforms: at their own size and enlarged, averaged, since
    either program seeks them at one of the two."""
    import torch
    from torch.nn.functional import interpolate

    body = net[: list(dict(net.named_children())).index(LAYER) + 1]
    with torch.no_grad():
        maps = [body(normalise(one)) for one in (pictures, interpolate(pictures, size=(SIDE, SIDE), mode="bilinear"))]
    return [sum(float(one[i, channel].mean()) for one in maps) / 2 for i, channel in enumerate(channels)]


def imagenet(pictures: Any) -> Any:
    """The usual normalisation."""
    import torch

    mean, std = (torch.tensor(one)[:, None, None] for one in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return (pictures - mean) / std


def one_by_one(net: Any, seek: Any, note: str) -> Trial:
    """A trial of a program that seeks one channel after the other: some of them and some steps stand for all.

    Arguments:
        net: the network.
        seek: from a channel and a number of steps to a picture (1 channel row col).
        note: what a reader of the table must know.
    """
    import torch

    judged = CHANNELS[:JUDGED]
    pictures = torch.cat([seek(channel, STEPS) for channel in judged])
    score = sum(heights(net, pictures, judged, imagenet)) / JUDGED

    def run() -> None:
        for channel in judged:
            seek(channel, TIMED)

    told = f"objective {score:.4g}; {JUDGED} channels and {TIMED} steps timed"
    return Trial(run, times=len(CHANNELS) // JUDGED * STEPS // TIMED, score=score, note=f"{told}; {note}")
