"""Influence without an approximation of the curvature, for small models: the whole matrix, and the Newton step that leaves an example out.

The Gauss-Newton matrix of all weights together is H = 1/n sum_i U_i^T U_i, with U_i (output, weight) the gradients of `Likelihood.exact`. Leaving
example i out at once by a Newton step takes its own curvature out too, which by Woodbury's identity is a small system:

    (H - U_i^T U_i / n)^-1 = H^-1 + H^-1 U_i^T (n I - U_i H^-1 U_i^T)^-1 U_i H^-1.

For least squares that is the closed form of leave-one-out, residual / (1 - leverage); for other convex losses it is one Newton step.
"""

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from sonde.access import Model
from sonde.access.forward import evaluation, frozen
from sonde.influence.blocks import as_matrix, weights_of
from sonde.influence.coverage import Coverage, losses_of
from sonde.influence.damping import Absolute, Damping, Factored, Relative, damping_of
from sonde.influence.examples import Examples, examples_of
from sonde.influence.fit import subject_of
from sonde.influence.groups import Groups, refuse_groups, refuse_order
from sonde.influence.labels import Labels
from sonde.influence.losses import Likelihood, Loss, name_of
from sonde.influence.metrics import metric_of, refuse_unseen
from sonde.influence.results import Scores
from sonde.influence.subject import Subject, Told
from sonde.influence.taken import label_all
from sonde.jobs import available, track
from sonde.results import InputError, Recipe, shown

Solve = Callable[[Float[Tensor, "query weight"]], Float[Tensor, "query weight"]]
AT_ONCE = 64  # rows of a Hessian that are computed together


class Solver:
    """Whatever applies an inverse curvature to whole gradients.

    Arguments:
        subject: the model with its training examples.
        solve: from gradients to the inverse curvature times them, in float64.
        method: what it is called.
        prepared: what is done to queries before they are taken for examples.
    """

    def __init__(self, subject: Subject, solve: Solve, method: str, prepared: Callable[[Any], Any] = lambda given: given) -> None:
        self.subject, self.solve, self.method, self._prepared = subject, solve, method, prepared

    @property
    def coverage(self) -> Coverage:
        """Which weights are looked at, and which are not."""
        return self.subject.coverage

    def scores(self, query: Any, of: Any = None) -> Scores:
        """The influence of every training example on some queries.

        Arguments:
            query: examples of the same kind as the training set.
            of: what is asked about, as for `Influence.scores`.
        """
        of = metric_of(self.subject.model, of)
        queries, g, values = self._asked(query, of)
        V = self.solve(g)
        found = torch.cat([V @ G.T for _, G in self._training()], 1)
        return self._told(found, queries, values, of, "scores")

    def groups(self, query: Any, groups: Groups, of: Any = None, order: Literal[1, 2, "newton"] = "newton") -> Scores:
        """The influence of groups of examples, of which `removal` says what leaving a whole group out does.

        Arguments:
            query, of: as for `scores`.
            groups: a name to the numbers of its examples.
            order: 1 adds the single influences, 2 takes in that the group's own curvature is gone too, "newton" is the whole step without the group:
                exact for least squares.

        Raises:
            InputError: a group that is none; a loss that does not say which distribution it stands for; a group without which nothing is determined.
        """
        refuse_order(order, (1, 2, "newton"))
        n, of = len(self.subject.examples), metric_of(self.subject.model, of)
        members = refuse_groups(groups, n)
        queries, g, values = self._asked(query, of)
        V, found = self.solve(g), []
        for name, some in track(list(members.items()), "groups"):
            parts = list(self.subject.batches(some))
            g_U = torch.stack([gradients(self.subject, self.subject.examples, part)[0].sum(0) for part in parts]).sum(0)
            column = V @ g_U
            if order != 1:
                loss = _likelihood(self.subject.loss)
                U = torch.cat([outer_factors(self.subject, loss, part).flatten(0, 1) for part in parts])
                right = U @ self.solve(g_U[None])[0]
                if order == "newton":
                    small = n * torch.eye(len(U), dtype=U.dtype) - self.solve(U) @ U.T
                    factor, failed = torch.linalg.cholesky_ex((small + small.T) / 2)
                    if int(failed) or float(factor.diagonal().min()) ** 2 < n * torch.finfo(U.dtype).eps ** 0.5:
                        raise InputError(f"without group {name!r} the curvature is not positive: leave fewer examples out, or give more damping")
                    column = column + V @ U.T @ torch.cholesky_solve(right[:, None], factor)[:, 0]
                else:
                    column = column + V @ U.T @ right / n
            found.append(column)
        told = self._told(torch.stack(found, 1), queries, values, of, "groups")
        how = "by a Newton step" if order == "newton" else f"to order {order}"
        return replace(told, examples=list(members), method=f"{self.method}, groups {how}")

    def _asked(self, query: Any, of: Loss | None) -> tuple[Examples, Tensor, Tensor]:
        """The queries, their gradients and values."""
        queries = examples_of(self.subject.model, self._prepared(query), "query")
        refuse_unseen(self.subject, queries, of)
        parts = [gradients(self.subject, queries, some, of) for some in self.subject.batches(range(len(queries)))]
        return queries, torch.cat([g for g, _ in parts]), torch.cat([values for _, values in parts])

    def _training(self) -> Any:
        batches = list(self.subject.batches(range(len(self.subject.examples))))
        return ((some, gradients(self.subject, self.subject.examples, some)[0]) for some in track(batches, "scoring"))

    def _told(self, found: Tensor, queries: Examples, values: Tensor, of: Loss | None, verb: str) -> Scores:
        examples, subject = self.subject.examples, self.subject
        inputs = [examples.fingerprint, queries.fingerprint]
        asked = {"method": self.method, "of": name_of(of or subject.loss)}
        return Scores(
            values=found, queries=label_all(queries), examples=label_all(examples), query_values=values, n=len(examples), method=self.method,
            of=f"the loss ({name_of(subject.loss)})" if of is None else name_of(of),
            recipe=Recipe.of(f"sonde.influence.{type(self).__name__}.{verb}", asked, model_hash=subject.model.hash, inputs=inputs),
        )  # fmt: skip


