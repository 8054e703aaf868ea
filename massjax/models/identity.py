"""Who a model is, as one digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping


def identity_digest(identity: Mapping[str, str]) -> str:
    """32 hex digits of all that is known of a model."""
    text = json.dumps(dict(identity), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
