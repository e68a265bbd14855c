"""What every test has: shapes checked at every call, one thread, repeatable properties, and where the recorded numbers lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

# Before the first import of iconotext: every shape and type that it states is checked when a test runs it.
install_import_hook("iconotext", "beartype.beartype")

ROOT = Path(__file__).resolve().parents[1]

# Several tests run at once; the environment is for the processes that tests start.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"
settings.register_profile(
    "iconotext", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("iconotext")


def beside_or_inside(name: str) -> Path:
    """The folder in a shared/ beside the checkout where there is one, else the part of it that is kept in the tests."""
    beside = ROOT.parent / "shared" / name
    return beside if beside.is_dir() else ROOT / "tests" / "data" / name


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("iconotext")
    # pytest has a switch of the same name, which lists its fixtures and is also called --funcargs; ours takes the name over.
    group._arggroup.conflict_handler = "resolve"
    group.addoption(
        "--golden",
        type=Path,
        default=beside_or_inside("golden"),
        metavar="DIR",
        help="numbers recorded from the original systems: DIR/<system>/<case>/case.json",
    )
    group.addoption(
        "--fixtures",
        dest="fixtures_dir",
        type=Path,
        default=beside_or_inside("fixtures"),
        metavar="DIR",
        help="files in the formats that users have, and results of the official metrics",
    )


@pytest.fixture(scope="session")
def golden_dir(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.config.getoption("--golden")
    return folder


@pytest.fixture(scope="session")
def fixtures_dir(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.config.getoption("fixtures_dir")
    return folder