class Exact(Solver):
    """The whole curvature of a small model.

    Arguments:
        subject: the model with its training examples.
        matrix: the curvature, damped.
        method: what it is called.
        prepared: what is done to queries before they are taken for examples.
    """

    def __init__(
        self, subject: Subject, matrix: Float[Tensor, "weight weight"], method: str, prepared: Callable[[Any], Any] = lambda given: given
    ) -> None:  # fmt: skip
        factor, failed = torch.linalg.cholesky_ex(matrix)
        self.positive = not int(failed)
        """Whether the matrix is positive definite; a Hessian may not be, away from a minimum."""
        pieces = None if self.positive else torch.linalg.lu_factor(matrix)
        if pieces is not None and not pieces[0].diagonal().abs().min() > torch.finfo(matrix.dtype).eps * matrix.abs().max():
            raise InputError("the curvature is singular and nothing is added to it, so it has no inverse: give damping=Absolute(weight decay)")

        def solve(g: Tensor) -> Tensor:
            columns = g.to(matrix).T
            return (torch.cholesky_solve(columns, factor) if pieces is None else torch.linalg.lu_solve(*pieces, columns)).T

        super().__init__(subject, solve, method if self.positive else f"{method}, indefinite", prepared)
        self.matrix = matrix

    def leave_one_out(self, query: Any, of: Any = None) -> Scores:
        """Scores by the Newton step that leaves an example out, its own curvature included; `removal` is then the step's own effect.

        Arguments:
            query, of: as for `scores`.

        Raises:
            InputError: a loss that does not say which distribution it stands for.
        """
        loss, of = _likelihood(self.subject.loss), metric_of(self.subject.model, of)
        queries, g, values = self._asked(query, of)
        n, V = len(self.subject.examples), self.solve(g)
        found = []
        for some, G in self._training():
            U = outer_factors(self.subject, loss, some)
            own = self.solve(U.flatten(0, 1)).view_as(U)
            small = n * torch.eye(U.shape[1], dtype=U.dtype) - own @ U.transpose(1, 2)
            right = torch.linalg.solve(small, (own @ G[..., None]))[..., 0]
            found.append(V @ G.T + torch.einsum("qp,bcp,bc->qb", V, U, right))
        return self._told(torch.cat(found, 1), queries, values, of, "leave_one_out")


