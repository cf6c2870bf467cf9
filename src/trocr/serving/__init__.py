"""Reading over HTTP: worker processes that share batches among requests, and what is around them.

``settings`` and ``messages`` are what all parts know. ``workers`` read, and know no HTTP; ``http``
answers requests, and reads nothing itself; ``web`` is the page in the browser.
"""

from __future__ import annotations

from ..errors import UsageError


def serve_extra(package: str) -> UsageError:
    """What to raise where a package of the extra is missing."""
    return UsageError(f"Serving needs {package}.", "Install it: pip install 'trocr[serve]'.")
