"""What the actions have in common: the model and the prompts, and where the findings go."""

import argparse


def add_model_options(action: argparse.ArgumentParser) -> None:
    """Register the model."""
    action.add_argument("--model", default="specimen:words", metavar="M", help="a specimen, a folder or a Hub id (default: %(default)s)")


def add_prompt_options(action: argparse.ArgumentParser) -> None:
    """Register the prompts and how they are made tokens."""
    action.add_argument("prompts", nargs="+", metavar="PROMPT", help="a text; several are read side by side")
    action.add_argument("--bos", action=argparse.BooleanOptionalAction, default=None, help="put the beginning-of-sequence token first")
    add_model_options(action)


def add_output_options(action: argparse.ArgumentParser) -> None:
    """Register how the findings are printed."""
    action.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")
    action.add_argument("--json", action="store_true", help="print JSON")
