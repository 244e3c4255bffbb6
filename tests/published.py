"""The published schemas of what `sonde ... --json` prints."""

import json
from functools import cache
from importlib import resources
from typing import Any

import jsonschema
import pytest


@cache
def schema(command: str) -> dict[str, Any]:
    return json.loads(resources.files("sonde.cli").joinpath(f"schemas/{command}.json").read_text(encoding="utf-8"))


def follows(data: dict[str, Any]) -> dict[str, Any]:
    """The data, which follows the schema of its command, and would not without any of the fields that its action must have."""
    asked = schema(data["command"])
    validator = jsonschema.Draft202012Validator(asked)
    validator.validate(data)
    (own,) = [part["then"]["required"] for part in asked["allOf"] if part["if"]["properties"]["action"]["const"] == data["action"]]
    for name in own:
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({key: value for key, value in data.items() if key != name})
    return data
