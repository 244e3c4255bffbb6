"""Dictionaries trained together, in one pass over the activations; interrupted anywhere, resumed with the batch that would have come."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from sonde.dictionaries.dictionary import Dictionary
from sonde.dictionaries.store import Source, columns
from sonde.dictionaries.training.learner import Diverged, Job, Learner, learner
from sonde.results import Artifact, Drawing, InputError, Recipe, Result, content_hash
from sonde.results.codec import Packed
from sonde.results.drawing import Series, lines

if TYPE_CHECKING:
    from polars import DataFrame

KIND = "sonde.dictionaries.checkpoint"
Watch = Callable[[Dictionary], dict[str, float]]
"""What is measured beside the batch's own figures now and then, such as the loss recovered on held-out text."""


@dataclass(frozen=True, eq=False, repr=False)
class Training(Result):
    """A trained dictionary, and how it came about.

    Arguments:
        dictionary: as it was at the end.
        log: by name, one number for each look: activations seen, mean active latents, unexplained variance, share of dead latents, losses.
    """

    dictionary: Dictionary
    log: dict[str, list[float]]

    def to_frame(self) -> "DataFrame":
        """One row for each look."""
        import polars as pl

        return pl.DataFrame(self.log)

    def drawing(self) -> Drawing:
        """Unexplained variance and dead latents in the course of the training."""
        curves = [Series(name, self.log[name]) for name in ("unexplained", "dead") if name in self.log]
        return lines(f"training of {self.dictionary}", "share", "activations", [round(n) for n in self.log["activations"]], curves, spacing="linear")


def fit(
    jobs: Sequence[Job], source: Source, *, activations: int, batch: int = 4096, folder: str | Path | None = None, every: int = 200, looks: int = 100,
    watch: Watch | None = None, keep_going: bool = False,
) -> list[Training]:  # fmt: skip
    """Train some dictionaries on the same batches.

    Arguments:
        jobs: what is trained.
        source: of the activations; each dictionary reads its own sites of each row.
        activations: how many rows are learned from.
        batch: rows of one update.
        folder: where checkpoints and results are kept; a training that was interrupted goes on from there. `None` keeps nothing.
        every: updates between two checkpoints.
        looks: how many times figures are noted.
        watch: what is measured with them, on the dictionary as it then is.
        keep_going: whether the others go on where one diverges; its result is then the last good state.

    Raises:
        InputError: no jobs, two of one name, a folder of another training, a source that ends too early.
        Diverged: a loss that is no number or shot up; the last checkpoint is kept.
    """
    names = [str(job) for job in jobs]
    if not jobs or len(set(names)) < len(names):
        raise InputError(f"{len(jobs)} jobs called {', '.join(names) or 'nothing'}: give at least one, each with a name of its own")
    if batch < 1 or activations < batch:
        raise InputError(f"{activations} activations in batches of {batch}: give at least one whole batch")
    learners = [learner(job, source.parts, activations) for job in jobs]
    taken = [(columns(source.parts, [p.site for p in one.reads]), columns(source.parts, [p.site for p in one.writes])) for one in learners]
    place = None if folder is None else Path(folder)
    key = content_hash([names, [repr(job) for job in jobs], [[p.site, p.width] for p in source.parts], activations, batch])
    logs: list[dict[str, list[float]]] = [{} for _ in jobs]
    if place is not None and (place / "checkpoint").exists():
        logs = _resume(place / "checkpoint", key, learners, source)
    stopped: dict[int, str] = {}
    error_of = getattr(source, "error", None)  # a source may judge what is written by itself
    step, begun, done = 0, time.monotonic(), learners[0].seen
    with _table(names) as show:
        for x in source.batches(batch) if done + batch <= activations else ():
            before = learners[0].seen
            for i, (one, (reads, writes)) in enumerate(zip(learners, taken, strict=True)):
                if i in stopped:
                    continue
                read = x[:, reads]
                try:
                    found = one.update(read, read if one.same else x[:, writes], error_of and error_of(one))
                except Diverged as error:
                    if not keep_going:
                        raise Diverged(f"{names[i]}: {error}") from error
                    stopped[i] = str(error)
                    continue
                if before == 0 or before * looks // activations != one.seen * looks // activations:
                    _note(logs[i], one, found, watch)
            step, seen = step + 1, max(one.seen for one in learners)
            show(logs, (seen - done) / max(1e-9, time.monotonic() - begun), seen / activations)
            finished = seen + batch > activations
            if place is not None and (step % every == 0 or finished):
                _keep(place / "checkpoint", key, learners, source, logs)
            if finished:
                break
    seen = max(one.seen for one in learners)
    if seen + batch <= activations:
        raise InputError(f"the source ended after {seen:,} of {activations:,} activations: give more text, or ask for fewer")
    results = [_result(job, one, log, source, batch, stopped.get(i)) for i, (job, one, log) in enumerate(zip(jobs, learners, logs, strict=True))]
    if place is not None:
        for name, result in zip(names, results, strict=True):
            result.save(place / name)
    return results


