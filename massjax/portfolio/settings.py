"""Settings of the portfolio that a signal is judged by."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from massjax.settings import Settings


class BacktestSettings(Settings):
    """A long-only portfolio of the best quantile of the signal, equally weighted."""

    quantile: float = Field(
        0.2, gt=0.0, le=1.0, description="Share of the members that the portfolio holds, those with the best signal: 0.2 is the best fifth."
    )
    every: int = Field(
        5,
        ge=1,
        description="Rows (dates) between the rebalances of a tranche; the horizon of the signal is a natural choice, a larger number "
        "trades less.",
    )
    tranches: Literal["overlapping", "single"] = Field(
        "overlapping",
        description="Whether the portfolio is rebalanced in turns. `overlapping`: the capital is shared among as many tranches as `every` "
        "says, all are bought on the first date, and then one is rebalanced on each date, so that no figure hangs on the day of the start; "
        "`single`: all of it is rebalanced together.",
    )
    cost: float = Field(
        0.001,
        ge=0.0,
        lt=0.5,
        description="Cost of a round trip, a purchase and a sale, as a share of the value traded: 0.001 is 0.1 %, as in MASS.",
    )
    unfilled: Literal["wait", "lapse"] = Field(
        "wait",
        description="What becomes of an order in a stock without a price on the date of its fill: it may `wait` for the stock's next "
        "price, until the next rebalance decides anew, or `lapse`.",
    )
    delisting_return: float = Field(
        0.0,
        ge=-1.0,
        le=1.0,
        description="Return of a holding whose stock is never priced again, as a fraction of its last price: 0 = paid out at that price, "
        "-1 = nothing is left. It is taken on the first date without a price, in cash, where no price follows for five dates "
        "or more, to the end of the data.",
    )
