"""captum, which perturbs what a forward function is given; the function is the model's own forward, as its tutorials write it."""

from typing import Any

from bench.subjects import workload as w
from bench.subjects.games import PLAYERS, QUICK, WHOLE, estimated
from bench.subjects.trial import Trial

AT_ONCE = 16  # perturbed inputs in one forward; one at a time, its default, takes twice as long


def occlusion(device: str) -> Trial:
    """`FeatureAblation` of the token ids."""
    import torch
    from captum.attr import FeatureAblation

    model, ids = w.model(device), w.tokens(1, w.SWEEP_POSITIONS, device)
    ablation = FeatureAblation(lambda given: w.difference(model(given, use_cache=False).logits))

    @torch.no_grad()
    def run() -> Any:
        return ablation.attribute(ids, baselines=w.ABSENT, perturbations_per_eval=AT_ONCE)

    return Trial(run, lambda found: {"tokens": found[0].float()}, note=f"{AT_ONCE} perturbations in one forward")


def shapley_error(device: str) -> Trial:
    """`KernelShap`."""
    return estimated(_shapley, WHOLE)


def shapley_error_quick(device: str) -> Trial:
    """The same for a few games."""
    return estimated(_shapley, QUICK)


def _shapley(net: Any, samples: int, seed: int) -> Any:
    """`KernelShap` of one game."""
    import torch
    from captum.attr import KernelShap

    torch.manual_seed(seed)
    found = KernelShap(lambda x: net(x.float())[:, 0]).attribute(
        torch.ones(1, PLAYERS), torch.zeros(1, PLAYERS), n_samples=samples, perturbations_per_eval=64
    )
    return found[0].detach()


def integrated_gradients(device: str) -> Trial:
    """`IntegratedGradients` of the embeddings, through the model's own forward."""
    import torch
    from captum.attr import IntegratedGradients

    model, ids = w.model(device), w.tokens(1, w.SWEEP_POSITIONS, device)
    embedded = model.transformer.wte(ids)
    absent = model.transformer.wte(torch.full_like(ids, w.ABSENT))
    method = IntegratedGradients(lambda given: w.difference(model(inputs_embeds=given, use_cache=False).logits))

    def run() -> Any:
        return method.attribute(embedded, baselines=absent, n_steps=w.STEPS, internal_batch_size=10).sum(-1)

    return Trial(run, lambda values: {"tokens": values[0].float()}, note=f"{w.STEPS} steps, 10 at once, all logits")


def grad_cam(device: str) -> Trial:
    """`LayerGradCam`, and its interpolation."""
    from captum.attr import LayerAttribution, LayerGradCam

    from bench.subjects import squeezenet

    net, (images, classes) = squeezenet.network().to(device), squeezenet.pictures(device)
    method = LayerGradCam(net, net.classes)

    def run() -> Any:
        maps = method.attribute(images, target=classes, relu_attributions=True)
        return LayerAttribution.interpolate(maps, images.shape[2:], interpolate_mode="bilinear")[:, 0]

    return Trial(run, lambda maps: {"maps": maps.detach()})
