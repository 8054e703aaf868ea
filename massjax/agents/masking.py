"""Hides in texts what would tell a language model which company and which time they are about.

One regular expression a panel finds links, tickers, names, people and dates. Names and tickers are those of all stocks of the panel,
as whole words (Chinese names anywhere, since Chinese has no spaces). A name of five letters or more is found in any case, unless it is a
word of its own: Target is hidden where it has its capital, for a word too many hidden costs less than a name shown, and target is not.
Not recognised: products, places, weekdays, quarters without a year, nicknames and people that the stocks table does not list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from massjax.agents.known_names import WORDS, bare_ticker, company_forms, person_forms, ticker_forms
from massjax.agents.quoting import one_line
from massjax.market import Panel

_LETTER = "0-9A-Za-zÀ-ɏͰ-ӿ"
_BEFORE, _AFTER = f"(?<![{_LETTER}])", f"(?![{_LETTER}])"
_CJK = re.compile("[぀-ヿ㐀-鿿가-힯]")

_MONTH = (
    "(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    "|Nov(?:ember)?|Dec(?:ember)?)"
)
_MONTHS = f"(?:{_MONTH}|{_MONTH.upper()})"
_YEAR = "(?:19[5-9]|20[0-4])[0-9]"
_SHORT = "(?:[’'‘]?[0-9]{2})"
_DAY = "(?:3[01]|[12][0-9]|0?[1-9])(?:st|nd|rd|th)?"
_CLOCK = r"(?:[T ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
_HAN = "[一二三四五六七八九十〇零○0-9]"

_BEFORE_MONTHS = ("in ", "since ", "until ", "last ", "from ", "late ", "early ", "next ", "this ", "mid-")
"""Before March and May, which are a verb, and a name or verb, elsewhere."""
_DATES = (
    rf"{_YEAR}[-/.](?:1[0-2]|0?[1-9])[-/.](?:3[01]|[12][0-9]|0?[1-9]){_CLOCK}",
    r"(?:19[5-9]|20[0-4])[0-9](?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])",
    rf"(?:3[01]|[12][0-9]|0?[1-9])[-/.](?:3[01]|[12][0-9]|0?[1-9])[-/.](?:{_YEAR}|[0-9]{{2}})",
    rf"{_YEAR}[-/](?:1[0-2]|0[1-9])",
    rf"{_MONTHS}\.?[- ]{_DAY}(?:,? *(?:{_YEAR}|[’'‘][0-9]{{2}}))?",
    rf"{_DAY}[- ](?:of )?{_MONTHS}\.?(?:[- ,]+{_YEAR}|[-][0-9]{{2}})?",
    rf"{_MONTHS}\.?,?[- ](?:of )?(?:{_YEAR}|[’'‘][0-9]{{2}})",
    rf"(?:{_YEAR}[ ]?){_MONTHS}",
    "(?:January|February|April|June|July|August|September|October|November|December)",
    "|".join(f"(?<=[{word[0].upper()}{word[0]}]{word[1:]})(?:March|May)" for word in _BEFORE_MONTHS),
)
_HAN_DATES = rf"(?<![0-9])(?:{_HAN}{{2,4}}年)?{_HAN}{{1,3}}月{_HAN}{{1,3}}[日号]|(?<![0-9]){_HAN}{{4}}年(?:{_HAN}{{1,3}}月)?"
_ONES = "one|two|three|four|five|six|seven|eight|nine"
_TEENS = "ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen"
_TO_99 = f"(?:{_TEENS}|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[- ](?:{_ONES}))?)"
_IN_WORDS = (
    f"(?i:twenty[- ](?:{_TEENS}|(?:twenty|thirty)(?:[- ](?:{_ONES}))?)|nineteen[- ]{_TO_99})"
    f"|(?i:(?<=in )|(?<=year )|(?<=since )|(?<=of )|(?<=by ))(?i:two thousand (?:and )?(?:{_TO_99}|{_ONES}))"
)
"""Years in words; `two thousand and ten` is a number elsewhere than after a preposition."""
_COUNTED = "workers|employees|jobs|stores|people|shares|points|units|yuan|dollars|homes"
"""After a number that is no year."""
_YEARS = (
    rf"[FC]Y ?(?:{_YEAR}|{_SHORT})(?:[-/](?:{_YEAR}|[0-9]{{2}}))?E?",
    rf"(?:[1-4]Q|[12]H|Q[1-4]|H[12])[ -]?(?:of )?(?:FY ?)?(?:{_YEAR}|[’'‘]?[0-9]{{2}}(?![0-9.%]))E?",
    rf"(?:fiscal|calendar|year) [’'‘][0-9]{{2}}|(?:{_YEAR})(?:[-–/](?:{_YEAR}|[0-9]{{2}}))(?![0-9%])",
    rf"(?<![$€£¥#.,])(?<!Russell )(?<!Nikkei )(?<!CSI ){_YEAR}[sEFA]?(?![.,][0-9]|%| ?(?:{_COUNTED}))",
    r"(?<![A-Za-z0-9’'])[’'‘][0-9]{2}s?(?![0-9.%])",
    _IN_WORDS,
)
_LINK = r"(?:https?://|www\.)[^\s\"')]+"
_EXCHANGES = (
    "NASDAQ|Nasdaq|NYSE|NYSE American|AMEX|OTC|OTCMKTS|TSX|LSE|LON|ETR|EPA|HKG|HKEX|SEHK|SSE|SZSE|SHA|SHE|TYO|TSE|KRX|ASX|NSE|BSE|BOM"
)
_QUOTED_TICKER = (
    rf"\$(?P<space> ?)(?P<cashtag>[A-Za-z]{{1,5}}(?:[.\-/][A-Za-z])?){_AFTER}"
    rf"|{_BEFORE}(?:{_EXCHANGES}) ?: ?(?P<listed>[A-Z0-9]{{1,6}}(?:[.\-/][A-Z])?){_AFTER}"
)


@dataclass(frozen=True)
class Masker:
    """What hides names and dates, for the stocks of one panel.

    Attributes:
        pattern: finds everything that is hidden.
        companies: the stocks that each form of a name or ticker may mean.
        loose: finds names in any case as well, to count what is left.
    """

    pattern: re.Pattern[str]
    companies: Mapping[str, frozenset[str]]
    loose: re.Pattern[str]

    def mask(self, text: str, stock: str | None = None) -> str:
        """The text with neutral words for what would tell company, person or time; the same text gives the same words.

        Args:
            text: one line.
            stock: which one the text is about: its names become `the company`, those of others `another company`; None = `a company`.
        """
        return self.pattern.sub(lambda found: self._neutral(found, stock), text)

    def left(self, line: str) -> tuple[str, str]:
        """The first name (in any case) and the first year or date that a line still holds; empty where there is none."""
        name = next((found for found in self.loose.finditer(line) if not self._is_no_ticker(found)), None)
        time = next((found[0] for found in self.pattern.finditer(line) if found.lastgroup in ("date", "handate", "year")), "")
        return name[0] if name else "", time

    def _neutral(self, found: re.Match[str], stock: str | None) -> str:
        if self._is_no_ticker(found):
            return found[0]
        words = self._words(found, stock)
        before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
        return f"{' ' if before.isalnum() else ''}{words}{' ' if after.isalnum() else ''}"

    def _is_no_ticker(self, found: re.Match[str]) -> bool:
        """Whether a dollar sign stands before a word, as in `made $ in a day`: apart, in lower case, and no ticker of the panel."""
        tag = found["cashtag"]
        return bool(tag and found["space"] and not tag.isupper() and tag.upper() not in self.companies)

    def _words(self, found: re.Match[str], stock: str | None) -> str:
        kind = found.lastgroup
        if kind in ("date", "handate"):
            return "a date"
        if kind in ("year", "link", "person"):
            return f"a {kind}"
        form = (found["cashtag"] or "").upper() or found["listed"] or found[0]
        if stock is None:
            return "a company"
        meant = self.companies.get(form) or self.companies.get(form.lower(), frozenset())
        return "the company" if stock in meant else "another company"


def masker_of(panel: Panel, corpus: Iterable[str]) -> Masker:
    """What hides the stocks of a panel: their tickers, names, aliases and people, and all dates.

    Args:
        panel: its stocks, names, aliases and people.
        corpus: the texts that will be masked or searched; a form that is in none of them is not looked for, which saves time alone.
    """
    companies: dict[str, set[str]] = {}
    people: set[str] = set()
    for stock in panel.stocks:
        forms = set(ticker_forms(stock))
        for name in (panel.names.get(stock, ""), *panel.aliases.get(stock, ())):
            forms |= company_forms(one_line(name))
        for form in forms:
            companies.setdefault(form, set()).add(stock)
        for person in panel.people.get(stock, ()):
            people |= person_forms(one_line(person))
    known = {form: frozenset(stocks) for form, stocks in companies.items()}
    known |= {form: known.get(form, frozenset()) | {stock} for stock in panel.stocks for form in (stock, bare_ticker(stock))}
    for form in [*known]:
        known[form.lower()] = known.get(form.lower(), frozenset()) | known[form]
    there = _occurring({*companies, *people}, corpus)
    names, persons = companies.keys() & there, (people & there) - companies.keys()
    exact = {form for form in names if form in panel.stocks or len(form) < 5 or form.lower() in WORDS or _CJK.search(form)}
    any_case = _whole({form.lower() for form in names - exact})
    full = _whole({person.lower() for person in persons if " " in person})
    loose = [_whole(exact | persons), *(f"(?i:{forms})" for forms in (any_case, full) if forms), _QUOTED_TICKER]
    groups = {
        "link": _LINK,
        "quoted": _QUOTED_TICKER,
        "company": "|".join(filter(None, (_whole(names), f"(?i:{any_case})" if any_case else ""))),
        "person": "|".join(filter(None, (_whole(persons), f"(?i:{full})" if full else ""))),
        "handate": _HAN_DATES,
        "date": f"{_BEFORE}(?:{'|'.join(_DATES)}){_AFTER}",
        "year": f"(?<![A-Za-z0-9])(?:{'|'.join(_YEARS)})(?![A-Za-z0-9])",
    }
    pattern = "|".join(f"(?P<{kind}>{expression})" for kind, expression in groups.items() if expression)
    return Masker(re.compile(pattern), known, re.compile("|".join(filter(None, loose))))


MOST_COMPARED = 2_000_000_000
"""Characters of a corpus times forms of names up to which looking through it is quicker than an expression for all forms."""


def _occurring(forms: set[str], corpus: Iterable[str]) -> set[str]:
    text = "\n".join(corpus).lower()
    return forms if len(text) * len(forms) > MOST_COMPARED else {form for form in forms if form.lower() in text}


def _whole(forms: Iterable[str]) -> str:
    """An expression for any of some texts: whole words, or anywhere in a text where they are Chinese, Japanese or Korean."""
    latin: list[str] = []
    cjk: list[str] = []
    for form in sorted(forms):
        (cjk if _CJK.search(form) else latin).append(form)
    parts = [f"{_BEFORE}{_trie(latin)}{_AFTER}"] if latin else []
    return "|".join([*parts, *([_trie(cjk)] if cjk else [])])


_Trie = dict[str, Any]


def _trie(words: Iterable[str]) -> str:
    """One expression for many texts that shares their beginnings, the longest first: its cost does not grow with their number."""
    root: _Trie = {}
    for word in words:
        node = root
        for character in word:
            node = node.setdefault(character, {})
        node[""] = {}
    return _branch(root)


def _branch(node: _Trie) -> str:
    text = ""
    while len(node) == 1 and "" not in node:
        character, node = next(iter(node.items()))
        text += re.escape(character)
    following = [re.escape(character) + _branch(node[character]) for character in sorted(node) if character]
    if not following:
        return text
    return text + f"(?:{'|'.join(following)})" + ("?" if "" in node else "")
