"""The ASGI application: routes, and what is around each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware

from ... import __version__
from ..settings import ServeSettings
from .documentation import describe
from .headers import Mistakes, SafeHeaders
from .observing import Observing
from .pool_interface import Pool
from .problems import add_handlers
from .routes import about, jobs, reading
from .service import Service

_ASKED = ["Authorization", "X-API-Key", "X-Document-Password", "Content-Type", "Last-Event-ID"]
_SHOWN = [
    "Content-Disposition",
    "Location",
    "Retry-After",
    "X-Request-ID",
    "X-Trocr-Failed-Pages",
    "X-Trocr-Model",
]


def create_app(settings: ServeSettings, pool: Pool) -> FastAPI:
    """An application that reads with these workers; it starts and stops them.

    Its ``state.service`` is the `Service` behind it.
    """
    service = Service(settings, pool)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="trocr", version=__version__, lifespan=running, docs_url=None, redoc_url=None
    )
    app.state.service = service
    with_key = [Depends(service.check_key)]
    for router in (reading.router, reading.direct, jobs.router, about.api):
        app.include_router(router, dependencies=with_key)
    app.include_router(about.public)
    app.mount("/static", about.PageFiles())
    add_handlers(app)
    describe(app, keys=bool(settings.api_keys))
    # The last one is the outermost.
    app.add_middleware(Mistakes)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=_ASKED,
            expose_headers=_SHOWN,
        )
    app.add_middleware(SafeHeaders)
    app.add_middleware(Observing, metrics=service.metrics)
    return app
