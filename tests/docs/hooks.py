"""What MkDocs has to be told: links out of docs/ lead to files of the checkout, which a site doesn't have.

`tests/docs/test_links.py` checks that those files exist.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s#:]+)(?:#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Print the path of a file outside docs/ in place of a link to it."""
    folder = posixpath.dirname(page.file.src_uri)

    def shown(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, link[2]))
        if not path.startswith("../") and not path.endswith("/") and "." in path:
            return link[0]
        outside = path.removeprefix("../")
        return link[1] if outside in link[1] else f"{link[1]} (`{outside}`)"

    return _LINK.sub(shown, markdown)
