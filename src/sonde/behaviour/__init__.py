"""Behaviour: what a model does, on which phenomena, and where it fails."""

__all__: list[str] = []
