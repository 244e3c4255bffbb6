"""Influence functions: to first order, what would be otherwise if a training example had not been there?

With the objective J = 1/n sum_i l_i at its minimum, the gradients g_i of the examples' losses and g_q of a query's value, and H the curvature of J,

    tau(q, i) = g_q^T (H + damping)^-1 g_i

is the effect of up-weighting example i on the query, turned around: tau > 0 where keeping i lowers the query's value, and leaving i out changes it by
about tau / n (Koh and Liang 2017, "Understanding Black-box Predictions via Influence Functions"; at the size of language models Grosse et al. 2023).
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sonde.access import Model
from sonde.influence.coverage import Coverage, coverage
from sonde.influence.curvature import Curvature, Kinds, curvature, kinds_of
from sonde.influence.damping import Damping, Factored, Relative, damping_of
from sonde.influence.directions import Directions, Factors, Keep, LowRank, directions
from sonde.influence.examples import Examples, examples_of
from sonde.influence.groups import Groups, by_second_order, refuse_groups, refuse_order
from sonde.influence.index import Axes, Index, refuse_axes
from sonde.influence.labels import labels_of
from sonde.influence.losses import Likelihood, Loss, NextToken, name_of
from sonde.influence.metrics import metric_of, refuse_unseen
from sonde.influence.plan import Plan, planned
from sonde.influence.results import Scores, SelfInfluence, Top
from sonde.influence.rows import TokenRows
from sonde.influence.subject import Subject, Told
from sonde.influence.taken import Work, kept_best, label_all, scored
from sonde.influence.turning import Turning
from sonde.jobs import refuse_unfinished, shards, share_of, track
from sonde.results import InputError, Recipe, Verdict, content_hash, shown

if TYPE_CHECKING:
    from sonde.influence.reversed import QueryTokens

METHODS = {"identity": "gradient dot", "diagonal": "diagonal", "kfac": "K-FAC", "ekfac": "EK-FAC"}


def fit(
    model: Model | nn.Module, train_set: Any, loss: Loss | None = None, kind: Kinds = "ekfac", damping: Damping | float = Relative(0.1),  # noqa: B008
    modules: str | Sequence[str] | None = None, labels: str = "auto", draws: int = 1, seed: int = 0, batch_size: int | None = None,
    folder: str | Path | None = None, fitted: Curvature | str | Path | None = None, worker: tuple[int, int] | None = None,
) -> "Influence":  # fmt: skip
    """Fit the curvature of a model's training loss, so that the influence of its training examples can be asked for.

    Arguments:
        model: trained; a handle or a module.
        train_set: what it was trained on: tensors in a tuple, such as (x, y), a list or map-style data set; for a language model texts, rows of
            token ids, or (prompt, completion) pairs.
        loss: of an example: `CrossEntropy()`, `SquaredError()`, `NextToken()` (the default of language models), or any `loss(module, batch)` that
            gives one number per example; then the curvature is the empirical Fisher.
        kind: of curvature: "identity" (none: gradients are multiplied as they are), "diagonal", "kfac" or "ekfac"; or a kind for each of some paths
            or globs of modules, of which the first that fits counts: {"*.mlp.*": "diagonal", "*": "ekfac"}.
        damping: what is added to the curvature's eigenvalues; a number is meant absolutely.
        modules: paths or globs of modules whose weights are looked at; by default those inside the blocks of a language model, and all of another
            network.
        labels: whose gradients make the curvature: "exact" (expectation over the model's classes), "sampled", "empirical"; "auto" chooses by the
            loss.
        draws, seed: of sampled labels.
        batch_size: examples in a pass; by default what the memory holds.
        folder: keep finished pieces of the fit here, so that one that was interrupted goes on.
        fitted: a curvature that was fitted before, or the folder where it is kept: it is used, and nothing is fitted.
        worker: (number from 0, how many) of this process among those that share the folder; it computes its share of each pass only, and the sums of
            all are added.

    Raises:
        InputError: what does not fit together, by name. SondeError: a curvature that is zero or no number.
        Unfinished: this worker has done its share, and others have not.

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
        found = curvature(subject, kind, asked, folder, share_of(folder, worker))
    return Influence(subject, found, chosen)


def plan(
    model: Model | nn.Module, train_set: Any, loss: Loss | None = None, kind: Kinds = "ekfac", modules: str | Sequence[str] | None = None,
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
    return planned(subject, kinds_of(subject.blocks, kind), labels_of(labels, subject.loss, outputs, draws, 0), outputs, queries)


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
            raise InputError(f"factored damping splits between the two factors of K-FAC, and this is {self._name}: use Relative or Absolute")
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
        name, labels = self._name, self.curvature.labels
        if self.curvature.kind == "identity":
            return name
        drawn = f"{labels.draws} sampled label(s), seed {labels.seed}" if labels.kind == "sampled" else f"{labels.kind} labels"
        return f"{name}, {drawn}, damping {self.damping}"

    @property
    def _name(self) -> str:
        return METHODS.get(self.curvature.kind, "different curvatures by block")

    def with_damping(self, damping: Damping | float) -> "Influence":
        """The same curvature with another damping.

        Arguments:
            damping: a number is meant absolutely.
        """
        return Influence(self.subject, self.curvature, damping_of(damping))

    def scores(
        self, query: Any, of: Any = None, by: Literal["module", "token"] | None = None, rank: int | None = None,
        dtype: torch.dtype | None = None, queries_at_once: int | None = None, folder: str | Path | None = None,
        worker: tuple[int, int] | None = None,
    ) -> Scores:  # fmt: skip
        """The influence of every training example on some queries.

        Arguments:
            query: examples of the same kind as the training set; of a (prompt, completion) pair only the completion counts.
            of: what is asked about: by default the loss; any function `(module, batch) -> one number per query`; a metric of a run, such as
                `sonde.tasks.LogitDifference(target, foil)`; or (site, direction or number of an entry): a head's output, a neuron, a feature.
            by: take the scores apart: by block of weights, or by the places of the training sequence whose activations carry the gradient.
            rank: keep the queries' gradients by so many directions of each block; the share of their squared norm that this leaves out is told.
            dtype: keep them in this type: `torch.bfloat16` halves the memory, and moves a score by at most 2^-8 <|G|, |V|>.
            queries_at_once: queries in a pass over the training set; by default as many as the memory holds.
            folder: keep finished pieces of the pass here, so that one that was interrupted goes on.
            worker: (number from 0, how many) of this process among those that share the folder; it computes its share of the pieces only.

        Raises:
            InputError: a query that does not fit; a metric that is not one number per query; places that are no tokens. SondeError: pieces of another
                job in the folder; pieces that other workers have not finished.
        """
        if by not in (None, "module", "token"):
            raise InputError(f"by={shown(by)}: use 'module', 'token' or None")
        queries, keep, metric = examples_of(self.subject.model, query, "query"), Keep(rank, dtype), metric_of(self.subject.model, of)
        work = self._work("scores", queries, of, [by], keep, queries_at_once, folder, worker)
        whole = scored(self.subject, self._ask(queries, metric, keep), by, len(queries), keep, work)
        examples, n = self.subject.examples, len(self.subject.examples)
        return Scores(
            values=whole.values, queries=label_all(queries), examples=label_all(examples), query_values=whole.query_values, n=n,
            method=self.method + kept_how(keep, whole.left_out), of=self.asked(metric), modules=whole.modules, by_module=whole.by_module,
            tokens=[examples.tokens(i) or [] for i in range(n)] if by == "token" else None, by_token=whole.by_token,
            left_out=None if rank is None else whole.left_out,
            recipe=self.recipe("scores", queries, {"of": metric or self.subject.loss, "by": by, **_told(keep)}),
        )  # fmt: skip

    def top(
        self, query: Any, k: int = 10, of: Any = None, rank: int | None = None, dtype: torch.dtype | None = None,
        queries_at_once: int | None = None, folder: str | Path | None = None, worker: tuple[int, int] | None = None,
    ) -> Top:  # fmt: skip
        """The training examples that bear most on some queries, in one pass over the training set whose memory does not grow with it.

        Arguments:
            query, of, rank, dtype, queries_at_once, folder, worker: as for `scores`.
            k: how many of the most helpful and of the most harmful ones.

        Raises:
            InputError: as for `scores`; a k that is none.
        """
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise InputError(f"k={shown(k)}: ask for 1 example or more")
        queries, keep, metric = examples_of(self.subject.model, query, "query"), Keep(rank, dtype), metric_of(self.subject.model, of)
        work = self._work("top", queries, of, [k], keep, queries_at_once, folder, worker)
        best = kept_best(self.subject, self._ask(queries, metric, keep), len(queries), k, keep, work)
        named = sorted({int(i) for i in torch.cat([best.high_places.flatten(), best.low_places.flatten()])})
        return Top(
            best.high_places, best.low_places, best.high, best.low, label_all(queries), {i: self.subject.examples.label(i) for i in named},
            len(self.subject.examples), self.method + kept_how(keep, best.left_out), self.asked(metric),
            left_out=None if rank is None else best.left_out,
            recipe=self.recipe("top", queries, {"of": metric or self.subject.loss, "k": k, **_told(keep)}),
        )  # fmt: skip

    def self_influence(self, folder: str | Path | None = None, worker: tuple[int, int] | None = None) -> SelfInfluence:
        """The influence of every training example on its own loss, each by itself: no table of pairs is made.

        Arguments:
            folder, worker: as for `scores`.
        """
        examples, turning = self.subject.examples, Turning(self.subject.blocks, self.curvature.bases)
        weights = {name: 1 / spectrum.divisor(self.damping) for name, spectrum in self.curvature.spectra.items()}
        work = self._work("self", examples, None, [], Keep(), None, folder, worker)

        def piece(some: range) -> dict[str, Tensor]:
            values, losses = [], []
            for indices in self.subject.batches(some):
                own = torch.zeros(len(indices), dtype=torch.float64)

                def add(told: Told, own: Tensor = own) -> None:
                    name = told.block.name
                    if name in turning:
                        turned = turning(told)
                        own += (turned.square_().flatten(1) @ weights[name].to(turned).flatten()).double().cpu()
                    else:
                        own += (told.trace.weighed(weights[name]) if name in weights else told.trace.norms()).double().cpu()

                losses.append(self.subject.back(examples, indices, add).cpu())
                values.append(own)
            return {"values": torch.cat(values), "losses": torch.cat(losses)}

        items = self.subject.pieces()
        found = dict(shards(piece, items, work.folder and work.folder / "self", work.key, "self-influence", work.executor))
        refuse_unfinished(len(found), len(items))
        return SelfInfluence(
            torch.cat([found[i]["values"] for i in range(len(items))]), torch.cat([found[i]["losses"] for i in range(len(items))]),
            label_all(examples), len(examples), self.method, recipe=self.recipe("self_influence", examples, {}),
        )  # fmt: skip

    def _ask(self, queries: Examples, of: Loss | None, keep: Keep) -> Callable[[Sequence[int]], Directions]:
        def ask(some: Sequence[int]) -> Directions:
            refuse_unseen(self.subject, queries, of)
            return directions(self.subject, self.curvature, self.damping, queries, some, of, keep)

        return ask

    def _work(
        self, verb: str, queries: Examples, of: Any, asked: Sequence[Any], keep: Keep, at_once: int | None, folder: str | Path | None,
        worker: tuple[int, int] | None,
    ) -> Work:  # fmt: skip
        """Where a pass is done, and what its pieces are recognised by."""
        share = share_of(folder, worker)
        if folder is None:
            return Work(at_once=at_once)
        try:
            metric = content_hash(of)
        except TypeError:
            raise InputError(f"with folder=, of= must be data, so that its pieces are recognised, not {shown(of)}: give a frozen dataclass") from None
        told = [verb, self.curvature.hash, str(self.damping), queries.fingerprint, metric, type(of).__name__, *asked, *_told(keep).values()]
        key = content_hash([*told, [block.name for block in self.subject.blocks], len(self.subject.pieces()[0])])
        return Work(Path(folder), key, at_once, share)

    def groups(self, query: Any, groups: Groups, of: Any = None, order: Literal[1, 2] = 1) -> Scores:
        """The influence of groups of examples, of which `removal` says what leaving a whole group out does.

        Arguments:
            query, of: as for `scores`.
            groups: a name to the numbers of its examples.
            order: 1 adds the single influences; 2 takes in that the group's own curvature is gone too, which matters for large groups.

        Raises:
            InputError: a group that is none; no curvature for the second order; and as for `scores`.
        """
        refuse_order(order, (1, 2))
        if order == 2 and not self.curvature.spectra:
            raise InputError("the second order takes in a group's curvature, and there is none: fit 'ekfac', 'kfac' or 'diagonal'")
        members, metric = refuse_groups(groups, len(self.subject.examples)), metric_of(self.subject.model, of)
        queries = examples_of(self.subject.model, query, "query")
        found = self._ask(queries, metric, Keep())(range(len(queries)))
        V = {name: part.outer.dense() if isinstance(part, Factors) else part.V for name, part in found.parts.items() if not isinstance(part, LowRank)}
        values = [by_second_order(self, V, some, order) for some in track(list(members.values()), "groups")]
        return Scores(
            values=torch.stack(values, 1), queries=label_all(queries), examples=list(members), query_values=found.values.cpu(),
            n=len(self.subject.examples), method=f"{self.method}, groups to order {order}", of=self.asked(metric),
            recipe=self.recipe("groups", queries, {"of": metric or self.subject.loss, "order": order, "groups": list(members.values())}),
        )  # fmt: skip

    def query_tokens(self, query: Any, examples: Sequence[int], of: Any = None) -> "QueryTokens":
        """Which tokens of the query carry the influence of some training examples on it.

        Arguments:
            query, of: as for `scores`; rows of tokens.
            examples: numbers of training examples.

        Returns:
            What each place of each query adds; the places sum to tau.

        Raises:
            InputError: a number that is no example's; places that are no tokens.
        """
        from sonde.influence.reversed import query_tokens

        return query_tokens(self, query, examples, of)

    def moved(self, examples: Sequence[int]) -> dict[str, Float[Tensor, "..."]]:
        """How the weights move, to first order, when training examples are left out together: their influence on the parameters.

        Arguments:
            examples: their numbers.

        Returns:
            By the path of each weight that is looked at, the sum of (H + damping)^-1 g_i / n.

        Raises:
            InputError: a number that is no example's.
        """
        from sonde.influence.reversed import moved

        return moved(self, examples)

    def index(
        self, k: Axes = 128, dtype: torch.dtype = torch.float16, folder: str | Path | None = None, worker: tuple[int, int] | None = None
    ) -> Index:  # fmt: skip
        """Keep the training gradients, projected, so that later queries need no pass over the training set.

        Arguments:
            k: axes that are kept of activations and of output gradients in each block: one number, two, or `None` for all of them.
            dtype: of what is kept.
            folder: keep it here, piece by piece; pieces that are there already are used, so that this is also how an index is opened again.
            worker: (number from 0, how many) of this process among those that share the folder.

        Raises:
            InputError: no curvature to choose axes by. SondeError: a folder with pieces of another index; pieces that others have not finished.
        """
        refuse_axes(k, dtype)
        if not self.curvature.spectra:
            raise InputError("an index keeps the axes in which a curvature says most, and there is none: fit 'ekfac', 'kfac' or 'diagonal'")
        asked = [list(k) if isinstance(k, tuple) else k, str(dtype)]
        work = self._work("index", self.subject.examples, None, asked, Keep(), None, folder, worker)
        return Index(self, k, dtype, work.folder and work.folder / "index", work.key, work.executor)

    def asked(self, of: Loss | None) -> str:
        """What is asked about, in words.

        Arguments:
            of: the metric; the loss if not given.
        """
        return f"the loss ({name_of(self.subject.loss)})" if of is None else name_of(of)

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

    def recipe(self, verb: str, queries: Examples, arguments: dict[str, Any]) -> Recipe:
        """How a result came about.

        Arguments:
            verb: what was asked.
            queries: about what.
            arguments: of the call.
        """
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


def kept_how(keep: Keep, left_out: Tensor) -> str:
    """How the queries' gradients were kept, in words; nothing where they were kept as they are.

    Arguments:
        keep: how.
        left_out: of each query's squared norm the share that a low rank leaves out.
    """
    parts = [] if keep.rank is None else [f"queries' gradients at rank {keep.rank}, which leaves out {float(left_out.max()):.2g} of their squares"]
    parts += [] if keep.dtype is None else [f"kept in {str(keep.dtype).removeprefix('torch.')}"]
    return "".join(f", {part}" for part in parts)


def _told(keep: Keep) -> dict[str, Any]:
    return {"rank": keep.rank, "dtype": None if keep.dtype is None else str(keep.dtype)}
