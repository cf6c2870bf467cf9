"""The server that ours is measured against: a request, a line, the next request.

It has the same HTTP packages and the same reader; the model is in its own process, so that nothing
is lost on the way to a worker.
"""

from __future__ import annotations

import argparse
import asyncio

import uvicorn
from fastapi import FastAPI, Request, Response

import trocr


def app_of(reader: trocr.Recognizer) -> FastAPI:
    """Answers ``/v1/lines`` with a picture as the body, and ``/readyz``."""
    app = FastAPI()
    turn = asyncio.Lock()

    @app.post("/v1/lines")
    async def lines(request: Request) -> dict[str, object]:
        picture = await request.body()
        async with turn:
            (line,) = await asyncio.to_thread(reader.read_lines, [picture], batch_size=1)
        read = {"text": line.text, "confidence": line.confidence}
        return {"model": reader.name, "lines": [{**read, "finish_reason": line.finish_reason}]}

    @app.get("/readyz")
    async def ready() -> Response:
        return Response()

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", default="printed")
    given = parser.parse_args()
    app = app_of(trocr.load(given.model))
    uvicorn.run(app, port=given.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
