"""What a search asks of a task: its own metric, another one, or how far the prediction is from the whole model's."""

from sonde.access import Metric, Model
from sonde.tasks import KL, Task


def asking(model: Model, task: Task, metric: str | Metric | None) -> Task:
    """A task under the metric of a search.

    Arguments:
        model: the model.
        task: the task.
        metric: `None` for the task's own, "kl" for the divergence from the model's own prediction at the last token, the name of another one that
            the task's answers define, or a metric.

    Raises:
        InputError: an unknown name.
    """
    if metric is None:
        return task
    if metric == "kl":
        return task.with_metric(KL(model.run(task.clean, logits="last").last_logits))
    return task.with_metric(metric)
