"""Set phrases and patterns of synthetic lines, from ``phrases.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# {"fields": ..., "receipts": ..., "letters": {"fr": ..., "en": ...}, "marks": ..., "style": ...};
# what stands twice in a list is drawn twice as often.
PHRASES: dict[str, Any] = json.loads(
    Path(__file__).with_name("phrases.json").read_text(encoding="utf-8")
)