def exact(
    model: Model | nn.Module, train_set: Any, loss: Loss | None = None, kind: Literal["ggn", "hessian"] = "ggn",
    damping: Damping | float = Relative(0.1), modules: str | Sequence[str] | None = None, dtype: torch.dtype | None = None,  # noqa: B008
    batch_size: int | None = None,
) -> Exact:  # fmt: skip
    """The influence by the whole curvature of a small model, all its blocks together.

    Arguments:
        model, train_set, loss, modules, batch_size: as for `fit`.
        kind: the Gauss-Newton matrix (never indefinite; the Hessian of a model that is linear in its weights), or the Hessian.
        damping: `Absolute`, or `Relative` to the mean eigenvalue; a number is meant absolutely: the weight decay of the objective is the right one.
        dtype: compute in this type, on a copy of the model; `torch.float64` for exactness.

    Raises:
        InputError: a model with too many weights for a matrix; a loss that does not say which distribution it stands for; a singular curvature.

    >>> from sonde.influence.losses import CrossEntropy
    >>> x, y = torch.randn(20, 4), torch.randint(3, (20,))
    >>> exact(nn.Linear(4, 3), (x, y), CrossEntropy(), damping=0.01).scores((x[:2], y[:2])).values.shape
    torch.Size([2, 20])
    """
    subject, prepared = in_type(model, train_set, loss, modules, batch_size, dtype)
    P, chosen = subject.coverage.weights, damping_of(damping)
    if isinstance(chosen, Factored):
        raise InputError("factored damping splits between the two factors of K-FAC: use Relative or Absolute")
    if available() < 4 * 8 * P**2:
        raise InputError(f"{P:,} weights make a matrix of {8 * P**2 / 1e9:,.1f} GB: use conjugate_gradients, or fit (EK-FAC); or name fewer modules=")
    if kind not in ("ggn", "hessian"):
        raise InputError(f"kind={shown(kind)}: use 'ggn' or 'hessian'")
    matrix = _gauss_newton(subject, P) if kind == "ggn" else _hessian(subject, P)
    added = chosen.value if isinstance(chosen, Absolute) else chosen.share * float(matrix.diagonal().mean())
    name = {"ggn": "exact Gauss-Newton", "hessian": "exact Hessian"}[kind]
    return Exact(subject, matrix + added * torch.eye(P, dtype=torch.float64), f"{name}, damping {chosen}", prepared)


def gradients(subject: Subject, examples: Examples, indices: Sequence[int], of: Loss | None = None) -> tuple[Tensor, Tensor]:
    """Every example's whole gradient in float64, the blocks side by side, and the values.

    Arguments:
        subject: the model with its training examples.
        examples: whose gradients.
        indices: of the examples.
        of: the metric; the loss if not given.
    """
    parts: dict[str, Tensor] = {}

    def receive(told: Told) -> None:
        parts[told.block.name] = told.trace.dense().double().cpu().flatten(1)

    values = subject.back(examples, indices, receive, of)
    return torch.cat([parts[block.name] for block in subject.blocks], 1), values.cpu()


def outer_factors(subject: Subject, loss: Likelihood, indices: Sequence[int]) -> Float[Tensor, "example output weight"]:
    """U_i of some training examples: their curvature is U_i^T U_i.

    Arguments:
        subject: the model with its training examples.
        loss: that knows its distribution.
        indices: of the examples.
    """
    parts: dict[str, list[Tensor]] = {block.name: [] for block in subject.blocks}
    subject.back_from_labels(indices, Labels("exact"), lambda told: parts[told.block.name].append(told.trace.dense().double().cpu().flatten(1)))
    return torch.cat([torch.stack(parts[block.name], 1) for block in subject.blocks], 2)


