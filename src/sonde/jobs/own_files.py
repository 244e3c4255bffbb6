"""A Python file of the user's own, run as any program is: what it defines, or one line that says why it can't be run."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

from sonde.results import InputError


def defined(file: Path) -> dict[str, Any]:
    """What a Python file defines, by name; files beside it can be imported by it.

    Arguments:
        file: its path.

    Raises:
        InputError: there is no such file, or running it raises.
    """
    if not file.is_file():
        raise InputError(f"there is no file {file}")
    name = f"file:{file.resolve()}"  # a module of this name can't hide one that is installed, and classes find the one they were defined in
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None  # it ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.append(str(file.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a user's program raises
        raise InputError(f"{file} can't be run: {said(error)}") from None
    finally:
        sys.path.remove(str(file.resolve().parent))
    return vars(module)


def said(error: Exception) -> str:
    """What a user's program raised, in one line.

    >>> said(ValueError("first\\nsecond"))
    'ValueError: first second'
    """
    return f"{type(error).__name__}: {' '.join(str(error).split()) or 'it says no more'}"
