"""What some methods promise by their equations, tested on the model at hand. A promise kept is no proof that the values say what one hopes.

completeness                the values sum to F(x) - F(x')                               (integrated gradients, Shapley values, DeepLIFT, LRP)
dummy                       what the model does not read gets 0
implementation invariance   two networks of one function get the same values             (Sundararajan, Taly and Yan 2017)
"""

import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sonde.access import Metric, Model
from sonde.attribution.evaluation.removing import Method, applied, refuse_tokens
from sonde.attribution.results import Attribution
from sonde.evidence import compare, permuted, untestable
from sonde.results import InputError, Verdict

NEAR, SOURCE = 0.01, "a hundredth: what rounding and quadrature may leave"


def completeness(attribution: Attribution, tolerance: float = NEAR) -> Verdict:
    """Whether an attribution's values sum to what everything is worth.

    Arguments:
        attribution: of a method that promises it.
        tolerance: the share of F(x) - F(x') that may be left, on average over the examples.

    >>> import sonde
    >>> model = sonde.Model(nn.Sequential(nn.Linear(4, 2)))
    >>> rows = torch.randn(9, 4)
    >>> completeness(sonde.attribution.integrated_gradients(model, rows, of=sonde.tasks.Logit([0]), baseline="zero")).holds
    True
    """
    claim = f"The values of {attribution.method} sum to the difference that they explain."
    measure = "what they leave, as a share of F(x) - F(x'); control: no values at all"
    if attribution.residual is None or attribution.absent_metric is None:
        reason = f"{attribution.method} does not promise a sum"
        return untestable(claim, measure, reason, direction="less", threshold=tolerance, threshold_source=SOURCE)
    explained = (attribution.metric - attribution.absent_metric).abs()
    if float(explained.mean()) == 0:
        return untestable(claim, measure, "there is nothing to explain", direction="less", threshold=tolerance, threshold_source=SOURCE)
    left, nothing = attribution.residual.abs() / explained.mean(), explained / explained.mean()
    return compare(claim, measure, left, nothing, direction="less", threshold=tolerance, threshold_source=SOURCE)


def dummy(model: Model, inputs: Float[Tensor, "example *axis"], method: Method, of: Metric, seed: int = 0) -> Verdict:
    """Whether a method gives nothing to what the model does not read: a column (of a picture one of pixels) of noise that is cut off again.

    Arguments:
        model: a model of tables or pictures, given as a tensor.
        inputs: the table or the pictures.
        method: the method with its arguments bound.
        of: the metric.
        seed: of the noise.

    Raises:
        InputError: inputs that are no floating-point tensor.

    >>> import sonde
    >>> model = sonde.Model(nn.Sequential(nn.Linear(4, 2)))
    >>> dummy(model, torch.randn(9, 4), sonde.attribution.gradient_x_input, sonde.tasks.Logit([0])).holds
    True
    """
    refuse_tokens(inputs)
    noise = torch.randn(*inputs.shape[:-1], 1, generator=torch.Generator().manual_seed(seed)) * inputs.std() + inputs.mean()
    widened = Model(_Ignoring(model.module), processor=model.processor)
    result = method(widened, torch.cat([inputs, noise.to(inputs)], -1), of=of)
    claim = f"{result.method[:1].upper() + result.method[1:]} gives nothing to what the model does not read."
    measure = "size of the values where the model does not read, as a share of the mean size; control: where it reads"
    sizes = result.cells().abs()
    mean = sizes.mean()
    if float(mean) == 0:
        return untestable(claim, measure, "all values are 0", direction="less", threshold=NEAR, threshold_source=SOURCE)
    unread, read = (part.flatten(1).mean(-1) / mean for part in (sizes[..., -1:], sizes[..., :-1]))
    return compare(claim, measure, unread, read, direction="less", threshold=NEAR, threshold_source=SOURCE)


class _Ignoring(nn.Module):
    """A network before which the last column of its input is cut off."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: Tensor) -> Any:
        return self.module(inputs[..., :-1])


def invariance(model: Model, task: Any, method: Method, of: Metric | None = None, *, twin: nn.Module, seed: int = 0) -> Verdict:
    """Whether a method gives the same values to two networks that compute the same function.

    Arguments:
        model: the model.
        task: a task, or inputs (then with `of`).
        method: the method with its arguments bound.
        of: for inputs, the metric.
        twin: a network of the same function with other weights, such as `rescaled` makes.
        seed: of the weights of the control.

    Raises:
        InputError: the twin computes something else.

    >>> import sonde
    >>> module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> model, rows = sonde.Model(module), torch.randn(9, 4)
    >>> twin = rescaled(module, "0", "2", factor=3.0)
    >>> invariance(model, rows, sonde.attribution.gradient_x_input, sonde.tasks.Logit([0]), twin=twin).holds
    True
    """
    first = applied(method, model, task, of)
    other, broken = (
        applied(method, Model(module, model.tokenizer, processor=model.processor), task, of) for module in (twin, permuted(model.module, seed))
    )
    if not torch.allclose(first.metric, other.metric, rtol=1e-3, atol=1e-3 * float(first.metric.abs().mean())):
        worst = float((first.metric - other.metric).abs().max())
        raise InputError(f"the twin computes another function: its metric differs by up to {worst:.3g}")
    claim = f"The values of {first.method} depend on the function alone, and not on how it is computed."
    measure = "difference of the values of two networks with one function, as a share of their size; control: a network with its weights permuted"
    size = _length(first, first, 0.0)
    if float(size.mean()) == 0:
        return untestable(claim, measure, "all values are 0", direction="less", threshold=NEAR, threshold_source=SOURCE)
    apart, far = (_length(first, one, 1.0) / size.mean() for one in (other, broken))
    return compare(claim, measure, apart, far, direction="less", threshold=NEAR, threshold_source=SOURCE)


def rescaled(module: nn.Module, first: str, second: str, factor: float) -> nn.Module:
    """A network of the same function: one layer multiplied, and the next one divided, by a factor, with nothing but ReLUs and pools between them.

    Arguments:
        module: the network.
        first: the name of a linear layer or convolution; its weight and bias are multiplied.
        second: the name of the next one; its weight is divided.
        factor: above 0.

    Raises:
        InputError: layers without a weight, or a factor that is not above 0.
    """
    if not factor > 0:
        raise InputError(f"factor={factor}: a ReLU lets factors above 0 through, no others")
    copied = copy.deepcopy(module)
    parts = dict(copied.named_modules())
    for name in (first, second):
        if not isinstance(getattr(parts.get(name), "weight", None), Tensor):
            raise InputError(f"{name!r} is no layer with a weight; layers are {', '.join(n for n, m in parts.items() if hasattr(m, 'weight'))}")
    with torch.no_grad():
        for parameter in parts[first].parameters(recurse=False):
            parameter.mul_(factor)
        parts[second].weight.div_(factor)  # type: ignore[operator, union-attr]
    return copied


def _length(a: Attribution, b: Attribution, share: float) -> Float[Tensor, " example"]:
    """The length of a minus a share of b, example by example."""
    return (a.values - share * b.values).nan_to_num().flatten(1).norm(dim=-1)
