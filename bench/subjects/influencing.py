"""Score training examples with one library, in its own environment.

    python -m bench.subjects.influencing SUBJECT METHOD DAMPING PROBLEM OUT

PROBLEM is a safetensors file with the training examples (x, y), the queries (asked, answers) and trained networks: linear maps with ReLUs between
them, `model.0`, `model.1`, ... on all examples, `half.0`, ... on halves. OUT gets tau (query, example), positive where keeping the example lowers the
query's loss, and the processor seconds that it took from trained networks to scores. DAMPING is "default" (whatever the library does if nothing is
said), "mean" (a tenth of the mean eigenvalue of each block), or a number.
"""

import sys
import tempfile
import time
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

TRAK_SIZE, TRAK_MODELS, CG_STEPS = 512, 10, 10


class Problem:
    """What is in the file."""

    def __init__(self, file: str) -> None:
        self.held = load_file(file)
        self.train, self.query = (self.held["x"], self.held["y"]), (self.held["asked"], self.held["answers"])

    def network(self, name: str = "model.0") -> nn.Sequential:
        """A trained network."""
        layers: list[nn.Module] = []
        while (weight := self.held.get(f"{name}.{len(layers)}.weight")) is not None:
            linear = nn.Linear(weight.shape[1], weight.shape[0]).to(weight.dtype)
            with torch.no_grad():
                linear.weight.copy_(weight)
                linear.bias.copy_(self.held[f"{name}.{len(layers)}.bias"])
            layers += [linear, nn.ReLU()]
        return nn.Sequential(*layers[:-1]).eval()


def sonde(problem: Problem, method: str, damping: str) -> Tensor:
    """`sonde.influence`, scores as they are."""
    from sonde import influence

    loss = influence.CrossEntropy()
    said: dict[str, Any] = {} if damping == "default" else {"damping": influence.Relative(0.1) if damping == "mean" else float(damping)}
    network = problem.network()
    if method == "nearest":
        last = f"{len(network) - 1}:in"
        return influence.nearest(network, problem.train, problem.query, last, loss).values
    if method == "exact":
        return influence.exact(network, problem.train, loss, dtype=torch.float64, **said).scores(problem.query).values
    if method.startswith("ekfac x"):
        models = [problem.network(f"model.{k}") for k in range(int(method.removeprefix("ekfac x")))]
        return influence.averaged([influence.fit(one, problem.train, loss, **said).scores(problem.query) for one in models]).values
    if method.startswith("ekfac index "):
        index = influence.fit(network, problem.train, loss, **said).index(int(method.removeprefix("ekfac index ")))
        return index.scores(problem.query).values
    if method == "ekfac sampled":
        return influence.fit(network, problem.train, loss, labels="sampled", **said).scores(problem.query).values
    return influence.fit(network, problem.train, loss, method, **said).scores(problem.query).values  # type: ignore[arg-type]


def kronfluence(problem: Problem, method: str, damping: str) -> Tensor:
    """kronfluence by its documented calls; its losses are sums over a batch, and labels are drawn from the model."""
    from kronfluence.analyzer import Analyzer, prepare_model
    from kronfluence.arguments import FactorArguments, ScoreArguments
    from kronfluence.task import Task
    from torch.nn.functional import cross_entropy
    from torch.utils.data import TensorDataset

    class Classifying(Task):
        def compute_train_loss(self, batch: Any, model: Any, sample: bool = False) -> Any:
            logits = model(batch[0])
            labels = torch.multinomial(logits.softmax(-1).detach(), 1)[:, 0] if sample else batch[1]
            return cross_entropy(logits, labels, reduction="sum")

        def compute_measurement(self, batch: Any, model: Any) -> Any:
            return cross_entropy(model(batch[0]), batch[1], reduction="sum")

    torch.manual_seed(0)
    (x, y), (asked, answers) = problem.train, problem.query
    said = {} if damping == "default" else {"damping_factor": None if damping == "mean" else float(damping)}
    with tempfile.TemporaryDirectory() as folder:
        task = Classifying()
        model = prepare_model(problem.network().float(), task)
        analyzer = Analyzer("bench", model, task, output_dir=folder, disable_tqdm=True, disable_model_save=True, cpu=True)
        data = TensorDataset(x.float(), y)
        analyzer.fit_all_factors("factors", data, per_device_batch_size=500, factor_args=FactorArguments(strategy=method))
        analyzer.compute_pairwise_scores(
            "scores", "factors", TensorDataset(asked.float(), answers), data, per_device_query_batch_size=len(asked), per_device_train_batch_size=500,
            score_args=ScoreArguments(**said),
        )  # fmt: skip
        return analyzer.load_pairwise_scores("scores")["all_modules"]


