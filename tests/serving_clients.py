"""Clients of applications on fakes, without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from serving_fakes import FakePool, Script, usual
from starlette.testclient import TestClient

from trocr.serving.http.app import create_app
from trocr.serving.settings import ServeSettings

PNG = {"Content-Type": "image/png"}
Make = Callable[..., TestClient]


def making() -> Iterator[Make]:
    """A fixture: makes clients of applications with settings; ``client.pool`` is the pool."""
    clients: list[TestClient] = []

    def made(script: Script = usual, **settings: Any) -> TestClient:
        chosen = ServeSettings(**{"grace_seconds": 1.0, **settings})
        pool = FakePool(chosen, script)
        client = TestClient(create_app(chosen, pool), raise_server_exceptions=False)
        client.pool = pool  # type: ignore[attr-defined]
        clients.append(client)
        return client.__enter__()

    yield made
    for client in clients:
        client.__exit__(None, None, None)


def problem(answer: Any, status: int, kind: str) -> dict[str, Any]:
    """What an answer says went wrong."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said: dict[str, Any] = answer.json()
    assert said["type"] == f"urn:trocr:{kind}"
    assert said["status"] == status
    assert all(isinstance(said[name], str) for name in ("title", "detail", "hint"))
    return said
