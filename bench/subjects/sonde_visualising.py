"""sonde's feature visualisation."""

from bench.subjects import visualising as v
from bench.subjects.trial import Trial


def feature_vis(device: str) -> Trial:
    """All channels side by side."""
    import sonde
    from sonde.vision import Channel, Fourier, show

    net = v.network(device)
    model = sonde.load(net)

    def seek(channels: tuple[int, ...], steps: int) -> sonde.vision.Visualisation:
        return show(model, [Channel(v.LAYER, channel) for channel in channels], of=Fourier(v.SIZE), normalise="imagenet", steps=steps)

    judged = v.CHANNELS[: v.JUDGED]
    score = sum(v.heights(net, seek(judged, v.STEPS).pictures, judged, v.imagenet)) / v.JUDGED
    # done whole: the first steps, in which ReLUs are redirected, cost more than the others
    return Trial(lambda: seek(v.CHANNELS, v.STEPS), score=score, note=f"objective {score:.4g}")
