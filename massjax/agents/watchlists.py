"""With what chance a stock is drawn for a watch list: all members alike, or balanced over industries or size classes of the date."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from massjax.agents.finite import FiniteSettings
from massjax.errors import ConfigError, DataError, did_you_mean
from massjax.market.panel import Panel
from massjax.market.sizes import size_classes, size_of
from massjax.row_words import first_few

OTHER_INDUSTRIES = 0.2
"""Chance of an industry that `industry_basis` does not prefer, where a preferred one has 1; as in MASS's code."""


def draw_weights(panel: Panel, settings: FiniteSettings) -> Float[np.ndarray, "N T"] | None:
    """Chance of each stock in a draw of a watch list on each date, up to a factor of the date; None where all members have the same.

    The members of a group, an industry or one of five size classes, share the group's chance alike: a member of a group of n members
    weighs 1 / n. Size classes are those of the date itself.

    Raises:
        ConfigError: the market data tells of no industries or sizes, or not of one that is named.
        DataError: the industry or the size of a member is unknown; the message names it.
    """
    if settings.draw == "random":
        return None
    if settings.draw == "size_equal":
        groups, chances = size_classes(size_of(panel, settings.size)), np.ones(5)
    else:
        industries, of_stock = _industries(panel)
        groups = np.where(panel.member, of_stock[:, None], -1)
        chances = np.ones(len(industries))
        if settings.draw == "industry_basis":
            _check_industries(settings.industries, industries)
            chances = np.where(np.isin(industries, settings.industries), 1.0, OTHER_INDUSTRIES)
    weights = np.zeros(panel.member.shape)
    for group, chance in enumerate(chances):
        inside = groups == group
        weights += np.where(inside, chance / np.maximum(inside.sum(axis=0), 1), 0.0)
    return weights


def watch_warnings(panel: Panel, settings: FiniteSettings) -> tuple[str, ...]:
    """A sentence where every replica watches every member, so that those of an archetype do not differ."""
    most = int(panel.member.sum(axis=0).max(initial=0))
    if settings.replacement or settings.watchlist < most:
        return ()
    same = " and the replicas of an archetype pick the same stocks, ties aside" if settings.temperature == 0 else ""
    return (
        f"agents.finite.watchlist: {settings.watchlist} stocks are as many as there ever are members ({most}), so every replica watches "
        f"all of them{same}",
    )


def _industries(panel: Panel) -> tuple[list[str], np.ndarray]:
    """The industries of the members, and the number of each stock's, -1 for none."""
    if not panel.sectors:
        raise ConfigError(
            "agents.finite.draw: the market data tells of no industries; name the table of stocks and its column under market.stocks "
            "(sector), or set agents.finite.draw to random"
        )
    ever: list[bool] = np.any(panel.member, axis=1).tolist()
    lacking = [stock for stock, listed in zip(panel.stocks, ever, strict=True) if listed and stock not in panel.sectors]
    if lacking:
        first = panel.dates[panel.member[panel.stocks.index(lacking[0])].argmax()]
        raise DataError(
            f"agents.finite.draw: the industry of {len(lacking)} of {sum(ever)} stocks is unknown ({first_few(lacking, 3)}; "
            f"{lacking[0]} is a member from {first} on); complete the table of market.stocks, or set agents.finite.draw to random"
        )
    industries = sorted({panel.sectors[stock] for stock, listed in zip(panel.stocks, ever, strict=True) if listed})
    number = {industry: place for place, industry in enumerate(industries)}
    return industries, np.array([number.get(panel.sectors.get(stock, ""), -1) for stock in panel.stocks])


def _check_industries(named: tuple[str, ...], industries: list[str]) -> None:
    for industry in named:
        if industry not in industries:
            raise ConfigError(
                f"agents.finite.industries: no member is of the industry {industry!r}{did_you_mean(industry, industries)}; there are: "
                f"{first_few(industries, 20)}"
            )
