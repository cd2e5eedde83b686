"""Our commands, run within the test's own process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from click.testing import CliRunner, Result

from core.settings import Settings
from ops.cli import cli
from tests.support.environment import environment_of


class CommandLine:
    """`ecomlinx-hooks` with settings of the test's own, in the current folder.

    Args:
        settings: What the environment says.
        folder: The current folder, empty at first.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.folder = folder
        self._environment: Mapping[str, str] = environment_of(settings)

    def run(self, *arguments: str, **environment: str) -> Result:
        """Run a command; return what it printed, and its exit code."""
        return CliRunner().invoke(cli, arguments, env={**self._environment, **environment})

    def ask(self, *arguments: str) -> str:
        """Run a command that must succeed; return what it printed."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.output

    def ask_for_json(self, *arguments: str) -> list[Any]:
        """Run a command that prints an object a line; return them."""
        return [orjson.loads(line) for line in self.ask(*arguments, "--json").splitlines()]
