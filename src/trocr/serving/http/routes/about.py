"""About the server itself: models, health, metrics, and its web page."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from ....bundled import bundled_models
from ..answers import as_json
from ..documentation import HEALTH, METRICS, MODELS
from ..headers import PAGE_POLICY
from ..problems import not_ready, stopping
from ..service import TheService

WEB = Path(__file__).parents[2] / "web"
_PAGE_HEADERS = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-cache"}

api = APIRouter(tags=["about"])
public = APIRouter(tags=["about"])


@api.get("/v1/models", responses=MODELS)
async def models(service: TheService) -> Response:
    """The models that requests may name; the first is the default."""
    summaries = {model.name: model.summary for model in bundled_models()}
    names = service.settings.models
    listed = [
        {"name": name, **({"description": summaries[name]} if name in summaries else {})}
        for name in names
    ]
    return as_json({"default": names[0], "models": listed})


@public.head("/healthz", include_in_schema=False)
@public.get("/healthz", responses=HEALTH)
async def alive() -> Response:
    """The process answers."""
    return as_json({"status": "alive"})


@public.head("/readyz", include_in_schema=False)
@public.get("/readyz", responses=HEALTH)
async def ready(service: TheService) -> Response:
    """Requests are accepted: all models are loaded, and the server does not stop."""
    if service.admission.closed or service.pool.draining:
        raise stopping()
    if not service.pool.ready:
        raise not_ready()
    return as_json({"status": "ready"})


@public.get("/metrics", responses=METRICS, response_class=Response)
async def metrics(service: TheService, request: Request) -> Response:
    """Numbers for Prometheus."""
    content, media_type = service.metrics.exposition(request.headers.get("accept", ""))
    return Response(content, media_type=media_type)


@public.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
async def page() -> Response:
    """The web page."""
    return FileResponse(WEB / "index.html", headers=_PAGE_HEADERS)


class PageFiles(StaticFiles):
    """The files of the web page."""

    def __init__(self) -> None:
        super().__init__(directory=WEB)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_PAGE_HEADERS)
        return response
