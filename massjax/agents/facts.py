"""Point-in-time facts about a stock on a date, as short texts: words for cross-sectional quantiles, or numbers.

Every fact is kept as integer codes into a vocabulary of texts, so that equal facts are recognised, hence equal prompts asked once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int

from massjax.agents.masking import Masker, masker_of
from massjax.agents.quoting import one_line, quote
from massjax.agents.settings import AgentsSettings
from massjax.agents.texts import shown_texts
from massjax.average_ranks import column_blocks, row_ranks
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


def facts_of(panel: Panel, settings: AgentsSettings, modalities: Collection[str] | None = None) -> tuple[Fact, ...]:
    """The facts that prompts may show, from features, market-wide facts and texts known at each date's close.

    Args:
        panel: the market data.
        settings: which features are shown, how, and whether names and dates are hidden.
        modalities: facts of these alone, and of identity; None = of all. The words of a fact do not depend on it.

    Raises:
        ConfigError: `settings.features` names a feature that the panel has not.
    """
    check_features(panel, settings)
    facts = [] if settings.masked else identity_facts(panel)
    as_fact = _as_words if settings.facts == "words" else _as_numbers
    features = [feature for name, feature in panel.features.items() if not settings.features or name in settings.features]
    of_market = [fact for name, fact in panel.market_facts.items() if not settings.features or name in settings.features]
    facts += [as_fact(feature, panel.member) for feature in features if modalities is None or feature.modality in modalities]
    facts += [_market_wide(fact, panel, settings.facts) for fact in of_market if modalities is None or fact.modality in modalities]
    shown = {modality: shown_texts(panel, modality, settings)[1] for modality in text_modalities(panel)}
    masker = texts_masker(panel, settings, shown)
    facts += [_texts(panel, name, texts, masker) for name, texts in shown.items() if modalities is None or name in modalities]
    facts = _ordered(facts, settings.facts_order)
    return tuple(facts if masker is None else (replace(fact, label=masker.mask(fact.label)) for fact in facts))


def _ordered(facts: list[Fact], order: Literal["given", "reversed", "shuffled"]) -> list[Fact]:
    """Identity first, then the other facts in the order wanted; the shuffled one depends on their labels alone."""
    identity, others = [fact for fact in facts if not fact.modality], [fact for fact in facts if fact.modality]
    if order == "reversed":
        others.reverse()
    elif order == "shuffled":
        others.sort(key=lambda fact: hashlib.blake2b(f"{fact.modality}\0{fact.label}".encode(), digest_size=8).digest())
    return [*identity, *others]


def check_features(panel: Panel, settings: AgentsSettings) -> None:
    """Refuse a feature to show that the panel has not.

    Raises:
        ConfigError: naming it, and the features that are there.
    """
    known = (*panel.features, *panel.market_facts)
    for name in settings.features:
        if name not in known:
            raise ConfigError(
                f"agents.features: the market data has no feature {name!r}{did_you_mean(name, known)}; it has: {', '.join(known)}"
                f"{told_of(name, panel)}"
            )


def text_modalities(panel: Panel) -> list[str]:
    """The modalities of its texts."""
    return [] if panel.texts is None else panel.texts["modality"].unique(maintain_order=True).to_list()


def texts_masker(panel: Panel, settings: AgentsSettings, shown: Mapping[str, pl.DataFrame] | None = None) -> Masker | None:
    """What hides names and dates in labels and texts; None where they are shown.

    Args:
        shown: the texts that prompts show, by modality, where they are known already.
    """
    if not settings.masked:
        return None
    shown = shown or {modality: shown_texts(panel, modality, settings)[1] for modality in text_modalities(panel)}
    features = [feature for name, feature in panel.features.items() if not settings.features or name in settings.features]
    of_market = [fact for name, fact in panel.market_facts.items() if not settings.features or name in settings.features]
    labels = [*(feature.label for feature in features), *(_market_label(fact, settings.facts) for fact in of_market)]
    texts = (one_line(text) for seen in shown.values() for text in seen["text"].unique())
    return masker_of(panel, [*labels, *(modality.replace("_", " ") for modality in shown), *texts])


def told_of(name: str, panel: Panel) -> str:
    """What the panel's warnings say of something that it lacks, to be added to a message."""
    said = [warning for warning in panel.warnings if repr(name) in warning]
    return f" ({'; '.join(said)})" if said else ""


