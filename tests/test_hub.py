"""Folders and hub ids; no test reaches the network."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import errors

from trocr.errors import CheckpointError
from trocr.hub import PROCESSOR_FILES, resolve_folder, upload_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def cached(cache: Path, *files: str) -> Path:
    """A download cache that holds the repository someone/lines, as the hub library lays it out."""
    repository = cache / "models--someone--lines"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for name in files:
        (snapshot / name).write_text("{}")
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(COMMIT)
    return snapshot


def test_a_folder_is_itself(tmp_path):
    assert resolve_folder(tmp_path) == tmp_path
    assert resolve_folder(str(tmp_path)) == tmp_path


def test_a_cached_repository_needs_no_network(tmp_path):
    snapshot = cached(tmp_path, "config.json", "model.safetensors")
    found = resolve_folder("someone/lines", cache_dir=tmp_path, local_files_only=True)
    assert found == snapshot


def test_not_in_the_cache(tmp_path):
    with pytest.raises(
        CheckpointError, match=r"someone/lines .*not in the download cache"
    ) as raised:
        resolve_folder("someone/lines", cache_dir=tmp_path, local_files_only=True)
    assert "network" in raised.value.hint


@pytest.mark.parametrize("name", ["/nowhere/model", "./model", "../a/b", "~/nowhere", "a/b/c", ""])
def test_a_path_never_goes_to_the_hub(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: pytest.fail("asked"))
    if name:
        with pytest.raises(CheckpointError, match="There is no model folder"):
            resolve_folder(name)
    (tmp_path / "model.bin").write_bytes(b"")
    with pytest.raises(CheckpointError, match="is a file"):
        resolve_folder(tmp_path / "model.bin")


def test_what_is_downloaded(tmp_path, monkeypatch):
    """Pickled weights are fetched only where there are no others."""
    asked: list[tuple[str, ...]] = []

    def download(name: str, allow_patterns: list[str], **options: object) -> str:
        assert (name, options["revision"], options["token"]) == ("someone/lines", "v1", "secret")
        asked.append(tuple(allow_patterns))
        return str(tmp_path / name)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.chdir(tmp_path / "..")
    assert resolve_folder("someone/lines", revision="v1", token="secret").name == "lines"
    assert asked[0] == (*PROCESSOR_FILES, "*.safetensors")
    assert asked[1] == ("*.bin",)
    (tmp_path / "someone/lines").mkdir(parents=True)
    (tmp_path / "someone/lines/draft_head.safetensors").write_bytes(b"")  # not the model's
    asked.clear()
    resolve_folder("someone/lines", revision="v1", token="secret")
    assert asked[1] == ("*.bin",)
    (tmp_path / "someone/lines/model.safetensors").write_bytes(b"")
    asked.clear()
    resolve_folder("someone/lines", revision="v1", token="secret")
    resolve_folder("someone/lines", revision="v1", token="secret", allow_patterns=PROCESSOR_FILES)
    assert asked == [(*PROCESSOR_FILES, "*.safetensors"), PROCESSOR_FILES]


def made(kind: type[Exception]) -> Exception:
    """An error of the hub library without the HTTP response that its constructor wants."""
    error = kind.__new__(kind)
    Exception.__init__(error, "404")
    return error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (made(errors.GatedRepoError), "is gated"),
        (made(errors.RepositoryNotFoundError), "no hub repository"),
        (made(errors.RevisionNotFoundError), "no revision 'v1'"),
        (ConnectionError("no route to host\nmore"), "failed: no route to host"),
        (OSError(), "failed: OSError"),
    ],
)
def test_every_failure_is_one_error(error, message, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(CheckpointError, match=message) as raised:
        resolve_folder("someone/lines", revision="v1")
    assert raised.value.hint


def test_a_name_that_no_repository_can_have():
    with pytest.raises(CheckpointError, match="no folder so-me/--bad"):
        resolve_folder("so-me/--bad")


def test_upload(tmp_path, monkeypatch):
    calls = []

    class Api:
        def __init__(self, token: object) -> None:
            calls.append(token)

        def create_repo(self, repo_id: str, **_: object) -> object:
            return type("Url", (), {"repo_id": f"me/{repo_id}"})

        def upload_folder(self, **options: object) -> None:
            calls.append((options["repo_id"], options["folder_path"]))
            if tmp_path.name != options["folder_path"].name:
                raise OSError("read only")

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    assert upload_folder(tmp_path, "lines", token="secret") == "me/lines"
    assert calls == ["secret", ("me/lines", tmp_path)]
    with pytest.raises(CheckpointError, match="cannot be uploaded to lines: read only"):
        upload_folder(tmp_path / "other", "lines")
