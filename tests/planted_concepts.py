"""Activations with a planted concept, and probes that are not those of sonde."""

import torch


def planted(n, width, classes, seed, spread=False, main=False):
    """Correlated activations with a mean, whose classes lie apart; with `spread` the first class also varies more in one entry, where no linear probe
    sees it; with `main` a second label, independent of the first, along a random direction."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, classes, (n,), generator=generator)
    y[:classes] = torch.arange(classes)
    x = torch.randn(n, width, generator=generator, dtype=torch.float64)
    x = x + 1.2 * torch.nn.functional.normalize(torch.randn(classes, width, generator=generator, dtype=torch.float64), dim=1)[y]
    if spread:
        x[:, 0] *= torch.where(y == 0, 4.0, 0.3)
    other = torch.randint(0, 2, (n,), generator=generator)
    if main:
        x[:, 1] += 2.5 * other
    mixing = torch.eye(width).double() + 0.3 * torch.randn(width, width, generator=generator, dtype=torch.float64)
    x = x @ mixing + 2
    return (x, y, other) if main else (x, y)


def accuracy(x, y):
    """Of a logistic probe, on the activations that it was trained on."""
    from sklearn.linear_model import LogisticRegression

    standard = (x - x.mean(0)) / x.std(0).clamp(min=1e-9)
    return LogisticRegression(max_iter=500).fit(standard.numpy(), y.numpy()).score(standard.numpy(), y.numpy())


def mlp_accuracy(x, y):
    """Of a small network, on the second half."""
    from sklearn.neural_network import MLPClassifier

    standard, half = ((x - x.mean(0)) / x.std(0).clamp(min=1e-9)).numpy(), len(x) // 2
    fitted = MLPClassifier((24,), max_iter=300, early_stopping=True, random_state=0).fit(standard[:half], y[:half].numpy())
    return fitted.score(standard[half:], y[half:].numpy())
