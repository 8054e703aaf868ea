"""The forms under which texts speak of a company or a person: with and without legal form, short, by ticker, in capitals."""

# ruff: noqa: SIM905 - lists of words are read more easily as text
from __future__ import annotations

import re
from unicodedata import combining, normalize

_LEGAL = re.compile(
    r"(?:,? (?:Incorporated|Inc|Corporation|Corp|Company|Co|Companies|Cos|Limited|Ltd|LLC|L\.L\.C|LP|L\.P|PLC|plc|P\.L\.C|S\.A|SA|AG|SE|"
    r"N\.V|NV|A/S|ASA|AB|Oyj|KGaA|GmbH|SpA|S\.p\.A|Common Stock|"
    r"Ordinary Shares|Class [A-C]|Cl [A-C]|ADR|ADS|N\.A|& Co|\((?:The|DE|Delaware)\))\.?)+$",
    re.IGNORECASE,
)
_KIND = re.compile(
    r"(?: (?:Holdings|Holding|Hldgs|Hldg|Group|Grp|Trust|REIT|Bancorp|International|Intl|Technologies|Technology))+$", re.IGNORECASE
)
_HAN_LEGAL = re.compile("(?:股份有限公司|有限责任公司|有限公司|集团|股份|控股|[ABH]股?)+$")
_HAN_PLACE = re.compile(
    "^(?:北京|上海|天津|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|"
    "山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西|甘肃|青海|内蒙古|广西|西藏|宁夏|新疆|"
    "深圳|广州|杭州|南京|武汉|成都|青岛|厦门|宁波)"
)
_SUFFIX = re.compile(r"\.(?:SZ|SH|SS|XSHG|XSHE|BJ|HK|US|O|N|OQ|K|L|LN|T|TO|DE|PA|AS|MI|SW|KS|KQ|AX|NS|BO|TW|SI|[A-Z]{2})$")
_CLASS = re.compile(r"[.\-/ ]([A-C])$")

COMMON_FIRST_WORDS = frozenset(
    (
        "advance advanced alliance allied american analog applied arch arrow associated atlantic automatic bank bath best big black blue "
        "boston bright british brown builders capital cardinal central charter chicago china church citizens city clean coastal "
        "commercial consolidated constellation continental core crown cooper delta deutsche digital discover dollar dominion dominos duke "
        "eagle eastern edison electronic energy enterprise equity essential estee extra expeditors federal fidelity fifth first five "
        "freedom general global gold golden great green hartford health helmerich home host hudson independent industrial "
        "intercontinental international interstate iron johnson juniper key kansas las lake liberty life live lincoln mid motor national "
        "new news nippon norfolk north northern northwest ocean old packaging parker peoples phillips pioneer premier principal public "
        "pacific quest range raymond real regency regions republic resource rock rockwell royal santa service simon south southern "
        "southwest spirit standard stanley state steel sun super synchrony take teledyne texas the thermo third total tractor "
        "trade truist twenty union united universal us valley value vulcan walt warner waste waters wells west western white "
        "williams world york zions"
    ).split()
)
"""First words of company names that are words of their own: alone they mean no company."""

WORDS = COMMON_FIRST_WORDS | set(
    "apple target block square visa ford oracle shell chase match zoom snap slack expedia cigna intuitive hunt carnival stone nucor".split()
)
"""Names that are words too, or nearly: what is left of them in lower case is not counted."""
_SHOUTED = frozenset(
    "AI AN ALL ARE AS AT BE BIG BY CAN CEO CFO CAR DD DO EPS ESG ETF EU EV FOR GDP GO HAS HE IPO IT KEY LOW NEW NOW ON ONE OR OUT PC PE PM "
    "R&D RUN SEC SEE SO TV TWO UK UN US USA WELL WHO".split()
)
"""Tickers that are words or abbreviations in capitals: alone they mean no company."""

_GIVEN_NAMES = ("Walt", "Ralph", "Charles", "Estee", "Estée", "Jack")
"""First words of names whose second word alone means the company."""


def company_forms(name: str) -> set[str]:
    """All forms of a company's name, such as Apple Inc., Apple and APPLE; Johnson & Johnson and J&J; ExxonMobil and Exxon Mobil."""
    name = " ".join(name.split())
    if len(name) < 2:
        return set()
    if re.search("[㐀-鿿]", name):
        return _chinese_forms(name)
    if name.isupper() or name.islower():
        return _mixed_forms(name) | _mixed_forms(name.title())
    return _mixed_forms(name)


