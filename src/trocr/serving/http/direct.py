"""A short way through FastAPI, whose own would cost small requests a good part of their time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import lru_cache
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.datastructures import QueryParams

_QUERIES = 64  # that clients ask again and again, kept


def direct_route(query: type[BaseModel]) -> type[APIRoute]:
    """A kind of route whose functions are called with the service, the request and its query.

    FastAPI makes the OpenAPI document of such a function, and resolves nothing; the key is checked.

    Args:
        query: what the whole query is; frozen, as equal ones are made once.
    """
    several = {name for name, field in query.model_fields.items() if field.default == []}

    @lru_cache(_QUERIES)
    def parsed(text: str) -> BaseModel:
        given = QueryParams(text)
        values = {name: given.getlist(name) if name in several else given[name] for name in given}
        try:
            return query.model_validate(values)
        except ValidationError as error:
            rows = error.errors(include_url=False)
            places = [{**row, "loc": ("query", *row["loc"])} for row in rows]
            raise RequestValidationError(places) from None

    class DirectRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            answer = self.endpoint

            async def handle(request: Request) -> Response:
                service = request.app.state.service
                await service.check_key(request)
                asked = parsed(request.scope["query_string"].decode("latin-1"))
                response: Response = await answer(service, request, asked)
                return response

            return handle

    return DirectRoute
