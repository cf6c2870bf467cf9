"""Requests and answers of reading, on fakes."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving_clients import PNG, Make, making, problem

from trocr.document import Document
from trocr.readers import read_document
from trocr.serving.formats import MEDIA_TYPES
from trocr.serving.http.answers import disposition
from trocr.serving.http.negotiation import chosen_format
from trocr.serving.http.problems import Problem
from trocr.serving.messages import Done, Failed, LineOptions, Output, PageFailed, Upload

make = pytest.fixture(making)
JSON = {"Content-Type": "application/json"}


def answers_html(task: Any) -> list[Any]:
    name = '"><script>alert(1)</script>\r\nX-Evil: 1\u202egnp.html'
    return [Output(b"<script>alert(1)</script>", "text/html", name), Done()]


@pytest.mark.parametrize("way", ["form", "raw", "octets", "url"])
def test_a_file_comes_in_several_ways(make: Make, way: str) -> None:
    client = make()
    given: dict[str, Any] = {
        "form": {"files": {"file": ("scan.png", b"abc")}},
        "raw": {"content": b"abc", "headers": PNG, "params": {"name": "scan.png"}},
        "octets": {"content": b"abc", "params": {"name": "scan.png"}},
        "url": {"json": {"url": "https://example.org/a/scan.png?x=1"}},
    }[way]
    answer = client.post("/v1/read", **given)
    assert answer.status_code == 200
    assert isinstance(read_document(answer.content), Document)
    assert answer.headers["x-trocr-model"] == "printed"
    (task,) = client.pool.tasks
    url = "https://example.org/a/scan.png?x=1"
    wanted = Upload("scan.png", url=url) if way == "url" else Upload("scan.png", b"abc")
    assert task.upload == wanted
    assert task.format == "json"
    assert task.folder is None


def test_all_options_reach_the_worker(make: Make) -> None:
    client = make()
    query = {
        "model": "fast", "format": "pdf", "pages": "1-3,-1", "dpi": 200, "keep_text": True,
        "words": False, "num_beams": 4, "lexicon": ["one", "two"], "seconds": 7,
    }  # fmt: skip
    headers = {**PNG, "X-Document-Password": "pässwörd".encode()}
    assert client.post("/v1/read", params=query, content=b"a", headers=headers).status_code == 200
    (task,) = client.pool.tasks
    assert task.options == LineOptions("fast", 4, lexicon=("one", "two"), words=False)
    assert (task.pages, task.dpi, task.keep_text) == ("1-3,-1", 200, True)
    assert (task.password, task.format) == ("pässwörd", "pdf")
    assert client.pool.runs[0].seconds == 7


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("text/plain", "txt"),
        ("application/pdf;q=0.5, text/html;q=0.9", "html"),
        ("application/msword, application/xml;q=0.1", "alto"),
        ("text/csv;q=x, image/*", "overlay"),
    ],
)
def test_the_format_follows_accept(make: Make, accept: str, format: str) -> None:
    client = make()
    client.post("/v1/read", content=b"a", headers={**PNG, "Accept": accept})
    assert client.pool.tasks[0].format == format
    client.post("/v1/read?format=md", content=b"a", headers={**PNG, "Accept": accept})
    assert client.pool.tasks[1].format == "md"


def test_what_nobody_can_write(make: Make) -> None:
    client = make()
    said = problem(client.post("/v1/read?format=docx", content=b"a"), 400, "usage-error")
    assert "alto" in said["hint"]
    assert "template" not in said["hint"]
    problem(client.post("/v1/read?format=template", content=b"a"), 400, "usage-error")
    headers = {"Accept": "application/msword"}
    problem(client.post("/v1/read", content=b"a", headers=headers), 406, "format")


@pytest.mark.parametrize(
    ("query", "status", "kind"),
    [
        ("model=../../etc", 400, "usage-error"),
        ("pages=5-1", 400, "usage-error"),
        ("allow=a&regex=b", 400, "usage-error"),
        ("num_beams=0", 422, "parameters"),
        ("num_beams=100000", 422, "parameters"),
        ("dpi=nan", 422, "parameters"),
        ("seconds=-1", 422, "parameters"),
        ("seconds=inf", 422, "parameters"),
        ("formt=txt", 422, "parameters"),
        ("words=maybe", 422, "parameters"),
        ("%ff=%00", 422, "parameters"),
    ],
)
def test_wrong_options_are_refused(make: Make, query: str, status: int, kind: str) -> None:
    client = make()
    for path in ("/v1/read", "/v1/jobs"):
        problem(client.post(f"{path}?{query}", content=b"a", headers=PNG), status, kind)
    assert not client.pool.tasks
    said = client.post("/v1/read?model=nobody", content=b"a").json()
    assert "printed, handwritten, fast" in said["hint"]


def test_urls_may_be_refused_and_must_be_urls(make: Make) -> None:
    problem(make(urls=False).post("/v1/read", json={"url": "https://example.org"}), 403, "urls")
    client = make()
    for url in ("file:///etc/passwd", "ftp://example.org/a", "http://", "http://[", "\ud800"):
        content = json.dumps({"url": url}).encode()
        answer = client.post("/v1/read", content=content, headers=JSON)
        assert answer.status_code in (400, 422)
        assert "urn:trocr" in answer.json()["type"]
    for body in (b"", b"{", b"[]", b'{"url": 1}', b'{"url": "http://a", "b": 1}', b"\xff"):
        problem(client.post("/v1/read", content=body, headers=JSON), 422, "body")
    problem(client.post("/v1/lines", json={"url": "https://example.org"}), 415, "media-type")
    assert not client.pool.tasks


def test_a_file_is_never_run_as_a_page(make: Make) -> None:
    answer = make(answers_html).post("/v1/read?format=html", content=b"a", headers=PNG)
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "allow-same-origin" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "x-evil" not in answer.headers
    said = answer.headers["content-disposition"]
    assert said.startswith('attachment; filename="_><script>')
    assert said.count('"') == 2
    assert "%E2%80%AE" in said


@given(st.text(max_size=50))
def test_any_name_is_a_header(name: str) -> None:
    said = disposition(name)
    said.encode("ascii")
    assert not set(said) & set("\r\n\0\\")
    assert said.count('"') == 2
    full = said.rpartition("filename*=UTF-8''")[2]
    assert unquote(full) == name.encode("utf-8", "replace").decode()


@settings(deadline=None)
@given(st.text(max_size=50) | st.lists(st.sampled_from("a/b,;q= 1.*json")).map("".join))
def test_any_accept_header_has_an_answer(accept: str) -> None:
    try:
        assert chosen_format(None, accept) in MEDIA_TYPES
    except Problem as problem:
        assert problem.status == 406  # noqa: PT017


@pytest.mark.parametrize(
    ("end", "status", "kind"),
    [
        (Failed("ImageError", "No picture.", "Look."), 422, "image-error"),
        (Failed("UsageError", "No.", "Yes."), 400, "usage-error"),
        (Failed("DataError", "No.", "Yes."), 400, "data-error"),
        (Failed("Deadline", "Late.", ""), 504, "deadline"),
        (Failed("WorkerLost", "Gone.", ""), 503, "worker-lost"),
        (Failed("Internal", "secret path /srv/x", ""), 500, "internal"),
        (Failed("OutputError", "secret path /srv/x", ""), 500, "internal"),
        (Done(), 500, "internal"),
    ],
)
def test_what_goes_wrong_is_said(make: Make, end: Any, status: int, kind: str) -> None:
    client = make(lambda task: [end])
    answer = client.post("/v1/read", content=b"a", headers=PNG)
    problem(answer, status, kind)
    assert "secret" not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)
    assert not client.pool.running


def test_a_mistake_of_ours_is_a_problem_too(make: Make) -> None:
    def mistaken(task: Any) -> list[Any]:
        raise ZeroDivisionError("secret")

    client = make()
    client.pool.submit = mistaken
    answer = client.post("/v1/read", content=b"a", headers=PNG)
    problem(answer, 500, "internal")
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/healthz").status_code == 200


def test_pages_that_cannot_be_read_are_named(make: Make) -> None:
    failed = (PageFailed(2, "No.", ""), PageFailed(5, "No.", ""), PageFailed(None, "No.", ""))
    client = make(lambda task: [Output(b"{}", "application/json", "a.json", failed), Done()])
    answer = client.post("/v1/read", content=b"a", headers=PNG)
    assert answer.headers["x-trocr-failed-pages"] == "2,5"
    assert answer.content == b"{}"


def test_lines(make: Make) -> None:
    client = make()
    files = [("files", (name, content)) for name, content in (("a", b"1"), ("b", b"broken"))]
    answer = client.post("/v1/lines?n_best=2&words=true&regex=a%2B", files=files).json()
    first, second = answer["lines"]
    assert answer["model"] == "printed"
    assert (first["name"], first["text"], first["finish_reason"]) == ("a", "TOTAL", "eos")
    assert first["n_best"] == [{"text": "TOTAL", "confidence": 0.9}]
    assert first["words"] == [{"text": "TOTAL", "confidence": 0.9, "box": [10, 10, 60, 30]}]
    assert second["name"] == "b"
    assert second["error"]["detail"] == "b is no picture."
    assert client.pool.tasks[0].options.regex == "a+"
    plain = client.post("/v1/lines", content=b"a", headers=PNG).json()["lines"][0]
    assert set(plain) == {"name", "text", "confidence", "finish_reason"}


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_keys(make: Make, header: str) -> None:
    client = make(api_keys=("one", "zweité"))
    prefix = "bearer " if header == "Authorization" else ""
    for path in ("/v1/models", "/v1/jobs/x", "/v1/read", "/v1/lines"):
        method = "POST" if path in ("/v1/read", "/v1/lines") else "GET"
        for wrong in ("", "on", "one1", "ONE"):
            headers = {header: prefix + wrong}
            answer = client.request(method, path, headers=headers)
            problem(answer, 401, "key")
            assert answer.headers["www-authenticate"] == "Bearer"
    for key in ("one", "zweité"):
        headers = {header: (prefix + key).encode()}
        assert client.get("/v1/models", headers=headers).status_code == 200
    for path in ("/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/static/main.js"):
        assert client.get(path).status_code == 200


def test_a_server_that_is_not_warm_or_stops(make: Make) -> None:
    client = make()
    client.pool.ready = False
    assert client.get("/healthz").status_code == 200
    for answer in (client.get("/readyz"), client.post("/v1/read", content=b"a", headers=PNG)):
        problem(answer, 503, "not-ready")
        assert int(answer.headers["retry-after"]) >= 1
    client.pool.ready, client.pool.draining = True, True
    problem(client.get("/readyz"), 503, "stopping")
    problem(client.post("/v1/lines", content=b"a", headers=PNG), 503, "stopping")


def test_web_pages_of_others(make: Make) -> None:
    there = {"Origin": "https://there.example"}
    asked = {**there, "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in make().get("/v1/models", headers=there).headers
    client = make(origins=("https://there.example",))
    answer = client.options(
        "/v1/read", headers={**asked, "Access-Control-Request-Headers": "x-api-key"}
    )
    assert answer.headers["access-control-allow-origin"] == "https://there.example"
    answer = client.post("/v1/read", content=b"a", headers={**PNG, **there})
    assert "X-Trocr-Failed-Pages" in answer.headers["access-control-expose-headers"]
    answer = client.get("/v1/models", headers={"Origin": "https://elsewhere.example"})
    assert "access-control-allow-origin" not in answer.headers


def test_every_answer_has_safe_headers(make: Make) -> None:
    client = make()
    paths = ["/", "/static/main.js", "/static/none", "/none", "/v1/models", "/v1/read", "/metrics"]
    for path in paths:
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert ("script-src 'self'" in policy) == (path in ("/", "/static/main.js"))
        assert "unsafe" not in policy


def test_files_outside_the_web_page_are_not_served(make: Make) -> None:
    client = make()
    for path in ("..%2fapp.py", "%2e%2e/app.py", "..\\app.py", "%00", "/etc/passwd", "%ff"):
        assert client.get(f"/static/{path}").status_code == 404


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz"])
def test_a_head_is_as_its_answer(make: Make, path: str) -> None:
    client = make()
    head, answer = client.head(path), client.get(path)
    assert head.status_code == answer.status_code == 200
    assert head.headers["content-length"] == answer.headers["content-length"]


def test_models(make: Make) -> None:
    answer = make(models=("fast", "/srv/models/mine")).get("/v1/models").json()
    assert answer["default"] == "fast"
    assert [model["name"] for model in answer["models"]] == ["fast", "/srv/models/mine"]
    assert "description" in answer["models"][0]


def test_the_openapi_document_is_whole(make: Make) -> None:
    client = make(api_keys=("a",))
    document = client.get("/openapi.json").json()
    text = json.dumps(document)
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= set(document["components"]["schemas"])
    assert document["components"]["securitySchemes"].keys() == {"bearer", "header"}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], path
            good = next(answer for code, answer in operation["responses"].items() if code < "3")
            where = f"{method} {path}"
            assert "content" in good or where == "delete /v1/jobs/{id}", where
            for code, answer in operation["responses"].items():
                if code >= "4":
                    assert answer["content"]["application/problem+json"]["example"], where
