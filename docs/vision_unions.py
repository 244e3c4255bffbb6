"""The picture and the figures in the docs on unions: which pathways join in `specimen:shapes`, in other trainings of it, and in SqueezeNet.

    python docs/vision_unions.py specimen
    python docs/vision_unions.py trainings FOLDER
    python docs/vision_unions.py squeezenet DATA

The first also writes `docs/images/vision-unions.png` and `vision-invariance.png` (needs Playwright and a Chromium, in `SONDE_CHROMIUM` or on the
path). FOLDER holds, or gets, the trainings of the specimen with seeds 1 to 5 (`seed1/shapes`, ...; five minutes each). DATA holds
`squeezenet_v1.0_dc` and `imagenet_samples`.
"""

import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch
from photographs import photographed

import sonde
from sonde import specimens
from sonde.access import Model
from sonde.specimens import shapes
from sonde.vision import Normalisation, UnionCircuits, invariance, union_cases, union_circuits
from sonde.vision.union_checks import responses, together

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from data_models import nets

BYTES = Normalisation((104.0, 117.0, 123.0), scale=255.0, order="bgr")  # as the network was trained
LAYERS = [f"blocks.{i}.conv" for i in range(4)]
NEW = 10**9  # seed of pictures that no training has seen
RANDOM = 60  # candidates
PAIRS = [("fire2", "fire3"), ("fire3", "fire4"), ("fire4", "fire5"), ("fire5", "fire6"), ("fire6", "fire7")]


def specimen() -> None:
    """The specimen as it is shipped: its candidates, what they do on pictures, how invariant its units are."""
    model = sonde.load("specimen:shapes")
    drawn = shapes.pictures(300, NEW)
    for first, join in pairwise(LAYERS[1:]):
        found = union_circuits(model, [first, join])
        told(f"{first} and {join}", found)
    photographed({"unions": found.drawing()}, prefix="vision")
    claims(found, model, drawn.pictures, 0, "none")
    _facing(found, model, drawn)
    _where(found, model, drawn)
    _random(found, model, drawn.pictures[:150])
    alike = invariance(model, [f"blocks.{i}.act" for i in range(4)], drawn.pictures, normalise="none")
    photographed({"invariance": alike.drawing()}, prefix="vision")
    for layer in alike.layers:
        print(
            layer,
            "gain",
            [round(one, 2) for one in alike.gain(layer).tolist()],
            "shuffled",
            [round(one, 2) for one in alike.shuffled[layer].mean(0).tolist()],
        )
    for verdict in alike.check(model):
        print(f"  {verdict.holds}: {verdict.measured:.3f} beside {verdict.control:.3f}: {verdict.claim}")
    for layer in LAYERS[1:]:
        for least in (3.0, 1.0):
            cases = union_cases(model, layer, drawn.pictures, normalise="none", least=least)
            print(f"{layer}, z > {least:g}:", cases.drawing().note)


def trainings(folder: str) -> None:
    """The same network from six seeds: how often the weights hold a circuit, and whether the first candidate works on pictures."""
    drawn = shapes.pictures(300, NEW)
    for seed in range(6):
        place = Path(folder) / f"seed{seed}"
        if seed and not (place / "shapes" / "card.json").exists():
            specimens.train("shapes", place, seed=seed)
        model = sonde.load(place / "shapes" if seed else "specimen:shapes")
        found = union_circuits(model, LAYERS[2:], draws=50)
        told(f"seed {seed}", found)
        mirrored_pairs(found, model, drawn.pictures)
        claims(found, model, drawn.pictures, 0, "none")


def squeezenet(data: str) -> None:
    """A network of photographs: composed weights of its modules."""
    model = sonde.load(nets.squeezenet(Path(data) / "squeezenet_v1.0_dc"))
    for pair in PAIRS:
        found = union_circuits(model, pair, draws=20)
        told(" and ".join(pair), found)
        claims(found, model, Path(data) / "imagenet_samples" / "images", 0, BYTES, size=128)


def told(name: str, found: UnionCircuits) -> None:
    """What the weights hold."""
    one = found.candidate()
    print(f"{name}: {found.drawing().data['parts'][0]['drawing']['note']}")
    units = f"u {one.u}, a {one.a}, b {one.b}, pa {one.pa}, pb {one.pb}"
    print(f"  best margin {found.nearest[0].margin:.2f}; first: {units}, margin {one.margin:.2f}, sided {one.sided:.3f}", flush=True)


