"""kronfluence, by its documented calls: an analyzer that keeps factors and scores on disk; with the damping of the paper, not its default of 1e-8."""

import tempfile
from typing import Any

from bench.subjects import ekfac as e
from bench.subjects.trial import Trial


class Analysis:
    """Its analyzer on the transformer of the job, in a folder that goes with the process.

    Arguments:
        net: the transformer.
        tracked: its linear maps that are looked at.
    """

    def __init__(self, net: Any, tracked: list[str] = e.TRACKED) -> None:
        from kronfluence.analyzer import Analyzer, prepare_model
        from kronfluence.task import Task
        from torch.nn.functional import cross_entropy

        class Foretelling(Task):
            def compute_train_loss(self, batch: Any, model: Any, sample: bool = False) -> Any:
                logits = model(batch[0])
                if not sample:
                    return e.loss(logits, batch[0]).sum()
                return cross_entropy(logits[:, :-1].flatten(0, 1), e.drawn(logits).flatten(), reduction="sum")

            def compute_measurement(self, batch: Any, model: Any) -> Any:
                return e.loss(model(batch[0]), batch[0]).sum()

            def get_influence_tracked_modules(self) -> list[str]:
                return tracked

        self._folder, task = tempfile.TemporaryDirectory(), Foretelling()
        net = prepare_model(net.requires_grad_(True), task)
        self.analyzer = Analyzer(
            "bench", net, task, output_dir=self._folder.name, disable_tqdm=True, disable_model_save=True, cpu=True
        )  # fmt: skip

    def fit(self, name: str, ids: Any, sampled: bool) -> None:
        """Second moments, eigenvectors, eigenvalues."""
        from kronfluence.arguments import FactorArguments
        from torch.utils.data import TensorDataset

        how = FactorArguments(strategy="ekfac", use_empirical_fisher=not sampled)
        self.analyzer.fit_all_factors(name, TensorDataset(ids), per_device_batch_size=e.ROWS, factor_args=how, overwrite_output_dir=True)

    def scores(self, name: str, queries: Any, ids: Any) -> Any:
        """Of every sequence for every query."""
        from kronfluence.arguments import ScoreArguments
        from torch.utils.data import TensorDataset

        self.analyzer.compute_pairwise_scores(
            "pairs", name, TensorDataset(queries), TensorDataset(ids), per_device_query_batch_size=len(queries), per_device_train_batch_size=e.ROWS,
            score_args=ScoreArguments(damping_factor=None), overwrite_output_dir=True,
        )  # fmt: skip
        return self.analyzer.load_pairwise_scores("pairs")["all_modules"]

    def own(self, name: str, ids: Any) -> Any:
        """Every sequence's self-influence."""
        from kronfluence.arguments import ScoreArguments
        from torch.utils.data import TensorDataset

        how = ScoreArguments(damping_factor=None)
        self.analyzer.compute_self_scores(
            "self", name, TensorDataset(ids), per_device_train_batch_size=e.ROWS, score_args=how, overwrite_output_dir=True
        )  # fmt: skip
        return self.analyzer.load_self_scores("self")["all_modules"]


def ekfac_fit(device: str) -> Trial:
    """`fit_all_factors`."""
    analysis, train = Analysis(e.network()), e.sequences(e.TRAIN, 1)
    few, queries = e.sequences(e.CHECKED, 1), e.sequences(e.ASKED, 2)

    def checked() -> Any:
        analysis.fit("few", few, sampled=False)
        return analysis.scores("few", queries, few)

    return Trial(lambda: analysis.fit("all", train, sampled=True), e.answer, checked=checked)


def ekfac_self(device: str) -> Trial:
    """`compute_self_scores`."""
    analysis, train, few = Analysis(e.network()), e.sequences(e.TRAIN, 1), e.sequences(e.CHECKED, 1)
    analysis.fit("few", few, sampled=False)
    return Trial(lambda: analysis.own("few", train), e.answer, checked=lambda: analysis.own("few", few))


def ekfac_pairwise(device: str) -> Trial:
    """`compute_pairwise_scores`."""
    analysis, train, few = Analysis(e.network()), e.sequences(e.TRAIN, 1), e.sequences(e.CHECKED, 1)
    queries = e.sequences(e.QUERIES, 2)
    analysis.fit("few", few, sampled=False)
    return Trial(lambda: analysis.scores("few", queries, train), e.answer, checked=lambda: analysis.scores("few", queries[: e.ASKED], few))


def ekfac_memory(device: str) -> Trial:
    """All of it, one stage after the other."""
    analysis, train, queries = Analysis(e.network()), e.sequences(e.MEASURED, 1), e.sequences(e.QUERIES, 2)

    def run() -> Any:
        analysis.fit("all", train, sampled=True)
        return analysis.scores("all", queries, train), analysis.own("all", train)

    return Trial(run, e.answer, checked=ekfac_fit(device).checked)
