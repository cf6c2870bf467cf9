"""Model folders by path or by their name on the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .errors import CheckpointError, UsageError

PROCESSOR_FILES = ("*.json", "*.txt", "*.model")
MODEL_FILES = (*PROCESSOR_FILES, "*.safetensors")
PICKLED_WEIGHTS = ("*.bin",)


def resolve_folder(
    name_or_path: str | Path,
    *,
    allow_patterns: Sequence[str] = MODEL_FILES,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    token: str | bool | None = None,
    revision: str | None = None,
) -> Path:
    """The local folder of a model: the folder itself, or a hub repository's copy in the cache.

    Args:
        name_or_path: an existing folder, or a hub id such as ``microsoft/trocr-base-printed``.
        allow_patterns: files to download. By default those of a model; its ``.bin`` weights
            only if it has no safetensors.
        cache_dir: where downloads are kept, default the hub library's cache.
        force_download: download again what the cache has.
        local_files_only: use the cache only.
        token: of a private repository; True for the saved one.
        revision: branch, tag or commit, default ``main``.

    Raises:
        CheckpointError: neither a folder nor a repository, or it cannot be reached.
    """
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise CheckpointError(f"{path} is a file.", "Give the folder that holds the model.")
    if not _may_be_hub_id(str(name_or_path)):
        raise CheckpointError(f"There is no model folder {path}.", "Check the path.")
    options = {
        "cache_dir": cache_dir,
        "force_download": force_download,
        "local_files_only": local_files_only,
        "token": token,
        "revision": revision,
    }
    folder = _download(str(name_or_path), allow_patterns, options)
    if tuple(allow_patterns) == MODEL_FILES and not any(folder.glob("model*.safetensors")):
        return _download(str(name_or_path), PICKLED_WEIGHTS, options)
    return folder


def check_new_folder(target: Path) -> None:
    """
    Raises:
        UsageError: the path is a file, or a folder that holds anything.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is there already.", "Name a new folder.")


def upload_folder(
    folder: str | Path,
    repo_id: str,
    *,
    token: str | bool | None = None,
    private: bool | None = None,
    revision: str | None = None,
    commit_message: str | None = None,
) -> str:
    """Upload a saved folder to the hub, creating the repository if need be.

    Returns:
        The repository's full name, ``user/name``.

    Raises:
        CheckpointError: the hub refuses, or cannot be reached.
    """
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    try:
        full_name: str = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        api.upload_folder(
            repo_id=full_name,
            folder_path=folder,
            revision=revision,
            commit_message=commit_message or "Upload model",
        )
    except Exception as error:
        raise CheckpointError(
            f"{folder} cannot be uploaded to {repo_id}: {_first_line(error)}.",
            "Log in with `hf auth login`, or pass a token that may write.",
        ) from error
    return full_name


def _may_be_hub_id(name: str) -> bool:
    """Hub ids are ``name`` or ``user/name``; everything else can only be a path."""
    return name.count("/") <= 1 and "\\" not in name and name[:1] not in ("", ".", "/", "~")


def _download(name: str, patterns: Sequence[str], options: dict[str, Any]) -> Path:
    from huggingface_hub import errors, snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns), **options))
    except errors.GatedRepoError as error:
        raise CheckpointError(
            f"The hub repository {name} is gated.",
            "Accept its terms on its page, then pass a token.",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise CheckpointError(
            f"The hub repository {name} has no revision {options['revision']!r}.",
            "Leave revision unset for the current one.",
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise CheckpointError(
            f"There is no folder {name}, and no hub repository of this name that can be seen.",
            "Check the spelling; a private repository needs a token.",
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise CheckpointError(
            f"{name} is no folder here, is not in the download cache, and the hub was not reached.",
            "Connect to the network, or give the path of a folder.",
        ) from error
    except Exception as error:
        raise CheckpointError(
            f"Downloading {name} failed: {_first_line(error)}.",
            "Try again, or give the path of a folder.",
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
