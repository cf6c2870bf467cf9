"""``trocr.distribution`` with a store that speaks S3, on this machine; needs moto and s3fs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_runs import pages_in, run, shards, tar_of

from trocr.distribution.manifest import Manifest
from trocr.errors import OutputError

pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import fsspec

    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    found = fsspec.filesystem("s3", skip_instance_cache=True)
    found.makedirs("bucket", exist_ok=True)  # servers of a process share what they hold
    yield found
    server.stop()
    found.clear_instance_cache()


def shards_in(store: Any, folder: str) -> dict[str, bytes]:
    return {name.rpartition("/")[2]: store.cat_file(name) for name in store.find(folder)}


def test_a_run_from_s3_to_s3_goes_on(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = pages_in(tmp_path / "a folder", 10)
    store.put(f"{scans}/", "bucket/in/a folder/", recursive=True)
    store.put_file(str(tar_of(scans, tmp_path / "more.tar")), "bucket/in/more.tar")
    run(tmp_path / "out", "s3://bucket/in", state=tmp_path / "undisturbed")
    given: Any = {"state": tmp_path / "state"}
    out: Any = "s3://bucket/out"
    commit, committed = Manifest.commit, []

    def killed_later(*arguments: Any) -> bool:
        committed.append(1)
        if len(committed) == 4:
            raise KeyboardInterrupt
        return commit(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "commit", killed_later)
        with pytest.raises(KeyboardInterrupt):
            run(out, "s3://bucket/in", **given)
    status = run(out, "s3://bucket/in", **given)
    assert (status.done, status.left, status.runs) == (20, 0, 2)
    store.invalidate_cache()
    assert shards_in(store, "bucket/out/shards") == shards(tmp_path / "out")


def test_a_bucket_that_is_not_there(store: Any, tmp_path: Path) -> None:
    scans = pages_in(tmp_path / "scans", 2)
    out: Any = "s3://nowhere/out"
    with pytest.raises(OutputError, match="bucket does not exist"):
        run(out, scans, state=tmp_path / "state")
