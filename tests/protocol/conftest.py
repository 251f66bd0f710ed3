"""Prints the tables of the protocol's tests at the end of a run."""

from collections.abc import Iterator

import pytest

TABLE = "table: "
"""The prefix of a test property that is a table; the rest is its title."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the recorded tables; under xdist, those of its workers."""
    for title, table in recorded(terminalreporter):
        terminalreporter.section(title, "-")
        terminalreporter.write_line(table)


def recorded(terminal: pytest.TerminalReporter) -> Iterator[tuple[str, str]]:
    """Yield each table by its title."""
    for reports in terminal.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and report.when == "call":
                for name, table in report.user_properties:
                    if name.startswith(TABLE):
                        yield name.removeprefix(TABLE), str(table)
