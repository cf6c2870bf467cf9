"""Jobs: documents that are read while the client does something else, and can be corrected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import FileResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from ....writers.files import write_atomically
from ...folders import find_page
from ...formats import TRAINING_SET as SET_FORMAT
from ...messages import Export, Output
from ..answers import as_file, as_json, last_of
from ..corrected import Corrections, table
from ..documentation import (
    CORRECTIONS,
    CORRECTIONS_BODY,
    DOCUMENT,
    DOCUMENT_BODY,
    EVENTS,
    GONE,
    JOB,
    PICTURE,
    SUBMITTED,
    TRAINING_SET,
)
from ..job_store import DONE, Job, status_of
from ..keys import owner_of
from ..negotiation import chosen_format
from ..problems import Problem
from ..queries import DocumentAsked, FormatAsked
from ..service import Service, TheService
from .reading import document_task, one_file, password_of

_LARGEST = 10**9

router = APIRouter(tags=["jobs"])


async def _job(
    service: TheService, request: Request, id: Annotated[str, Path(max_length=100)]
) -> Job:
    if job := service.jobs.get(id, owner_of(request)):
        return job
    raise Problem(404, "no-job", "There is no such job.", "Jobs are forgotten after a while.")


async def _done_job(job: TheJob) -> Job:
    if job.status != DONE:
        detail = f"The job is {job.status}."
        raise Problem(409, "not-done", detail, "Wait until it is done; see its events.")
    return job


TheJob = Annotated[Job, Depends(_job)]
DoneJob = Annotated[Job, Depends(_done_job)]


@router.post("/v1/jobs", status_code=202, responses=SUBMITTED, openapi_extra=DOCUMENT_BODY)
async def submit(service: TheService, request: Request, query: DocumentAsked) -> Response:
    """Have a file read; answered at once."""
    settings = service.settings
    options = query.options(settings, words=query.words is not False)
    query.check_pages()
    async with service.body(request) as body:
        upload = await one_file(service, body, query.name)
        await service.jobs.make_room()
        job = service.jobs.add(upload.name, options.model, owner_of(request))
        task = document_task(upload, options, query, request, line_events=True, folder=job.folder)
        try:
            job.begin(service.submit(task, query.deadline(settings.job_seconds)))
        except Exception:
            await service.jobs.forget(job)
            raise
    status = status_of(job, None)
    return as_json(status, 202, {"Location": status["url"]})


@router.get("/v1/jobs/{id}", responses=JOB)
async def show(service: TheService, job: TheJob) -> Response:
    """How far a job is."""
    return as_json(status_of(job, service.jobs.expires(job)))


@router.delete("/v1/jobs/{id}", status_code=204, responses=GONE)
async def delete(service: TheService, job: TheJob) -> None:
    """Cancel a job, and forget it and all that was read."""
    await service.jobs.forget(job)


@router.get("/v1/jobs/{id}/events", responses=EVENTS, response_class=EventSourceResponse)
async def events(
    job: TheJob,
    after: Annotated[int, Query(ge=0, le=_LARGEST, description="As Last-Event-ID.")] = 0,
    last_event_id: Annotated[
        str, Header(max_length=100, description="The last event that came; on with the next.")
    ] = "",
) -> AsyncIterator[ServerSentEvent]:
    """What happens to a job, from its start or from some event on, as server-sent events."""
    if last_event_id.isascii() and last_event_id.isdigit():
        after = int(last_event_id)
    yield ServerSentEvent(comment="from here")  # so that the head goes out at once
    async for number, name, data in job.events.read(after):
        yield ServerSentEvent(raw_data=data, event=name, id=str(number))


@router.get("/v1/jobs/{id}/pages/{number}", responses=PICTURE, response_class=FileResponse)
async def picture(job: TheJob, number: Annotated[int, Path(ge=1, le=_LARGEST)]) -> Response:
    """The picture of a page; lines and words are in its coordinates."""
    file = find_page(job.folder, number)
    if file is None:
        raise Problem(404, "no-page", f"There is no picture of page {number}.", "Is it read yet?")
    return FileResponse(file, headers={"Cache-Control": "private, max-age=3600"})


@router.get("/v1/jobs/{id}/document", responses=DOCUMENT, response_class=Response)
async def document(
    service: TheService, request: Request, job: DoneJob, query: FormatAsked
) -> Response:
    """What was read, with its corrections, in any format."""
    format = chosen_format(query.format, request.headers.get("accept", ""))
    output = await _export(service, request, job, format)
    return as_file(output, job.model)


@router.get("/v1/jobs/{id}/corrections", responses=CORRECTIONS)
async def corrections(job: TheJob) -> Response:
    """What was corrected."""
    return as_json(_corrections_of(job).model_dump())


@router.put("/v1/jobs/{id}/corrections", responses=CORRECTIONS, openapi_extra=CORRECTIONS_BODY)
async def correct(service: TheService, request: Request, job: DoneJob) -> Response:
    """Replace all corrections by these."""
    async with service.body(request) as body:
        given = await body.json(Corrections)
    write_atomically(job.corrections_file, given.model_dump_json().encode())
    return as_json(given.model_dump())


@router.get("/v1/jobs/{id}/training-set", responses=TRAINING_SET, response_class=Response)
async def training_set(service: TheService, request: Request, job: DoneJob) -> Response:
    """The corrected lines as a zipped labelled set, for ``trocr finetune``."""
    if not _corrections_of(job).lines:
        hint = f"PUT them to /v1/jobs/{job.id}/corrections."
        raise Problem(409, "no-corrections", "Nothing was corrected yet.", hint)
    return as_file(await _export(service, request, job, SET_FORMAT))


async def _export(service: Service, request: Request, job: Job, format: str) -> Output:
    task = Export(job.folder, format, table(_corrections_of(job)), password_of(request))
    with service.admission.place(None):
        running = service.submit(task, service.settings.seconds)
    return await last_of(Output, running, request)


def _corrections_of(job: Job) -> Corrections:
    if not job.corrections_file.exists():
        return Corrections(lines=[])
    return Corrections.model_validate_json(job.corrections_file.read_bytes())
