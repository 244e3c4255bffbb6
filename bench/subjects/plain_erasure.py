"""LEACE as its equation stands, in float64: all products in full, an eigendecomposition."""

from typing import Any

from bench.subjects import erasure as e
from bench.subjects.trial import Trial


def leace(device: str) -> Trial:
    """x - W^+ u u^T W (x - mu) for one direction u of W C."""
    import torch

    x, classes = e.activations()

    def run() -> Any:
        mean, z = x.double().mean(0), classes.double() - classes.double().mean()
        covariance, cross = torch.zeros(e.WIDTH, e.WIDTH, dtype=torch.float64), torch.zeros(e.WIDTH, dtype=torch.float64)
        for rows, own in zip(x.split(e.STREAM), z.split(e.STREAM), strict=True):
            away = rows.double() - mean
            covariance.addmm_(away.T, away)
            cross += away.T @ own
        values, vectors = torch.linalg.eigh(covariance / len(x))
        u = (vectors * values.rsqrt()) @ vectors.T @ cross
        u = u / u.norm()
        left, right = (vectors * values.sqrt()) @ vectors.T @ u, (vectors * values.rsqrt()) @ vectors.T @ u
        return lambda rows: rows - torch.outer((rows - mean) @ right, left)

    return Trial(run, lambda erased: e.residual(x, classes, erased), note="in float64")
