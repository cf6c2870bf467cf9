"""API keys."""

from __future__ import annotations

import hmac

from fastapi import Request

from .problems import Problem


class KeyCheck:
    """A dependency of routes that want a key, as ``Authorization: Bearer`` or ``X-API-Key``.

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
        if self._keys and not self._is_known(_key_of(request)):
            raise Problem(
                401,
                "key",
                "The request has no API key that the server knows.",
                "Send one: Authorization: Bearer KEY, or X-API-Key: KEY.",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _is_known(self, given: bytes) -> bool:
        """In a time that says nothing about the keys: all are compared."""
        return sum(hmac.compare_digest(given, key) for key in self._keys) > 0


def _key_of(request: Request) -> bytes:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    return key.encode("latin-1")  # as the header came; keys are compared as UTF-8
