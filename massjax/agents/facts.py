"""Point-in-time facts about a stock on a date, as short texts: words for cross-sectional quantiles, or numbers.

Every fact is kept as integer codes into a vocabulary of texts, so that equal facts are recognised, hence equal prompts asked once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int

from massjax.agents.masking import Masker, masker_of
from massjax.agents.quoting import one_line, quote
from massjax.config import AgentsSettings
from massjax.errors import ConfigError, did_you_mean
from massjax.market import Feature, MarketFact, Panel
from massjax.market.history import standing_in_past_year

UNKNOWN = -1


@dataclass(frozen=True)
class Fact:
    """One line of a prompt for every stock and date.

    Attributes:
        modality: an archetype sees the fact if it sees this modality; empty for facts about identity, which all see.
        label: what the line is about.
        codes: [N, T] index into `texts`; -1 where nothing is known at the close of the date.
        texts: the possible contents of the line.
    """

    modality: str
    label: str
    codes: Int[np.ndarray, "N T"]
    texts: tuple[str, ...]


def facts_of(panel: Panel, settings: AgentsSettings) -> tuple[Fact, ...]:
    """All facts that prompts may show, from features, market-wide facts and texts known at each date's close.

    Raises:
        ConfigError: `settings.features` names a feature that the panel has not.
    """
    for name in settings.features:
        known = (*panel.features, *panel.market_facts)
        if name not in known:
            raise ConfigError(
                f"agents.features: the market data has no feature {name!r}{did_you_mean(name, known)}; it has: {', '.join(known)}"
            )
    facts = [] if settings.mask else _identity(panel)
    as_fact = _as_words if settings.facts == "words" else _as_numbers
    chosen = [feature for name, feature in panel.features.items() if not settings.features or name in settings.features]
    facts += [as_fact(feature, panel.member) for feature in chosen]
    facts += [
        _market_wide(fact, len(panel.stocks), settings.facts)
        for name, fact in panel.market_facts.items()
        if not settings.features or name in settings.features
    ]
    shown = {} if panel.texts is None else _latest_texts(panel.texts, settings.texts_per_prompt)
    masker = _masker(panel, facts, shown) if settings.mask else None
    facts += [_texts(panel, modality, latest, masker) for modality, latest in shown.items()]
    return tuple(facts if masker is None else (replace(fact, label=masker.mask(fact.label)) for fact in facts))


def _masker(panel: Panel, facts: Sequence[Fact], shown: Mapping[str, pl.DataFrame]) -> Masker:
    labels = [*(fact.label for fact in facts), *(modality.replace("_", " ") for modality in shown)]
    texts = (one_line(text) for latest in shown.values() for text in latest["text"].explode().unique().drop_nulls())
    return masker_of(panel, [*labels, *texts])


def quantile_codes(values: Float[np.ndarray, "N T"], member: Bool[np.ndarray, "N T"], count: int) -> Int[np.ndarray, "N T"]:
    """Cross-sectional quantile of each known value among the members of its date: 0 (lowest) to `count` − 1; −1 elsewhere.

    Equal values share a quantile (that of their average rank), and a date with one known value puts it in the middle.
    """
    known = member & np.isfinite(values)
    masked = np.where(known, values, np.inf)
    order = np.sort(masked, axis=0)
    codes = np.full(values.shape, UNKNOWN, dtype=np.int32)
    for t in range(values.shape[1]):
        column, total = masked[known[:, t], t], int(known[:, t].sum())
        below = np.searchsorted(order[:total, t], column, side="left")
        up_to = np.searchsorted(order[:total, t], column, side="right")
        codes[known[:, t], t] = np.minimum((below + up_to) * count // (2 * max(total, 1)), count - 1)
    return codes


def _as_words(feature: Feature, member: Bool[np.ndarray, "N T"]) -> Fact:
    codes = quantile_codes(np.asarray(feature.values, dtype=float), member, len(feature.words))
    return Fact(feature.modality, feature.label, codes, feature.words)


def _as_numbers(feature: Feature, member: Bool[np.ndarray, "N T"]) -> Fact:
    values = np.where(member, np.asarray(feature.values, dtype=float), np.nan)
    return Fact(feature.modality, feature.label, *_encode(values, feature.style))


def _encode(values: Float[np.ndarray, "N T"], style: str) -> tuple[Int[np.ndarray, "N T"], tuple[str, ...]]:
    known = np.isfinite(values)
    distinct, inverse = np.unique([_printed(value, style) for value in values[known]], return_inverse=True)
    codes = np.full(values.shape, UNKNOWN, dtype=np.int32)
    codes[known] = inverse
    return codes, tuple(distinct.tolist())


def _printed(value: float, style: str) -> str:
    match style:
        case "percent":
            return f"{round(100.0 * value, 1) + 0.0:+.1f}%"
        case "ratio":
            return f"{round(value, 2) + 0.0:.2f}"
        case _:
            return f"{value:.4g}"


def _market_wide(fact: MarketFact, stocks: int, style: str) -> Fact:
    """The same for every stock: the value, or where it stands in its own past year."""
    values = np.asarray(fact.values, dtype=float)
    if style == "numbers":
        codes, texts = _encode(values[None, :], fact.style)
        return Fact(fact.modality, fact.label, np.repeat(codes, stocks, axis=0), texts)
    standing = standing_in_past_year(values) if fact.standing is None else fact.standing
    codes = np.full(values.shape, UNKNOWN, dtype=np.int32)
    known = np.isfinite(standing)
    codes[known] = np.minimum((standing[known] * len(fact.words)).astype(np.int32), len(fact.words) - 1)
    return Fact(fact.modality, f"{fact.label}, against the past year", np.repeat(codes[None, :], stocks, axis=0), fact.words)


def _identity(panel: Panel) -> list[Fact]:
    shape = (len(panel.stocks), len(panel.dates))
    row = np.broadcast_to(np.arange(shape[0], dtype=np.int32)[:, None], shape)
    column = np.broadcast_to(np.arange(shape[1], dtype=np.int32)[None, :], shape)
    named = tuple(one_line(f"{panel.names[s]} ({s})" if s in panel.names else s) for s in panel.stocks)
    facts = [Fact("", "date", column, tuple(str(d) for d in panel.dates)), Fact("", "stock", row, named)]
    if panel.sectors:
        facts.append(Fact("", "sector", row, tuple(one_line(panel.sectors.get(s, "unknown")) for s in panel.stocks)))
    return facts


def _latest_texts(texts: pl.DataFrame, count: int) -> dict[str, pl.DataFrame]:
    """By modality: the latest texts that became known on each date about each stock, at most `count` of them, newest last."""
    return {
        modality: texts.filter(pl.col("modality") == modality)
        .group_by("date", "stock", maintain_order=True)
        .agg(pl.col("text").tail(count))
        for modality in texts["modality"].unique(maintain_order=True)
    }


def _texts(panel: Panel, modality: str, latest: pl.DataFrame, masker: Masker | None) -> Fact:
    rows = {stock: n for n, stock in enumerate(panel.stocks)}
    columns = {date: t for t, date in enumerate(panel.dates.astype("datetime64[D]").tolist())}
    codes = np.full((len(panel.stocks), len(panel.dates)), UNKNOWN, dtype=np.int32)
    vocabulary: dict[str, int] = {}
    for date, stock, texts in latest.iter_rows():
        if stock in rows and date in columns:
            seen = texts if masker is None else [masker.mask(one_line(text), stock) for text in texts]
            codes[rows[stock], columns[date]] = vocabulary.setdefault(quote(seen), len(vocabulary))
    codes = np.where(panel.member, codes, UNKNOWN).astype(np.int32)
    return Fact(modality, modality.replace("_", " "), codes, tuple(vocabulary))