def _mixed_forms(name: str) -> set[str]:
    bare = re.sub(r"^The ", "", name)
    for ending in (_LEGAL, _KIND):
        shorter = ending.sub("", bare).strip(" ,.&")
        bare = shorter if len(shorter) > 1 and shorter.lower() not in COMMON_FIRST_WORDS else bare
    forms = {name, bare, name.rstrip("."), re.sub(r"^The ", "", name)}
    forms |= {form.replace(" & ", " and ") for form in forms} | {form.replace(" and ", " & ") for form in forms}
    forms |= {form.replace("-", " ") for form in forms}
    forms |= {form.replace(apostrophe, other) for form in forms for apostrophe in "'’" for other in ("'", "’", "")}
    parts = bare.split()
    initials = re.fullmatch(r"(\w)\w*(?: \w+)? (?:&|and) (\w)\w*.*", bare)
    if initials:
        forms.add(f"{initials[1]}&{initials[2]}".upper())
    if len(parts) == 2 and parts[0].isalpha() and parts[1].isalpha() and len(bare) >= 8:
        forms.add("".join(parts))
    if len(parts) > 1 and _distinctive(parts[0]):
        forms.add(parts[0].rstrip(","))
    if len(parts) == 2 and (len(parts[0]) <= 3 or parts[0] in _GIVEN_NAMES) and _distinctive(parts[1]):
        forms.add(parts[1])
    forms |= {form.removesuffix(".com") for form in forms}
    forms |= {"".join(c for c in normalize("NFKD", form) if not combining(c)) for form in forms}
    forms |= {form.title() for form in forms if form.isupper() and form.isalpha() and len(form) > 4}
    single = {form for form in forms if len(form) > 3}
    domains = {f"{bare.lower().replace(' ', '')}.{end}" for end in ("com", "cn", "net", "org")} if len(bare) > 2 else set()
    return {form for form in forms | {form.upper() for form in single} | domains if len(form) > 1}


def _distinctive(word: str) -> bool:
    return len(word.strip(".,")) >= 4 and word[0].isupper() and word.lower().strip(".,") not in COMMON_FIRST_WORDS


def _chinese_forms(name: str) -> set[str]:
    short = _HAN_LEGAL.sub("", name.replace(" ", "")) or name
    local = _HAN_PLACE.sub("", short)
    return {form for form in (name, name.replace(" ", ""), short, local if len(local) >= 2 else "") if len(form) >= 2}


def person_forms(person: str) -> set[str]:
    """A person's full name, also without middle initials, and the surname where it has three letters or more."""
    person = " ".join(person.split())
    if re.search("[㐀-鿿]", person):
        return {person} if len(person) > 1 else set()
    parts = re.sub(r",? (?:Jr|Sr|II|III|IV|PhD|MD)\.?$", "", person).split()
    if not parts:
        return set()
    plain = [part for part in parts if len(part.rstrip(".")) > 1]
    surname = plain[-1] if plain else parts[-1]
    return {form for form in (person, " ".join(parts), " ".join(plain), surname) if len(form) >= 3}


def ticker_forms(stock: str) -> set[str]:
    """The spellings of a ticker or code that stand for it without further signs: AAPL, BRK.B, BRK-B, 600519.SH, 600519.

    A single letter, or a number of fewer than four digits, is too common: it counts only after `$` or the name of an exchange.
    """
    base = bare_ticker(stock)
    spelled = {stock, base}
    share_class = _CLASS.search(base)
    if share_class:
        spelled |= {base[: share_class.start()] + sign + share_class[1] for sign in (".", "-", "/", " ")}
    plain = {form for form in spelled if _clear(form)}
    suffixed = {f"{base}.{suffix}" for suffix in ("O", "OQ", "N", "US", "SZ", "SH", "SS", "HK", "L", "T")}
    return plain | suffixed


def bare_ticker(stock: str) -> str:
    """A ticker or code without the exchange that follows it: 600519 of 600519.SH; the B of BRK.B is a class of shares and stays."""
    return stock if _CLASS.search(stock) else _SUFFIX.sub("", stock)


def _clear(form: str) -> bool:
    return len(form) > 3 if form.isdigit() else len(form) > 1 and form not in _SHOUTED