def quantile_codes(values: Float[np.ndarray, "N T"], member: Bool[np.ndarray, "N T"], count: int) -> Int[np.ndarray, "N T"]:
    """Cross-sectional quantile of each known value among the members of its date: 0 (lowest) to `count` − 1; −1 elsewhere.

    Equal values share a quantile (that of their average rank), and a date with one known value puts it in the middle.
    """
    codes = np.empty(values.shape, np.int32)
    for dates in column_blocks(*values.shape):
        known = member[:, dates].T & np.isfinite(values[:, dates].T)
        doubled = np.where(known, 2 * row_ranks(np.where(known, values[:, dates].T, np.nan)) - 1, 0).astype(np.int64)
        quantile = np.minimum(doubled * count // (2 * np.maximum(known.sum(axis=1, keepdims=True), 1)), count - 1)
        codes[:, dates] = np.where(known, quantile, UNKNOWN).T
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


def _market_wide(fact: MarketFact, panel: Panel, style: str) -> Fact:
    """A fact about the whole market, told of every stock: its value, or where it stands in its own past year."""
    stocks = len(panel.stocks)
    values = np.asarray(fact.values, dtype=float)
    if style == "numbers":
        codes, texts = _encode(values[None, :], fact.style)
        return Fact(fact.modality, _market_label(fact, style), np.broadcast_to(codes, (stocks, values.size)), texts)
    standing = standing_in_past_year(values, panel.periods_per_year) if fact.standing is None else fact.standing
    codes = np.full(values.shape, UNKNOWN, dtype=np.int32)
    known = np.isfinite(standing)
    codes[known] = np.minimum((standing[known] * len(fact.words)).astype(np.int32), len(fact.words) - 1)
    return Fact(fact.modality, _market_label(fact, style), np.broadcast_to(codes, (stocks, values.size)), fact.words)


def _market_label(fact: MarketFact, style: str) -> str:
    return fact.label if style == "numbers" else f"{fact.label}, against the past year"


def identity_facts(panel: Panel) -> list[Fact]:
    """Date, name and, where it is known, sector of every stock on every date, as prompts without masks show them."""
    shape = (len(panel.stocks), len(panel.dates))
    row = np.broadcast_to(np.arange(shape[0], dtype=np.int32)[:, None], shape)
    column = np.broadcast_to(np.arange(shape[1], dtype=np.int32)[None, :], shape)
    named = tuple(one_line(f"{panel.names[s]} ({s})" if s in panel.names else s) for s in panel.stocks)
    facts = [Fact("", "date", column, tuple(str(d) for d in panel.dates)), Fact("", "stock", row, named)]
    if panel.sectors:
        facts.append(Fact("", "sector", row, tuple(one_line(panel.sectors.get(s, "unknown")) for s in panel.stocks)))
    return facts


def _texts(panel: Panel, modality: str, shown: pl.DataFrame, masker: Masker | None) -> Fact:
    """The texts of a modality that prompts show, in the order of publication."""
    codes = np.full((len(panel.stocks), len(panel.dates)), UNKNOWN, dtype=np.int32)
    vocabulary: dict[str, int] = {}
    for row, column, texts in shown.group_by("row", "column", maintain_order=True).agg("text").iter_rows():
        seen = texts if masker is None else [masker.mask(one_line(text), panel.stocks[row]) for text in texts]
        codes[row, column] = vocabulary.setdefault(quote(seen), len(vocabulary))
    return Fact(modality, modality.replace("_", " "), codes, tuple(vocabulary))


class TextCounts(NamedTuple):
    """How many texts there are, and how many of them prompts show.

    Attributes:
        known: texts that some date of the panel could show.
        shown: of them, those that the prompts of at least one date show.
        repeated: copies of a text that is shown.
        left_out: the others, beyond `agents.texts_per_prompt` on every date.
    """

    known: int
    shown: int
    repeated: int
    left_out: int


def count_texts(panel: Panel, settings: AgentsSettings) -> TextCounts:
    """Texts known, shown and left out over all modalities of the panel, whichever an archetype sees."""
    counts = np.zeros(4, dtype=int)
    for modality in text_modalities(panel):
        could, shown = shown_texts(panel, modality, settings)
        others = could.join(shown, on="id", how="anti")
        copies = others.join(shown, on=["row", "column", "key"], how="semi")["id"].n_unique()
        known, seen = could["id"].n_unique(), shown["id"].n_unique()
        counts += (known, seen, copies, known - seen - copies)
    return TextCounts(*counts.tolist())
