"""Files that a request names by their URL."""

from __future__ import annotations

from typing import IO

from ...errors import ImageError
from ...pages.download import PrivateAddressError, download
from ..settings import ServeSettings


def fetched(url: str, settings: ServeSettings) -> IO[bytes]:
    """What a URL leads to; only on the public internet, and nothing about our own network.

    Raises:
        ImageError: it cannot be had.
    """
    try:
        return download(url, settings.limits)
    except PrivateAddressError:  # whose message names the address
        message = f"{url} is not on the public internet."
        raise ImageError(message, "Upload the file itself.") from None
