"""Figures written into a document between marks, so that nobody copies them by hand."""

import re
from collections.abc import Mapping

__all__ = ["filled"]


def filled(text: str, parts: Mapping[str, str]) -> str:
    """Replace what stands between ``<!-- name -->`` and ``<!-- end name -->``.

    Args:
        text: the document.
        parts: what to write, by name.

    Raises:
        ValueError: if the document has no such marks.

    Example:
        >>> print(filled("<!-- a -->old<!-- end a -->", {"a": "new"}))
        <!-- a -->
        <BLANKLINE>
        new
        <BLANKLINE>
        <!-- end a -->
    """
    for name, part in parts.items():
        begin, end = f"<!-- {name} -->", f"<!-- end {name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"the document must have the marks {begin} and {end}, and has not")
        text = pattern.sub(lambda _, new=f"{begin}\n\n{part}\n\n{end}": new, text)
    return text
