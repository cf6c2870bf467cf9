"""Requests made up from the OpenAPI document: none is a mistake of the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, settings
from serving_clients import PNG
from serving_fakes import FakePool
from serving_servers import Running, running

from trocr.serving.http.app import create_app
from trocr.serving.settings import ServeSettings

schemathesis = pytest.importorskip("schemathesis", reason="needs trocr[fuzz]")
# What else it checks asks that any name of a model be taken, or OPTIONS name all methods.
CHECKS = [
    getattr(schemathesis.checks, name)
    for name in (
        "content_type_conformance",
        "negative_data_rejection",
        "response_headers_conformance",
        "response_schema_conformance",
        "status_code_conformance",
    )
]
SETTINGS = ServeSettings(grace_seconds=1.0, body_seconds=2.0)
schema = schemathesis.openapi.from_dict(
    create_app(SETTINGS, FakePool(SETTINGS)).openapi()  # type: ignore[arg-type]
)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(SETTINGS) as server:
        yield server


@pytest.fixture
def job(server: Running) -> str:
    """A job that is there, for requests that need one."""
    answer = httpx2.post(f"{server.url}/v1/jobs", content=b"abc", headers=PNG)
    return str(answer.json()["id"])


@schema.parametrize()
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_no_request_is_our_mistake(case: Any, server: Running, job: str) -> None:
    if 0 < len(str(case.path_parameters.get("id", ""))) <= 100:
        case.path_parameters["id"] = job
    answer = case.call(base_url=server.url, timeout=10)
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == ["application/problem+json"]
    case.validate_response(answer, checks=CHECKS)
