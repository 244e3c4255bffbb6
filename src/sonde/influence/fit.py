"""Influence functions: to first order, what would be otherwise if a training example had not been there?

With the objective J = 1/n sum_i l_i at its minimum, the gradients g_i of the examples' losses and g_q of a query's value, and H the curvature of J,

    tau(q, i) = g_q^T (H + damping)^-1 g_i

is the effect of up-weighting example i on the query, turned around: tau > 0 where keeping i lowers the query's value, and leaving i out changes it by
about tau / n (Koh and Liang 2017, "Understanding Black-box Predictions via Influence Functions"; at the size of language models Grosse et al. 2023).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sonde.access import Model
from sonde.influence.coverage import Coverage, coverage
from sonde.influence.curvature import Curvature, Kind, curvature
from sonde.influence.damping import Damping, Factored, Relative, damping_of
from sonde.influence.directions import directions
from sonde.influence.examples import Examples, examples_of
from sonde.influence.labels import labels_of
from sonde.influence.losses import Likelihood, Loss, NextToken, name_of
from sonde.influence.plan import Plan, planned
from sonde.influence.results import Scores, SelfInfluence, Top
from sonde.influence.rows import TokenRows
from sonde.influence.subject import Subject, Told
from sonde.influence.taken import kept_best, label_all, scored
from sonde.jobs import track
from sonde.results import InputError, Recipe, Verdict, shown

METHODS = {"identity": "gradient dot", "diagonal": "diagonal", "kfac": "K-FAC", "ekfac": "EK-FAC"}


def fit(
    model: Model | nn.Module, train_set: Any, loss: Loss | None = None, kind: Kind = "ekfac", damping: Damping | float = Relative(0.1),  # noqa: B008
    modules: str | Sequence[str] | None = None, labels: str = "auto", draws: int = 1, seed: int = 0, batch_size: int | None = None,
    folder: str | Path | None = None, fitted: Curvature | str | Path | None = None,
) -> "Influence":  # fmt: skip
    """Fit the curvature of a model's training loss, so that the influence of its training examples can be asked for.

    Arguments:
        model: trained; a handle or a module.
        train_set: what it was trained on: tensors in a tuple, such as (x, y), a list or map-style data set; for a language model texts, rows of
            token ids, or (prompt, completion) pairs.
        loss: of an example: `CrossEntropy()`, `SquaredError()`, `NextToken()` (the default of language models), or any `loss(module, batch)` that
            gives one number per example; then the curvature is the empirical Fisher.
        kind: of curvature: "identity" (none: gradients are multiplied as they are), "diagonal", "kfac" or "ekfac".
        damping: what is added to the curvature's eigenvalues; a number is meant absolutely.
        modules: paths or globs of modules whose weights are looked at; by default those inside the blocks of a language model, and all of another
            network.
        labels: whose gradients make the curvature: "exact" (expectation over the model's classes), "sampled", "empirical"; "auto" chooses by the
            loss.
        draws, seed: of sampled labels.
        batch_size: examples in a pass; by default what the memory holds.
        folder: keep finished pieces of the fit here, so that one that was interrupted goes on.
        fitted: a curvature that was fitted before, or the folder where it is kept: it is used, and nothing is fitted.

    Raises:
        InputError: what does not fit together, by name. SondeError: a curvature that is zero or no number.

    >>> from sonde.influence.losses import CrossEntropy
    >>> x, y = torch.randn(20, 4), torch.randint(3, (20,))
    >>> influence = fit(nn.Linear(4, 3), (x, y), CrossEntropy())
    >>> influence.scores((x[:2], y[:2])).values.shape
    torch.Size([2, 20])
    """
    subject = subject_of(model, train_set, loss, modules, batch_size)
    chosen = damping_of(damping)
    if fitted is not None:
        found = fitted if isinstance(fitted, Curvature) else Curvature.load(fitted)
        found.refuse_other(subject)
    else:
        asked = labels_of(labels, subject.loss, _outputs(subject) if labels == "auto" else 0, draws, seed)
        found = curvature(subject, kind, asked, folder)
    return Influence(subject, found, chosen)


def plan(
    model: Model | nn.Module, train_set: Any, loss: Loss | None = None, kind: Kind = "ekfac", modules: str | Sequence[str] | None = None,
    queries: int = 1, labels: str = "auto", draws: int = 1, batch_size: int | None = None,
) -> Plan:  # fmt: skip
    """What a fit and the scores of some queries would take, at the price of one small batch.

    Arguments:
        model, train_set, loss, kind, modules, labels, draws, batch_size: as for `fit`.
        queries: how many.

    >>> from sonde.influence.losses import CrossEntropy
    >>> x, y = torch.randn(20, 4), torch.randint(3, (20,))
    >>> plan(nn.Linear(4, 3), (x, y), CrossEntropy()).examples
    20
    """
    subject = subject_of(model, train_set, loss, modules, batch_size)
    outputs = _outputs(subject)
    return planned(subject, kind, labels_of(labels, subject.loss, outputs, draws, 0), outputs, queries)


class Influence:
    """A fitted curvature with the model and its training examples: what scores are asked of.

    Arguments:
        subject: the model with its training examples.
        curvature: of the training loss.
        damping: of its inverse.
    """

    def __init__(self, subject: Subject, curvature: Curvature, damping: Damping) -> None:
        self.subject, self.curvature, self.damping = subject, curvature, damping
        if isinstance(damping, Factored) and curvature.kind != "kfac":
            raise InputError(
                f"factored damping splits between the two factors of K-FAC, and this is {METHODS[curvature.kind]}: use Relative or Absolute"
            )
        for name, spectrum in curvature.spectra.items():
            if not float(spectrum.divisor(damping).min()) > 0:
                raise InputError(
                    f"the curvature of {name!r} is singular and {damping} adds nothing to it, so it has no "
                    "inverse: use Relative(0.1), or Absolute(weight decay)"
                )

    @property
    def coverage(self) -> Coverage:
        """Which weights are looked at, and which are not."""
        return self.subject.coverage

    @property
    def method(self) -> str:
        """How scores are estimated, in words."""
        name, labels = METHODS[self.curvature.kind], self.curvature.labels
        if self.curvature.kind == "identity":
            return name
        drawn = f"{labels.draws} sampled label(s), seed {labels.seed}" if labels.kind == "sampled" else f"{labels.kind} labels"
        return f"{name}, {drawn}, damping {self.damping}"

    def with_damping(self, damping: Damping | float) -> "Influence":
        """The same curvature with another damping.

        Arguments:
            damping: a number is meant absolutely.
        """
        return Influence(self.subject, self.curvature, damping_of(damping))

    def scores(self, query: Any, of: Loss | None = None, by: Literal["module", "token"] | None = None) -> Scores:
        """The influence of every training example on some queries.

        Arguments:
            query: examples of the same kind as the training set; of a (prompt, completion) pair only the completion counts.
            of: what is asked about: by default the loss; or any metric `(module, batch) -> one number per query`.
            by: take the scores apart: by block of weights, or by the places of the training sequence whose activations carry the gradient.

        Raises:
            InputError: a query that does not fit; a metric that is not one number per query; places that are no tokens.
        """
        if by not in (None, "module", "token"):
            raise InputError(f"by={shown(by)}: use 'module', 'token' or None")
        queries = examples_of(self.subject.model, query, "query")
        found, values = directions(self.subject, self.curvature, self.damping, queries, range(len(queries)), of)
        whole = scored(self.subject, found, by, len(queries))
        examples, n = self.subject.examples, len(self.subject.examples)
        return Scores(
            values=whole.values, queries=label_all(queries), examples=label_all(examples), query_values=values.cpu(), n=n, method=self.method,
            of=_asked(of, self.subject.loss), modules=whole.modules, by_module=whole.by_module,
            tokens=[examples.tokens(i) or [] for i in range(n)] if by == "token" else None, by_token=whole.by_token,
            recipe=self._recipe("scores", queries, {"of": of or self.subject.loss, "by": by}),
        )  # fmt: skip

    def top(self, query: Any, k: int = 10, of: Loss | None = None) -> Top:
        """The training examples that bear most on some queries, in one pass over the training set whose memory does not grow with it.

        Arguments:
            query, of: as for `scores`.
            k: how many of the most helpful and of the most harmful ones.

        Raises:
            InputError: as for `scores`; a k that is none.
        """
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise InputError(f"k={shown(k)}: ask for 1 example or more")
        queries = examples_of(self.subject.model, query, "query")
        found, _ = directions(self.subject, self.curvature, self.damping, queries, range(len(queries)), of)
        best = kept_best(self.subject, found, len(queries), k)
        named = sorted({int(i) for i in torch.cat([best.high_places.flatten(), best.low_places.flatten()])})
        return Top(
            best.high_places, best.low_places, best.high, best.low, label_all(queries), {i: self.subject.examples.label(i) for i in named},
            len(self.subject.examples), self.method, _asked(of, self.subject.loss),
            recipe=self._recipe("top", queries, {"of": of or self.subject.loss, "k": k}),
        )  # fmt: skip

    def self_influence(self) -> SelfInfluence:
        """The influence of every training example on its own loss, each by itself: no table of pairs is made."""
        values, losses = [], []
        for indices in track(list(self.subject.batches(range(len(self.subject.examples)))), "self-influence"):
            own = torch.zeros(len(indices), dtype=torch.float64)

            def add(told: Told, own: Tensor = own) -> None:
                spectrum = self.curvature.spectra.get(told.block.name)
                own += (told.trace.norms() if spectrum is None else spectrum.own(told.trace, self.damping)).double().cpu()

            losses.append(self.subject.back(self.subject.examples, indices, add).cpu())
            values.append(own)
        examples = self.subject.examples
        return SelfInfluence(
            torch.cat(values), torch.cat(losses), label_all(examples), len(examples), self.method, recipe=self._recipe("self_influence", examples, {})
        )  # fmt: skip

    def save(self, folder: str | Path) -> Path:
        """Keep the curvature; `fit(..., fitted=folder)` uses it again, on the same weights and training set only.

        Arguments:
            folder: where.
        """
        return self.curvature.save(folder)

    def check(
        self, query: Any, training: Any = None, near: str | None = None, subsets: int = 50, seeds: int = 2, most: int = 20,
        folder: str | Path | None = None,
    ) -> list[Verdict]:  # fmt: skip
        """Test the scores by what the model's size allows, against controls; what is skipped has its reason.

        Arguments:
            query: examples of the same kind as the training set, eight or more.
            training: how the model was trained: `Descent`, `SoftmaxRegression`, or a function `(indices, seed) -> module`.
            near: where the representations are read whose nearest neighbours must be beaten.
            subsets, seeds: of the trainings.
            most: examples that are taken away in the counterfactual.
            folder: keep finished trainings here.
        """
        from sonde.influence.checking import checked

        return checked(self, query, training, near, subsets, seeds, most, folder)

    def __repr__(self) -> str:
        return f"Influence of {len(self.subject.examples)} examples on {self.subject.model.name} by {self.method}\n{self.coverage}"

    def _recipe(self, verb: str, queries: Examples, arguments: dict[str, Any]) -> Recipe:
        labels = self.curvature.labels
        told = {"kind": self.curvature.kind, "damping": str(self.damping), "labels": labels.kind, "draws": labels.draws}
        named = {name: name_of(value) if callable(value) else value for name, value in arguments.items()}
        inputs = [self.curvature.fingerprint, queries.fingerprint]
        seed = labels.seed if labels.kind == "sampled" else None
        return Recipe.of(f"sonde.influence.Influence.{verb}", {**told, **named}, model_hash=self.subject.model.hash, inputs=inputs, seed=seed)


def subject_of(
    model: Model | nn.Module, train_set: Any, loss: Loss | None, modules: str | Sequence[str] | None = None, batch_size: int | None = None
) -> Subject:  # fmt: skip
    """What is asked, from what a user gives.

    Arguments:
        model, train_set, loss, modules, batch_size: as for `fit`.
    """
    handle = model if isinstance(model, Model) else Model(model)
    examples = examples_of(handle, train_set)
    if loss is None:
        if not isinstance(examples, TokenRows):
            raise InputError(
                "which loss was this model trained with? give loss=CrossEntropy(), SquaredError(), or a function (module, batch) -> losses"
            )
        loss = NextToken()
    if isinstance(loss, NextToken) and not handle.architecture.causal:
        raise InputError(f"{handle.name} ({handle.architecture.family}) is not causal: it foretells no next token; give a loss of your own")
    if not callable(loss):
        raise InputError(
            f"{shown(loss)} is no loss: give CrossEntropy(), SquaredError(), NextToken(), or a function (module, batch) -> one number per example"
        )
    if batch_size is not None and (isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1):
        raise InputError(f"batch_size={shown(batch_size)}: a pass takes 1 example or more")
    return Subject(handle, examples, loss, coverage(handle, examples, loss, modules), batch_size)


def _outputs(subject: Subject) -> int:
    """How many outputs an example has; 0 where the loss does not tell."""
    if not isinstance(subject.loss, Likelihood):
        return 0
    from sonde.access.forward import evaluation

    with evaluation(subject.model.module), torch.no_grad():
        return subject.loss.outputs(subject.model.module, subject.examples.batch([0]))[0].numel()


def _asked(of: Loss | None, loss: Loss) -> str:
    return f"the loss ({name_of(loss)})" if of is None else name_of(of)
