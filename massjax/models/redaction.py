"""Keeping an API key out of whatever a server says: servers repeat it, whole, cut, masked or encoded, in what is shown or kept."""

from __future__ import annotations

import base64
import re
from urllib.parse import quote

REDACTED = "***"
SHORTEST = 8
"""Shorter keys than this (such as `EMPTY`) are not secret, and pieces of them would be found everywhere."""
_BETWEEN = r"[\s\\\"'+,\u200b\u00ad]*"
_MASK = r"[*•●·.…#xX_\-]"


class Redaction:
    """Takes one key out of texts.

    Found are the key itself; the key with its characters escaped for JSON, a URL or HTML, or written in hexadecimal; its Base64, alone
    or within a longer text; each of these broken by blanks, quotes or line ends; a beginning or end of it beside a mask
    (`sk-abc***4d0d`); and any piece of eight characters. Capitals
    and small letters count as the same.
    """

    def __init__(self, secret: str | None) -> None:
        self._secret = secret or ""
        self._pattern = re.compile("|".join(_forms(self._secret)), re.IGNORECASE) if len(self._secret) >= SHORTEST else None

    def __call__(self, text: str) -> str:
        """The text with `***` in the place of the key."""
        if self._pattern is None:
            return text.replace(self._secret, REDACTED) if self._secret else text
        return self._pieces(self._pattern.sub(REDACTED, text))

    def _pieces(self, text: str) -> str:
        secret, plain = self._secret.lower(), "".join(letter.lower() if letter.isascii() else letter for letter in text)
        windows = {secret[at : at + SHORTEST] for at in range(len(secret) - SHORTEST + 1)}
        hit = [False] * len(text)
        for at in range(len(text) - SHORTEST + 1):
            if plain[at : at + SHORTEST] in windows:
                hit[at : at + SHORTEST] = [True] * SHORTEST
        shown = "".join("\0" if hidden else letter for letter, hidden in zip(text, hit, strict=True))
        return re.sub("\0+", REDACTED, shown)


def _forms(secret: str) -> list[str]:
    whole = _BETWEEN.join(_letter(letter) for letter in secret)
    encoded = [_BETWEEN.join(map(re.escape, core)) for core in sorted(_base64_cores(secret), key=len, reverse=True)]
    digits = r"[\s:]*".join(f"(?:0x|\\\\x)?[{a.lower()}{a.upper()}][{b.lower()}{b.upper()}]" for a, b in _hexadecimal(secret))
    start = "|".join(re.escape(secret[:length]) for length in range(len(secret) - 1, 2, -1))
    end = "|".join(re.escape(secret[-length:]) for length in range(len(secret) - 1, 1, -1))
    return [whole, *encoded, digits, f"(?:{start})(?:…|{_MASK}{{2,64}})(?:{end})?", f"{_MASK}{{3,64}}(?:{end})"]


def _letter(letter: str) -> str:
    code = ord(letter)
    percent = "".join(f"%(?:25)?[{a.lower()}{a.upper()}][{b.lower()}{b.upper()}]" for a, b in _hexadecimal(letter))
    return f"(?:{re.escape(letter)}|{percent}|\\\\u(?i:{code:04x})|&#{code};|&#[xX](?i:{code:x});)"


def _hexadecimal(text: str) -> list[tuple[str, str]]:
    return [(f"{byte:02x}"[0], f"{byte:02x}"[1]) for byte in text.encode()]


def _base64_cores(secret: str) -> set[str]:
    """The Base64 of a key at each of the three places it may begin at in a longer text, without the letters that its neighbours share."""
    cores = set()
    data = secret.encode()
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * before + data).decode()
            first = -(-8 * before // 6)
            last = 8 * (before + len(data)) // 6
            cores.add(text[first:last])
    return cores | {quote(core, safe="") for core in cores}
