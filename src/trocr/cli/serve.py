"""``trocr serve``: reading over HTTP."""

from __future__ import annotations

import ipaddress
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from ..serving import serve_extra
from ..serving.settings import MIB, ServeSettings
from .options import BatchSize, Detector

KEYS_VARIABLE = "TROCR_API_KEYS"
_USUAL = ServeSettings()
_EXTRA = {"fastapi", "prometheus_client", "pydantic", "python_multipart", "starlette", "uvicorn"}


def serve(
    host: Annotated[
        str, typer.Option(metavar="NAME", help="Where to listen; 0.0.0.0: everywhere.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="That requests may ask for, again for more; the first is the default. A bundled "
            f"model, a folder, or a hub id.  [default: {', '.join(_USUAL.models)}]",
        ),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="auto, cpu, cuda, cuda:1, …; again for more.  [default: auto]"
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Processes that read.  [default: one for each GPU; on the CPU one a core, at "
            "most 4, with 1.5 GiB of memory each]",
        ),
    ] = None,
    detector: Detector = _USUAL.detector,
    batch_size: BatchSize = _USUAL.batch_size,
    max_body_mib: Annotated[
        float, typer.Option(metavar="N", help="Of one request.")
    ] = _USUAL.max_body_bytes / MIB,
    max_pixels: Annotated[
        int, typer.Option(min=1, metavar="N", help="Of one picture or page.")
    ] = _USUAL.max_pixels,
    max_pages: Annotated[
        int, typer.Option(min=1, metavar="N", help="Of one document.")
    ] = _USUAL.max_pages,
    max_waiting: Annotated[
        int, typer.Option(min=1, metavar="N", help="Requests accepted and not answered.")
    ] = _USUAL.max_waiting,
    max_waiting_mib: Annotated[
        float, typer.Option(metavar="N", help="Of them together.")
    ] = _USUAL.max_waiting_bytes / MIB,
    seconds: Annotated[
        float, typer.Option(metavar="N", help="Until a request must be answered.")
    ] = _USUAL.seconds,
    body_seconds: Annotated[
        float, typer.Option(metavar="N", help="Until the body of a request must have come.")
    ] = _USUAL.body_seconds,
    job_seconds: Annotated[
        float, typer.Option(metavar="N", help="Until a job must be done.")
    ] = _USUAL.job_seconds,
    max_jobs: Annotated[
        int, typer.Option(min=1, metavar="N", help="Jobs at a time, done ones too.")
    ] = _USUAL.max_jobs,
    job_keep_seconds: Annotated[
        float, typer.Option(metavar="N", help="That a done job is kept without being used.")
    ] = _USUAL.job_keep_seconds,
    urls: Annotated[
        bool, typer.Option("--urls/--no-urls", help="Fetch documents that are named by URL.")
    ] = _USUAL.urls,
    api_key_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"Keys, one a line; or in ${KEYS_VARIABLE}."),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL", help="Whose web pages may use the server, again for more; *: all."
        ),
    ] = None,
    grace: Annotated[
        float, typer.Option(metavar="SECONDS", help="To finish what was accepted, at the end.")
    ] = _USUAL.grace_seconds,
    log_level: Annotated[
        str, typer.Option(metavar="NAME", help="debug, info, warning or error.")
    ] = "info",
) -> None:
    """Read for others, over HTTP: documents, lines, jobs, and a web page to correct them on.

    \b
    trocr serve                                   then open http://127.0.0.1:8000
    trocr serve --model printed --device cuda:0 --device cuda:1
    trocr serve --host 0.0.0.0 --api-key-file keys.txt --no-urls
    trocr serve --model runs/mine/model --model fast --workers 2

    \b
    curl -F file=@receipt.jpg 'http://127.0.0.1:8000/v1/read?format=txt'
    curl -H 'Content-Type: image/jpeg' --data-binary @receipt.jpg http://127.0.0.1:8000/v1/read

    Requests of all clients share batches. Too many are refused (429) before their bodies are read,
    and come again later. /openapi.json describes everything, /metrics counts it, /readyz says when
    the models are loaded.

    When asked to stop (Ctrl-C, SIGTERM) it accepts nothing more, finishes what it accepted, jobs
    too, within --grace seconds, and forgets all jobs.

    \b
    Exit codes: 0 stopped as asked; 2 wrong usage, or the address is taken; 4 a model cannot be
    loaded.
    """
    devices = tuple(device or _USUAL.devices)
    settings = ServeSettings(
        models=_names(model),
        devices=devices,
        workers=workers,
        detector=detector,
        batch_size=batch_size,
        max_body_bytes=_bytes(max_body_mib, "--max-body-mib"),
        max_pixels=max_pixels,
        max_pages=max_pages,
        max_waiting=max_waiting,
        max_waiting_bytes=_bytes(max_waiting_mib, "--max-waiting-mib"),
        seconds=_positive(seconds, "--seconds"),
        body_seconds=_positive(body_seconds, "--body-seconds"),
        job_seconds=_positive(job_seconds, "--job-seconds"),
        max_jobs=max_jobs,
        job_keep_seconds=_positive(job_keep_seconds, "--job-keep-seconds"),
        urls=urls,
        api_keys=_keys(api_key_file),
        origins=tuple(origin or ()),
        grace_seconds=_positive(grace, "--grace"),
    )
    if log_level not in ("debug", "info", "warning", "error"):
        raise UsageError(f"There is no log level {log_level!r}.", "Try info, or warning.")
    if not settings.api_keys and not _is_loopback(host):
        warning = "anybody who reaches it can use it: there are no API keys (--api-key-file)"
        print(f"trocr: {host}: {warning}", file=sys.stderr)
    try:
        from ..serving.http.server import serve as serve_settings
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise serve_extra(str(error.name)) from None
    serve_settings(settings, host, port, log_level=log_level, on_ready=_Ready(settings))


@dataclass(frozen=True)
class _Ready:
    """Says where the server is."""

    settings: ServeSettings

    def __call__(self, address: str) -> None:
        names = ", ".join(self.settings.models)
        print(f"trocr: ready at {address} ({names})", file=sys.stderr, flush=True)


def _names(model: list[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(model)) if model else _USUAL.models


def _bytes(mib: float, option: str) -> int:
    return max(1, round(_positive(mib, option) * MIB))


def _positive(value: float, option: str) -> float:
    if not 0 < value < float("inf"):
        raise UsageError(f"{option} cannot be {value:g}.", "Give a number above 0.")
    return value


def _keys(path: Path | None) -> tuple[str, ...]:
    """The keys of a file, and of the environment."""
    rows = os.environ.get(KEYS_VARIABLE, "").replace(",", "\n").split()
    if path is not None:
        try:
            found = path.read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"Cannot read the API keys in {path}: {error}.", "It is text, one key a line."
            ) from None
        if not found:
            raise UsageError(f"{path} holds no API key.", "Write one a line.")
        rows += found
    return tuple(dict.fromkeys(rows))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