def in_type(
    model: Model | nn.Module, train_set: Any, loss: Loss | None, modules: str | Sequence[str] | None, batch_size: int | None,
    dtype: torch.dtype | None,
) -> tuple[Subject, Callable[[Any], Any]]:  # fmt: skip
    """What is asked, in a type of numbers; and what makes queries of that type.

    Arguments:
        model, train_set, loss, modules, batch_size: as for `fit`.
        dtype: of the copy; `None` for the model as it is.
    """
    if dtype is None:
        return subject_of(model, train_set, loss, modules, batch_size), lambda given: given
    handle = model if isinstance(model, Model) else Model(model)
    other = Model(copy.deepcopy(handle.module).to(dtype), handle.tokenizer, handle.name, handle.processor)

    def prepared(given: Any) -> Any:
        if isinstance(given, tuple):
            return tuple(part.to(dtype) if isinstance(part, Tensor) and part.is_floating_point() else part for part in given)
        return given.to(dtype) if isinstance(given, Tensor) and given.is_floating_point() else given

    return subject_of(other, prepared(train_set), loss, modules, batch_size), prepared


def _gauss_newton(subject: Subject, P: int) -> Float[Tensor, "weight weight"]:
    loss, n = _likelihood(subject.loss), len(subject.examples)
    found = torch.zeros(P, P, dtype=torch.float64)
    for some in track(list(subject.batches(range(n))), "curvature"):
        U = outer_factors(subject, loss, some).flatten(0, 1)
        found += U.T @ U
    return found / n


def _hessian(subject: Subject, P: int) -> Float[Tensor, "weight weight"]:
    n = len(subject.examples)
    found = torch.zeros(P, P, dtype=torch.float64)
    with twice_differentiable(subject) as weights:
        for some in track(list(subject.batches(range(n))), "curvature"):
            total = losses_of(subject.loss, subject.model.module, subject.examples.batch(some), len(some)).sum()
            first = side_by_side(subject, torch.autograd.grad(total, weights, create_graph=True, allow_unused=True))
            for rows in torch.eye(P, dtype=first.dtype, device=first.device).split(AT_ONCE):
                second = torch.autograd.grad(first, weights, rows, is_grads_batched=True, retain_graph=True, allow_unused=True)
                several = [p.new_zeros(len(rows), *p.shape) if part is None else part for p, part in zip(weights, second, strict=True)]
                place = int(rows[0].argmax())
                found[place : place + len(rows)] += torch.vmap(lambda *parts: side_by_side(subject, parts))(*several).double().cpu()
    return (found + found.T) / (2 * n)


@contextlib.contextmanager
def twice_differentiable(subject: Subject) -> Iterator[list[Tensor]]:
    """The blocks' weights take part in graphs inside this context, and attention is computed by operations that can be differentiated twice.

    Arguments:
        subject: whose weights.
    """
    module = subject.model.module
    weights: list[Tensor] = [p for block in subject.blocks for p in weights_of(module.get_submodule(block.name))]
    with evaluation(module), frozen(module), torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        try:
            for weight in weights:
                weight.requires_grad_(True)
            yield weights
        finally:
            for weight in weights:
                weight.requires_grad_(False)


def side_by_side(subject: Subject, parts: Sequence[Tensor | None]) -> Float[Tensor, " weight"]:
    """What belongs to each weight as one vector, in the order of whole gradients.

    Arguments:
        subject: whose weights.
        parts: one for each weight and bias of the blocks; `None` for zero.
    """
    given, found = iter(parts), []
    for block in subject.blocks:
        module = subject.model.module.get_submodule(block.name)
        own = [torch.zeros_like(p) if part is None else part for p, part in zip(weights_of(module), given, strict=False)]
        found.append(as_matrix(module, own).flatten())
    return torch.cat(found)


def _likelihood(loss: Loss) -> Likelihood:
    if not isinstance(loss, Likelihood):
        raise InputError(f"{shown(loss)} does not say which distribution it stands for, so it has no Gauss-Newton matrix: use kind='hessian'")
    return loss
