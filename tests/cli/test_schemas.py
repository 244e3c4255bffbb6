"""What prints JSON has a published schema: of every command, and of every action the fields of its own."""

import argparse

import pytest
from published import schema

from sonde.cli import COMMANDS
from sonde.report import Explanation


def parsers():
    """Of every command the parser, by name."""
    commands = argparse.ArgumentParser().add_subparsers()
    for command in COMMANDS:
        command.add(commands)
    return commands.choices


def actions(parser):
    """Of a command the parsers of its actions, by name; none where it has none."""
    found = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return found[0].choices if found else {}


def prints_json(parser):
    return "--json" in parser._option_string_actions


def published(command):
    return Explanation.schema() if command == "explain" else schema(command)


@pytest.mark.parametrize("command", parsers())
def test_every_action_that_prints_json_has_a_schema_and_no_other(command):
    parser = parsers()[command]
    within = actions(parser)
    wanted = {name for name, action in within.items() if prints_json(action)}
    assert prints_json(parser) or wanted
    asked = published(command)
    assert set(asked["properties"].get("action", {}).get("enum", ())) == wanted
    told = [part.get("if", part)["properties"]["action"]["const"] for part in asked.get("allOf", asked.get("oneOf", ()))] if wanted else []
    assert len(told) == len(set(told)) and set(told) == wanted
