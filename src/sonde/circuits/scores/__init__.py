"""What each edge or node of a model is worth: exactly, or to first order."""

from sonde.circuits.scores.eap import clean_corrupted, eap, eap_ig, eap_ig_activations

__all__ = ["clean_corrupted", "eap", "eap_ig", "eap_ig_activations"]