def claims(
    found: UnionCircuits, model: Model, pictures: "torch.Tensor | Path", number: int, normalise: "Normalisation | str", **more: object
) -> None:
    """What a circuit does on pictures."""
    for verdict in found.check(model, pictures, [number], normalise=normalise, **more):
        measured = "untested" if verdict.measured is None else f"{verdict.measured:.2f} beside {verdict.control:.2f}, n {verdict.n}"
        print(f"    {verdict.holds}: {measured}: {verdict.claim.partition(': ')[2]}", flush=True)


def mirrored_pairs(found: UnionCircuits, model: Model, pictures: torch.Tensor) -> None:
    """How many of the pairs of parts of all circuits answer to pictures as the other does to their mirror images."""
    plain, mirrored = (responses(model, found.sites[-2:-1], views)[0] for views in (pictures, pictures.flip(-1)))
    pairs = sorted({(one.a, one.b) for one in found.circuits})
    alike = [float(together(plain[:, a], mirrored[:, b]).mean()) for a, b in pairs]
    if pairs:
        print(f"  of {len(pairs)} pairs (a, b) of circuits {sum(one >= 0.5 for one in alike)} correlate by .5 or more, the most by {max(alike):.2f}")


def _facing(found: UnionCircuits, model: Model, drawn: shapes.Shapes) -> None:
    """What the parts answer to each figure, facing left and right, in percent of their largest mean."""
    one = found.candidate()
    parts, unions = responses(model, found.sites[-2:], drawn.pictures)
    for name, values in (("a", parts[:, one.a]), ("b", parts[:, one.b]), ("u", unions[:, one.u])):
        table = torch.stack([values[(drawn.shape == figure) & (drawn.facing == facing)].mean() for figure in range(6) for facing in (0, 1)])
        print(f"  {name}:", dict(zip(shapes.CLASSES, (100 * table / table.max()).view(6, 2).round().int().tolist(), strict=True)))


def _where(found: UnionCircuits, model: Model, drawn: shapes.Shapes) -> None:
    """How far right of the figure's middle the maps of the parts and of their sources lie, in pixels."""
    one = found.candidate()
    sources, parts = found.sites[-3:-1]
    run = model.run(drawn.pictures, read=[sources, parts], logits=False)
    for name, site, unit in (("pa", sources, one.pa), ("pb", sources, one.pb), ("a", parts, one.a), ("b", parts, one.b)):
        seen = run[site][:, unit].detach().clamp(min=0)
        cols = (torch.arange(seen.shape[2]) - (seen.shape[2] - 1) / 2) * (shapes.SIZE / seen.shape[2])
        alive = seen.sum((1, 2)) > 0
        away = (seen.sum(1) * cols).sum(1)[alive] / seen.sum((1, 2))[alive] - drawn.place[alive, 1]
        print(f"  {name} lies {away.mean():.1f} pixels to the right of the figure's middle (standard error {away.std() / len(away) ** 0.5:.1f})")


def _random(found: UnionCircuits, model: Model, pictures: torch.Tensor) -> None:
    """How often each claim holds, and all five, on candidates that were drawn at random from units that answer."""
    sources, parts, unions = ((one.std(0) > 0).nonzero()[:, 0] for one in responses(model, found.sites[-3:], pictures))
    generator = torch.Generator().manual_seed(1)
    held = []
    for _ in range(RANDOM):
        (pa, pb), (a, b) = (some[torch.randperm(len(some), generator=generator)[:2]].tolist() for some in (sources, parts))
        u = int(unions[torch.randint(len(unions), (1,), generator=generator)])
        drawn = replace(found, circuits=[replace(found.candidate(), u=u, a=a, b=b, pa=pa, pb=pb)])
        held.append([verdict.holds is True for verdict in drawn.check(model, pictures, normalise="none", draws=8)])
    counts = torch.tensor(held)
    print(f"random candidates: each claim holds in {counts.sum(0).tolist()} of {RANDOM}, all five in {int(counts.all(1).sum())}", flush=True)


if __name__ == "__main__":
    {"specimen": specimen, "trainings": trainings, "squeezenet": squeezenet}[sys.argv[1]](*sys.argv[2:])
