"""What several test files share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED = Path(__file__).parent.parent.parent / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not SHARED.is_dir():
        for item in items:
            if "shared" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="needs ../shared"))


@pytest.fixture(autouse=True, scope="session")
def float32_by_default() -> Iterator[None]:
    """Texts are compared exactly, on machines with and without bfloat16."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trocr.recognizer.multiplies_bfloat16", lambda device: False)
        yield
