"""Foreign text as it stands in a prompt: one quoted line, with nothing in it that could end the quotation or the message."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence


def quote(texts: Sequence[str]) -> str:
    """Foreign texts as one quoted line each, with nothing in them that could end the quotation or the message."""
    return "\n".join(f'  "{one_line(text)}"' for text in texts)


def one_line(text: str) -> str:
    """A foreign text without line breaks, control and invisible characters, double quotation marks and chat-template brackets.

    What is escaped for HTML (`AT&amp;T`) is what it stands for. Compatibility forms (full-width letters and the like) are brought to
    their plain ones first, so that none turns into a control token in a tokenizer that does so. `<|`, `|>`, `<<`, `>>`, `[INST` and
    tags such as `</s>` or `<start_of_turn>` are broken up.
    """
    plain = "".join(c if c.isprintable() else " " for c in unicodedata.normalize("NFKC", html.unescape(text)))
    quoted = " ".join(_QUOTATION.sub("'", plain).split())
    return _CONTROL.sub(r"\g<0> ", quoted)


_QUOTATION = re.compile('["\u201c\u201d\u201e\u201f\u00ab\u00bb]')
_CONTROL = re.compile(r"<(?=[|<])|\|(?=>)|>(?=>)|\[(?=/?INST)|<(?=/?[a-z_]+>)", re.IGNORECASE)
