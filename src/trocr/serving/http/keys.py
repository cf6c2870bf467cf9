"""API keys."""

from __future__ import annotations

import hmac

from fastapi import Request

from .problems import Problem


class KeyCheck:
    """A dependency of routes that want a key, as ``Authorization: Bearer`` or ``X-API-Key``.

    It notes which one it was, for `owner_of`.

    Args:
        keys: that are good; empty: none is wanted.
    """

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = tuple(key.encode() for key in keys)

    async def __call__(self, request: Request) -> None:
        """
        Raises:
            Problem: there is no key, or a wrong one.
        """
        if not self._keys:
            return
        request.state.owner = self._number_of(_key_of(request))
        if request.state.owner is None:
            raise Problem(
                401,
                "key",
                "The request has no API key that the server knows.",
                "Send one: Authorization: Bearer KEY, or X-API-Key: KEY.",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _number_of(self, given: bytes) -> int | None:
        """In a time that says nothing about the keys: all are compared."""
        same = [number for number, key in enumerate(self._keys) if hmac.compare_digest(given, key)]
        return same[0] if same else None


def owner_of(request: Request) -> int | None:
    """The number of the key that came with a request; None where none is wanted."""
    owner: int | None = getattr(request.state, "owner", None)
    return owner


def _key_of(request: Request) -> bytes:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    return key.encode("latin-1")  # as the header came; keys are compared as UTF-8
