"""A browser, and servers whose answers are scripted."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from scripted import Scripted
from serving_servers import Running, running
from steps import DESKTOP

from trocr.serving.settings import ServeSettings

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs trocr[browser]")
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page; whatever goes wrong in it, or leaves its server, fails the test."""
    wrong: list[str] = []
    with ExitStack() as stack:

        def opened(url: str, **settings: Any) -> Any:
            context = chromium.new_context(**{**DESKTOP, **settings})
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(10_000)
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("request", lambda asked: _inside(asked.url, url) or wrong.append(asked.url))
            page.on(
                "console",
                lambda said: "Content Security Policy" in said.text and wrong.append(said.text),
            )
            page.goto(url)
            return page

        yield opened
    assert wrong == []


def _inside(asked: str, url: str) -> bool:
    return asked.startswith((url, f"blob:{url}"))


@pytest.fixture
def server() -> Iterator[Callable[..., Running]]:
    """Starts a server on a script."""
    with ExitStack() as stack:

        def started(script: Scripted, **settings: Any) -> Running:
            return stack.enter_context(running(ServeSettings(**settings), script))

        yield started
