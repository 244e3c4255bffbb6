"""Our docstrings as the docs site reads them: a doctest at the end of a docstring becomes its section of examples."""

from typing import Any

import griffe


class Doctests(griffe.Extension):
    """Put a heading before the first `>>>` line of a docstring, which Markdown would take for a quotation."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Change the docstring of one module, class or function."""
        if obj.docstring is None or ">>>" not in obj.docstring.value:
            return
        lines = obj.docstring.value.splitlines()
        first = next(i for i, line in enumerate(lines) if ">>>" in line)
        obj.docstring.value = "\n".join([*lines[:first], "Examples:", *(f"    {line}" for line in lines[first:])])
