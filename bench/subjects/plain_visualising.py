"""The loop of torch-lucent 0.1.8 restated with torch alone, because its torchvision does not go with every build of torch.

What its `render_vis` does by default, one channel after the other: a spectrum in decorrelated colours; padding, a shift to the right and down,
scale, a turn, a shift; ImageNet's normalisation; pictures enlarged to 224; the whole network, read by a hook; Adam at 0.05.
"""

import math
from typing import Any

from bench.subjects import visualising as v
from bench.subjects.trial import Trial

MIXING = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
SCALES = [1 + (i - 5) / 50 for i in range(11)]
ANGLES = [*range(-10, 11), *[0] * 5]


def feature_vis(device: str) -> Trial:
    """One channel after the other."""
    import torch

    net = v.network(device)
    held: list[Any] = []
    net.get_submodule(v.LAYER).register_forward_hook(lambda module, given, output: held.append(output))

    def seek(channel: int, steps: int) -> Any:
        generator = torch.Generator().manual_seed(channel)
        down, across = torch.fft.fftfreq(v.SIZE)[:, None], torch.fft.rfftfreq(v.SIZE)
        scale = 1 / (down.square() + across.square()).sqrt().clamp(min=1 / v.SIZE)
        spectrum = (0.01 * torch.randn(1, 3, *scale.shape, 2, generator=generator)).to(device).requires_grad_()
        ascent = torch.optim.Adam([spectrum], lr=0.05)
        for _ in range(steps):
            held.clear()
            ascent.zero_grad()
            seen = _transformed(_picture(spectrum, scale.to(device)), generator)
            net(torch.nn.functional.interpolate(v.imagenet(seen), size=(v.SIDE, v.SIDE), mode="bilinear", align_corners=True))
            (-held[0][:, channel].mean()).backward()
            ascent.step()
        return _picture(spectrum, scale.to(device)).detach()

    return v.one_by_one(net, seek, "torch-lucent's loop: pictures are enlarged to 224, and the whole network is run")


def _picture(spectrum: Any, scale: Any) -> Any:
    import torch

    plane = torch.fft.irfftn(torch.view_as_complex(spectrum * scale[..., None]), s=(v.SIZE, v.SIZE), norm="ortho") / 4
    mixing = torch.tensor(MIXING, device=plane.device)
    return torch.sigmoid((plane.permute(0, 2, 3, 1) @ (mixing / mixing.norm(dim=0).max()).T).permute(0, 3, 1, 2))


def _transformed(picture: Any, generator: Any) -> Any:
    import torch
    from torch.nn.functional import interpolate, pad

    def drawn(values: Any) -> Any:
        return values[int(torch.randint(len(values), (), generator=generator))]

    seen = _shifted(pad(picture, [12] * 4, value=0.5), drawn(range(8)), drawn(range(8)))
    side = math.ceil(drawn(SCALES) * seen.shape[2])
    around = max(0, math.ceil((seen.shape[2] - side) / 2))
    seen = pad(interpolate(seen, size=(side, side), mode="bilinear", align_corners=True), [around] * 4)
    angle = math.radians(drawn(ANGLES))
    turn = [[math.cos(angle), -math.sin(angle), 0.0], [math.sin(angle), math.cos(angle), 0.0]]
    return _shifted(_warped(seen, turn), drawn(range(4)), drawn(range(4)))


def _shifted(picture: Any, right: int, down: int) -> Any:
    """As kornia's `translate` does: a warp, with zeros where nothing was."""
    rows, cols = picture.shape[2:]
    return _warped(picture, [[1.0, 0.0, -2 * right / (cols - 1)], [0.0, 1.0, -2 * down / (rows - 1)]])


def _warped(picture: Any, matrix: list[list[float]]) -> Any:
    import torch
    from torch.nn.functional import affine_grid, grid_sample

    grid = affine_grid(torch.tensor([matrix], device=picture.device), list(picture.shape), align_corners=True)
    return grid_sample(picture, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
