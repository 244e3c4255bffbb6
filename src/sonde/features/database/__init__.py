"""A feature database: what was collected of every latent, asked in milliseconds."""

from sonde.features.database.features import Features

__all__ = ["Features"]
