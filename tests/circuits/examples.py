"""Models, tasks and scores for the tests of circuits: small, and each made once."""

import functools

import torch
from tiny_families import build

import sonde
from sonde.access import Graph
from sonde.circuits import EdgeScores, rewire
from sonde.circuits.rewire import COUNTERFACTUAL
from sonde.results import Recipe
from sonde.tasks import Ablation, Task


def of_one_length(task: Task) -> Task:
    """The examples that are as long as the first, so that positions correspond."""
    return task.select([i for i, row in enumerate(task.clean) if len(row) == len(task.clean[0])])


@functools.cache
def words() -> tuple[sonde.Model, Graph, Task]:
    model = sonde.load("specimen:words")
    return model, Graph.of(model), of_one_length(sonde.tasks.load("agreement", model, n=32, seed=0)).with_metric("logit_difference")


def exact(model: sonde.Model, graph: Graph, task: Task, ablation: Ablation = COUNTERFACTUAL) -> EdgeScores:
    """The exact effect of every edge alone."""
    rewired = rewire(model, graph, task, ablation)
    return scored(model, graph, rewired.effects(), rewired.conditions)


def scored(model, graph, effects, conditions, method="exact") -> EdgeScores:
    """Scores from the effects of each edge, [edge, example]."""
    values = torch.zeros(graph.real.shape, dtype=effects.dtype)
    values[graph.real] = effects.mean(1)
    return EdgeScores(graph, values, method, conditions, effects, recipe=Recipe.of("tests", {}, model_hash=model.hash, inputs=conditions.examples))


@functools.cache
def small() -> tuple[sonde.Model, Graph]:
    """A graph of 49 edges, for what needs no forward."""
    model = sonde.load(build("gpt2"))
    return model, Graph.of(model)


@functools.cache
def words_scores() -> EdgeScores:
    model, graph, task = words()
    return exact(model, graph, task.split()[0])