def _result(job: Job, one: Learner, log: dict[str, list[float]], source: Source, batch: int, stopped: str | None) -> Training:
    metadata: dict[str, Any] = {
        "training": {"architecture": repr(job.architecture), "seed": job.seed, "activations": one.seen, "batch": batch},
        "source": [*source.notes],
        **({"stopped": stopped} if stopped else {}),
    }
    recipe = Recipe.of(
        "sonde.dictionaries.fit", {"job": repr(job), "activations": one.total, "batch": batch}, model_hash=str(getattr(source, "model_hash", "")),
        inputs=[[part.site, part.width] for part in source.parts], seed=job.seed,
    )  # fmt: skip
    return Training(one.dictionary(metadata), log, recipe=recipe)


def _note(log: dict[str, list[float]], one: Learner, found: Any, watch: Watch | None) -> None:
    size = len(one.weights["encoder"])
    figures = {
        "activations": float(one.seen), "active": found.active, "unexplained": float(found.unexplained), "dead": len(one.dead) / size,
        "rate": one.rate, **{name: float(value) for name, value in found.losses.items()},
    }  # fmt: skip
    if watch is not None:
        figures |= watch(one.dictionary())
    rows = max((len(column) for column in log.values()), default=0)
    for name in {*log, *figures}:
        log.setdefault(name, [float("nan")] * rows).append(figures.get(name, float("nan")))


def _keep(folder: Path, key: str, learners: Sequence[Learner], source: Source, logs: list[dict[str, list[float]]]) -> None:
    states = [one.state() for one in learners]
    tensors = {f"{i}/{name}": tensor for i, state in enumerate(states) for name, tensor in state.tensors.items()}
    # JSON has no nan: the log goes as text
    plain = {"key": key, "source": json.dumps(source.state_dict()), "logs": json.dumps(logs), "learners": [state.plain for state in states]}
    Artifact(KIND, plain, tensors=tensors).save(folder)


def _resume(folder: Path, key: str, learners: Sequence[Learner], source: Source) -> list[dict[str, list[float]]]:
    kept = Artifact.load(folder, kind=KIND)
    if kept.configuration["key"] != key:
        raise InputError(f"{folder.parent} holds another training (other dictionaries, sites, length or batch): choose another folder")
    for i, (one, plain) in enumerate(zip(learners, kept.configuration["learners"], strict=True)):
        one.resume(Packed(plain, {name.partition("/")[2]: value for name, value in kept.tensors.items() if name.startswith(f"{i}/")}))
    source.load_state_dict(json.loads(kept.configuration["source"]))
    logs: list[dict[str, list[float]]] = json.loads(kept.configuration["logs"])
    return logs


@contextmanager
def _table(names: Sequence[str]) -> Iterator[Callable[[list[dict[str, list[float]]], float, float], None]]:
    """A live table on standard error; silent where nobody would see it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda logs, speed, share: None
        return
    with Live(console=console, transient=True, refresh_per_second=2) as live:

        def show(logs: list[dict[str, list[float]]], speed: float, share: float) -> None:
            table = Table(title=f"{share:.0%}, {speed:,.0f} activations a second")
            shown = ("activations", "active", "unexplained", "dead", "error", "rate")
            for column in ("dictionary", *shown):
                table.add_column(column, justify="left" if column == "dictionary" else "right")
            for name, log in zip(names, logs, strict=True):
                table.add_row(name, *(f"{log[column][-1]:,.4g}" if log.get(column) else "" for column in shown))
            live.update(table)

        yield show
