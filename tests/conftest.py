"""Options of the test runs."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    parser.addoption("--update-pairs", action="store_true", help="write the computed side of the golden pairs anew")
