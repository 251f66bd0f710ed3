"""Shows the tables of the protocol's tests when all tests are done: which mutant breaks what."""

import pytest
from _pytest.terminal import TerminalReporter


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print what tests recorded as ``table``; xdist carries it from its workers."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and report.when == "call":
                show(terminalreporter, report)


def show(terminal: TerminalReporter, report: pytest.TestReport) -> None:
    """Print the tables of one test."""
    for name, table in report.user_properties:
        if name == "table":
            terminal.section(report.nodeid, "-")
            terminal.write_line(str(table))
