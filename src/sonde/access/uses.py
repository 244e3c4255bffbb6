"""What enters modules that hold weights, and the gradients that come back to their outputs: the two factors of every weight's gradient.

A linear map y = W a has the gradient G = sum_t delta_t a_t^T for each example, with delta the gradient at y. So no weight gradient needs to be
formed to know it: the weights are frozen, the graph begins at the first module that is watched, and what belongs to a module is handed on as
soon as its last delta arrives.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sonde.access.forward import evaluation, frozen
from sonde.access.modes import recomputed, without_derivative
from sonde.results import InputError, SiteUnavailable


@dataclass(eq=False)
class Use:
    """One call of a watched module.

    Arguments:
        module: the path of the module.
        entered: what it read.
        delta: the gradient at its output; zero where the loss does not depend on the call.
        source: a number that calls of one forward share where they read the very same tensor.
    """

    module: str
    entered: Tensor
    delta: Tensor
    source: int


Receive = Callable[[str, Sequence[Use]], None]


class Watch:
    """The calls of one forward by group, and the way back.

    Arguments:
        groups: a name to the paths of the modules whose calls belong together.
        receive: is given a group's name with its calls, once all their gradients have arrived; in every backward pass.
    """

    def __init__(self, groups: Mapping[str, Sequence[str]], receive: Receive) -> None:
        self.uses: dict[str, list[Use]] = {name: [] for name in groups}
        self._receive = receive
        self._left: dict[str, int] = {}
        self._again = False
        self._leaves: list[Tensor] = []
        self._sources: list[Tensor] = []

    def back(self, value: Tensor, gradient: Tensor | None = None, again: bool = False, wrt: Sequence[Tensor] = ()) -> tuple[Tensor | None, ...]:
        """Go back from a value.

        Arguments:
            value: of this forward.
            gradient: where to begin; ones if not given.
            again: keep the graph, and what was read, for another way back.
            wrt: weights that were left on.

        Returns:
            The gradients of these weights, `None` where there is no path.

        Raises:
            InputError: the value depends on none of the modules. SiteUnavailable: by an operation without derivative.
        """
        if not value.requires_grad:
            raise InputError("the loss depends on none of the weights that are looked at, by any differentiable path")
        if operation := without_derivative(value):
            raise SiteUnavailable(f"the way back passes an operation without a derivative ({operation}), so gradients would be wrong")
        self._sources.clear()
        self._left = {name: len(uses) for name, uses in self.uses.items() if uses}
        self._again = again
        begin = torch.ones_like(value) if gradient is None else gradient
        found = torch.autograd.grad(value, [*self._leaves, *wrt], begin, retain_graph=again, allow_unused=True)
        for name in list(self._left):  # some call has no path to the value: its gradient is zero, not missing
            self._hand_on(name)
        return found[len(self._leaves) :]

    def _called(self, group: str, path: str, entered: Tensor, output: Tensor) -> Tensor:
        """Note a call; the output with which the forward goes on."""
        if recomputed():
            raise SiteUnavailable(f"{path!r} is computed again in the backward pass (gradient checkpointing): switch that off")
        if not torch.is_grad_enabled():
            raise SiteUnavailable(f"{path!r} runs under no_grad, so no gradient comes back to it: leave it out, or change the module's code")
        source = next((i for i, seen in enumerate(self._sources) if seen is entered), len(self._sources))
        if source == len(self._sources):
            self._sources.append(entered)
        nothing = output.new_zeros(()).expand(output.shape)
        use, version = Use(path, entered.detach(), nothing, source), entered._version
        self.uses[group].append(use)
        if not output.requires_grad:
            leaf = output.detach().requires_grad_()
            self._leaves.append(leaf)
            output = leaf.clone()  # a leaf can't be overwritten in place, as the next module may do

        def arrived(delta: Tensor) -> None:
            if use.entered._version != version:
                raise SiteUnavailable(
                    f"what {path!r} reads is overwritten in place before its gradient is there, so that would be wrong: "
                    "write x = x + y instead of x += y, or leave the module out"
                )
            use.delta = delta.detach()
            self._left[group] -= 1
            if not self._left[group]:
                self._hand_on(group)

        output.register_hook(arrived)
        return output

    def _hand_on(self, group: str) -> None:
        """Give a group to whoever waits for it; nothing of it lives until the backward pass ends."""
        del self._left[group]
        uses = self.uses[group]
        self._receive(group, uses)
        for use in uses:
            use.delta = use.delta.new_zeros(()).expand(use.delta.shape)
            if not self._again:
                use.entered = use.entered.new_empty(0)


@contextlib.contextmanager
def watching(module: nn.Module, groups: Mapping[str, Sequence[str]], receive: Receive, weights: Sequence[Tensor] = ()) -> Iterator[Watch]:
    """Watch modules in one forward and the ways back from it, the whole module in evaluation mode and its weights frozen.

    Arguments:
        module: the network.
        groups: a name to the paths of the modules whose calls belong together, because they share their weights.
        receive: as for `Watch`.
        weights: weights that are left on, so that their own gradients can be taken too.

    >>> net, seen = nn.Linear(2, 1, bias=False), []
    >>> with watching(net, {"net": [""]}, lambda name, uses: seen.append((uses[0].delta.T @ uses[0].entered).tolist())) as watch:
    ...     _ = watch.back(net(torch.tensor([[1.0, 2.0]])).sum())
    >>> seen
    [[[1.0, 2.0]]]
    """
    watch, hooks = Watch(groups, receive), []

    def noted(group: str, path: str) -> Callable[..., Tensor]:
        return lambda m, args, kwargs, output: watch._called(group, path, args[0] if args else next(iter(kwargs.values())), output)

    with evaluation(module), frozen(module), torch.enable_grad():
        try:
            for weight in weights:
                weight.requires_grad_(True)
            for group, paths in groups.items():
                hooks += [module.get_submodule(path).register_forward_hook(noted(group, path), with_kwargs=True) for path in paths]
            yield watch
        finally:
            for handle in hooks:
                handle.remove()
            for weight in weights:
                weight.requires_grad_(False)
