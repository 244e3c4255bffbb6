"""The pictures that excite units most and least and at every level, by a loop as one writes it: batches, a hook, all values kept, a full sort."""

from typing import Any

from bench.subjects import looking_up as u
from bench.subjects.trial import Trial
from bench.subjects.visualising import imagenet


def dataset_examples(device: str) -> Trial:
    """The whole network, read by a hook."""
    import torch

    net, pictures = u.network(device), u.pictures()
    held: list[Any] = []
    net.get_submodule(u.LAYER).register_forward_hook(lambda module, given, output: held.append(output))

    @torch.inference_mode()
    def run() -> dict[str, Any]:
        high, low = [], []
        for some in pictures.split(u.BATCH):
            held.clear()
            net(imagenet(some.to(device)))
            maps = held[0].flatten(2)
            high.append(maps.max(2))
            low.append(maps.min(2))
        most = torch.cat([one.values for one in high]).cpu()
        least = torch.cat([one.values for one in low]).cpu()
        at = torch.cat([one.indices for one in high]).cpu()
        falling, rising = most.sort(dim=0, descending=True, stable=True), least.sort(dim=0, stable=True)
        start, end = most.amin(0).clamp(max=0), most.amax(0)
        level = ((most - start) / (end - start) * u.LEVELS).long().clamp(max=u.LEVELS - 1)
        shuffled = torch.randperm(len(most), generator=torch.Generator().manual_seed(0))
        drawn = [[shuffled[mixed == one][: u.EACH] for one in range(u.LEVELS)] for mixed in level[shuffled].T]
        first, last = falling.indices[: u.TOP], rising.indices[: u.TOP]
        return {
            "most": falling.values[: u.TOP].T, "who": first.T, "where": at.gather(0, first).T,
            "least": rising.values[: u.TOP].T, "who least": last.T, "drawn": drawn,
        }  # fmt: skip

    return Trial(run, answer=lambda found: {name: found[name].clone() for name in ("most", "least")}, note="all values are kept, and sorted")
