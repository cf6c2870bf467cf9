"""Requests that are tried again while there is time, and the errors that answers stand for."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import DataError, ImageError, ServerError, TrOCRError, UsageError

if TYPE_CHECKING:
    import httpx2

_CONNECT_SECONDS = 5.0
_SILENCE_SECONDS = 60.0  # a stream of events says something more often
_LONGEST_PAUSE = 10.0
_FIRST_PAUSE = 0.25
_BUSY = (429, 503)
_KINDS = {"urn:trocr:image-error": ImageError, "urn:trocr:data-error": DataError}
_EVENT_BYTES = 64 << 20  # a page of small print, all of its words included


class Transport:
    """One server, over connections that are kept.

    Args:
        url: where it is: ``http://127.0.0.1:8000``.
        api_key: that it asks for, if it does.
        timeout: seconds until a call fails, with all that is tried again.
        retries: how often that is.
    """

    def __init__(self, url: str, api_key: str | None, timeout: float, retries: int) -> None:
        try:
            import httpx2
        except ImportError as error:
            raise UsageError(
                "Speaking to a server needs httpx2.", "Install it: pip install 'trocr[client]'."
            ) from error
        if not url.lower().startswith(("http://", "https://")):
            raise UsageError(f"{url} is no URL.", "Begin it with http:// or https://.")
        if timeout <= 0 or retries < 0:
            raise UsageError(
                f"timeout={timeout}, retries={retries}.", "Wait for some time; retry 0 times or so."
            )
        headers = {"User-Agent": f"trocr/{__version__}"}
        if api_key is not None:
            headers["Authorization"] = f"Bearer {api_key}"
        self._http = httpx2.Client(base_url=url, headers=headers)
        self._url = url
        self._timeout = timeout
        self.retries = retries

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def once(self, method: str, path: str) -> int:
        """The status of a single try.

        Raises:
            ServerError: there is no answer.
        """
        with self._unreachable():
            answer = self._http.request(method, path, timeout=self._patience(self._timeout))
        return answer.status_code

    def send(
        self, method: str, path: str, *, repeatable: bool = True, **arguments: Any
    ) -> httpx2.Response:
        """The answer to a request, once there is one that is no error.

        Args:
            method, path: of the request.
            repeatable: doing it twice does no harm; else it is not sent again once it may have
                arrived.
            arguments: further ones, as for ``httpx2.request``.

        Raises:
            TrOCRError: what the server answers, or a `ServerError` if it does not.
        """
        deadline = time.monotonic() + self._timeout
        attempt = 0
        while True:
            left = deadline - time.monotonic()
            pause = _pause(attempt)
            try:
                with self._unreachable():
                    answer = self._http.request(
                        method, path, timeout=self._patience(left), **arguments
                    )
            except ServerError as error:
                failure: TrOCRError = error
                again = repeatable or _never_arrived(error)
            else:
                if answer.is_success:
                    return answer
                failure = error_of(answer)
                again = answer.status_code in _BUSY
                pause += _retry_after(answer)
            if not again or attempt >= self.retries or time.monotonic() + pause >= deadline:
                raise failure
            time.sleep(pause)
            attempt += 1

    @contextmanager
    def events(self, path: str, after: str) -> Iterator[Iterator[httpx2.ServerSentEvent]]:
        """A stream of events from the one after that of id `after`.

        Raises:
            TrOCRError: what the server answers instead, or a `ServerError` if the stream breaks.
        """
        headers = {"Last-Event-ID": after} if after else {}
        with (
            self._unreachable(),
            self._http.sse(
                path,
                headers=headers,
                timeout=self._patience(_SILENCE_SECONDS),
                max_event_size=_EVENT_BYTES,
            ) as source,
        ):
            if not source.response.is_success:
                source.response.read()
                raise error_of(source.response)
            yield iter(source)

    def pause(self, attempt: int) -> None:
        """Before a stream is opened again."""
        time.sleep(_pause(attempt))

    def _patience(self, seconds: float) -> httpx2.Timeout:
        import httpx2

        left = max(seconds, 0.001)
        return httpx2.Timeout(left, connect=min(left, _CONNECT_SECONDS))

    @contextmanager
    def _unreachable(self) -> Iterator[None]:
        import httpx2

        try:
            yield
        except httpx2.TimeoutException as error:
            raise ServerError(
                f"{self._url} did not answer in time.", "Wait longer: timeout=…."
            ) from error
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise ServerError(
                f"{self._url} cannot be reached: {error}.", "Is `trocr serve` running there?"
            ) from error


def error_of(answer: httpx2.Response) -> TrOCRError:
    """The error that a problem (RFC 9457) stands for; the body has been read."""
    status = answer.status_code
    kind: type[TrOCRError] = UsageError if 400 <= status < 500 and status != 429 else ServerError
    try:
        problem = answer.json()
        detail, hint = str(problem["detail"]), str(problem.get("hint", ""))
    except (AttributeError, KeyError, TypeError, ValueError):  # from something in between
        return kind(f"The server answered {status} {answer.reason_phrase}.")
    return _KINDS.get(problem.get("type"), kind)(detail, hint)


def _never_arrived(error: ServerError) -> bool:
    import httpx2

    return isinstance(error.__cause__, (httpx2.ConnectError, httpx2.ConnectTimeout))


def _pause(attempt: int) -> float:
    """Seconds, twice as many each time; clients that failed together do not come back together."""
    return min(_FIRST_PAUSE * 2.0 ** min(attempt, 9), _LONGEST_PAUSE) * random.uniform(0.5, 1)


def _retry_after(answer: httpx2.Response) -> float:
    """Seconds that the server asks for, as a number or as a date; else 0."""
    value = answer.headers.get("Retry-After", "")
    try:
        return max(float(value), 0)
    except ValueError:
        pass
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0)
    except ValueError:
        return 0
