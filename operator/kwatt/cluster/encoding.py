"""JSON for the API server's server-side apply, which reads it as YAML. Pure."""

from __future__ import annotations

import json
import re
from typing import Final

_ESCAPED: Final = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def apply_document(body: object) -> bytes:
    r"""Return JSON that means the same as YAML.

    YAML knows no surrogate pairs, so a character beyond U+FFFF (an emoji) must stay as it is. Some others must
    be escaped, for YAML forbids them (U+0080) or folds them (U+2028).
    """
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode()