def dattri(problem: Problem, method: str, damping: str) -> Tensor:
    """dattri's attributors; its losses are means over a batch."""
    from dattri.algorithm.influence_function import IFAttributorCG, IFAttributorEKFAC, IFAttributorExplicit
    from dattri.task import AttributionTask
    from torch.func import functional_call
    from torch.nn.functional import cross_entropy
    from torch.utils.data import DataLoader, TensorDataset

    (x, y), (asked, answers) = problem.train, problem.query
    model, data, queries = problem.network().float(), TensorDataset(x.float(), y), TensorDataset(asked.float(), answers)

    def loss(parameters: Any, batch: Any) -> Any:
        return cross_entropy(functional_call(model, parameters, (batch[0],)), batch[1].long())

    if method.startswith("TRAK"):
        return _trak(problem, model, data, queries)
    task = AttributionTask(model=model, loss_func=loss, checkpoints={name: w.clone() for name, w in model.state_dict().items()})
    known = {
        "explicit": lambda c: IFAttributorExplicit(task=task, regularization=c), "ekfac": lambda c: IFAttributorEKFAC(task=task, damping=c),
        "cg": lambda c: IFAttributorCG(task=task, max_iter=CG_STEPS, regularization=c),
    }  # fmt: skip
    attributor = known[method](float(damping))
    attributor.cache(DataLoader(data, len(data)))
    with torch.no_grad():
        return attributor.attribute(DataLoader(data, 250), DataLoader(queries, len(queries))).T


def _trak(problem: Problem, model: Any, data: Any, queries: Any) -> Tensor:
    from dattri.algorithm.trak import TRAKAttributor
    from dattri.task import AttributionTask
    from torch.func import functional_call
    from torch.nn.functional import cross_entropy
    from torch.utils.data import DataLoader

    def log_likelihood(parameters: Any, batch: Any) -> Any:
        return -cross_entropy(functional_call(model, parameters, (batch[0][None],)), batch[1].long()[None])

    def margin(parameters: Any, batch: Any) -> Any:
        known = log_likelihood(parameters, batch)
        return known - torch.log(1 - torch.exp(known))

    states = [problem.network(f"half.{k}").float().state_dict() for k in range(TRAK_MODELS)]
    task = AttributionTask(model=model, loss_func=margin, checkpoints=states)
    attributor = TRAKAttributor(
        task=task, correct_probability_func=lambda p, b: torch.exp(log_likelihood(p, b)), projector_kwargs={"proj_dim": TRAK_SIZE, "device": "cpu"}
    )
    attributor.cache(DataLoader(data, 250))
    with torch.no_grad():
        return attributor.attribute(DataLoader(queries, len(queries))).T


def main(subject: str, method: str, damping: str, file: str, out: str) -> None:
    """Score, and keep."""
    torch.set_num_threads(1)
    problem = Problem(file)
    start = time.process_time()
    tau = {"sonde": sonde, "kronfluence": kronfluence, "dattri": dattri}[subject](problem, method, damping)
    seconds = time.process_time() - start
    save_file({"tau": tau.detach().double().contiguous(), "cpu_s": torch.tensor([seconds], dtype=torch.float64)}, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
