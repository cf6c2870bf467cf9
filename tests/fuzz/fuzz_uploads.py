"""Any bytes as the body of an upload: read or refused, never anything else.

Coverage-guided; needs trocr[fuzz]. From the root of the repository, for a minute:

    PYTHONPATH=tests python tests/fuzz/fuzz_uploads.py -max_total_time=60
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["trocr.serving", "python_multipart"]):
    from serving_bodies import FORM, files_of

    from trocr.errors import UsageError
    from trocr.serving.http.problems import Problem
    from trocr.serving.messages import Busy

CONTENT_TYPES = (FORM, b"image/png", b"application/json", b"")


def read(data: bytes) -> None:
    """One body, in chunks; the first bytes say how it comes."""
    given = atheris.FuzzedDataProvider(data)
    content_type = given.PickValueInList([*CONTENT_TYPES, given.ConsumeBytes(40)])
    chunks = []
    while given.remaining_bytes():
        chunks.append(given.ConsumeBytes(given.ConsumeIntInRange(1, 200)))
    try:
        found = files_of(chunks, content_type, max_bytes=4096, room=2048)
    except (Busy, Problem, UsageError) as error:
        if getattr(error, "status", 400) >= 500:
            raise
        return
    assert found
    for upload in found:
        assert upload.name
        assert not set(upload.name) & set("/\\\0\r\n")


if __name__ == "__main__":
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()
