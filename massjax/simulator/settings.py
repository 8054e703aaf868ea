"""Settings of a simulated market, of the agents in it, of what they are rewarded for and of how they learn."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from massjax.settings import Settings

LARGEST = 2**31 - 1
"""The largest integer of an account or of a priority: both are int32."""
HIGHEST_PRICE = 2**22
"""Ticks up to which the middle of two prices is exact in float32."""
ROOM_FOR_PRICES = 16
"""How far above its start a price must be able to rise."""
ROOM_FOR_CASH = 7
"""Multiples of the mean at which an exponential draw may be cut off: one of 1,100 is."""


class MarketSettings(Settings):
    """The exchange: who trades on it for how long, what an order may be, and how the fundamental value moves.

    Prices are integers of ticks, cash is an integer of ticks and volumes are integers of shares, all in int32, so that both are conserved
    exactly. What could overflow is refused here: the cash of a whole market must fit in one integer, and so must the priority of an order,
    price × agents + age.
    """

    agents: int = Field(100, ge=2, le=10_000, description="Agents in a market; an order lives for as many ticks, then it expires.")
    ticks: int = Field(1000, ge=2, le=1_000_000, description="Ticks of continuous trading; in each one agent, drawn at random, acts.")
    preopen: int = Field(100, ge=0, le=100_000, description="Ticks before trading opens: orders rest in the book, and none is executed.")
    tick: float = Field(0.01, gt=0, le=1e6, description="Money that one tick of the price is worth.")
    price: int = Field(30_000, ge=100, description="Price and fundamental value at the start, in ticks.")
    cash: float = Field(
        15_000.0, gt=0, le=1e12, description="Mean of the cash that an agent starts with, in money; exponentially distributed."
    )
    shares: float = Field(20.0, ge=0, le=10_000.0, description="Mean of the shares that an agent starts with; exponentially distributed.")
    largest_order: int = Field(20, ge=1, le=10_000, description="Shares of the largest order.")
    price_width: float = Field(0.05, gt=0, lt=1, description="How far from the middle of the quotes a limit may be, as a fraction of it.")
    depth_range: float = Field(0.05, gt=0, lt=1, description="How far from the middle an order counts for the depth that agents see.")
    depth_decay: float = Field(
        100.0, ge=0, le=1e4, description="How fast an order counts less for the depth with its distance d from the middle: exp(-decay × d)."
    )
    volatility: float = Field(
        0.003, ge=0, le=0.1, description="Highest volatility of the log fundamental a tick; each market draws its own between 0 and this."
    )
    correlation: float = Field(
        0.0, ge=0, le=1, description="Correlation of the moves of the fundamental between the markets, each of which is one stock."
    )
    return_range: float = Field(0.1, gt=0, le=10, description="Where agents cease to see how large a return or a mispricing is.")
    variance_range: float = Field(0.005, gt=0, le=10, description="Where agents cease to see how large a variance is.")

    @property
    def cash_in_ticks(self) -> float:
        """Mean of the cash that an agent starts with, in ticks."""
        return self.cash / self.tick

    @property
    def most_cash(self) -> int:
        """Ticks at which an agent's first cash is cut off, so that the cash of a whole market is below 2³¹."""
        return LARGEST // self.agents

    @property
    def most_shares(self) -> int:
        """Shares at which an agent's first shares are cut off; a float32 tells them apart."""
        return min(LARGEST // self.agents, 2**24)

    @property
    def highest_price(self) -> int:
        """The highest limit, in ticks: the priority of an order, price × agents + age, is below 2³¹."""
        return min(HIGHEST_PRICE, LARGEST // self.agents - 2)

    @model_validator(mode="after")
    def _fits_in_integers(self) -> Self:
        if self.cash_in_ticks * ROOM_FOR_CASH > self.most_cash:
            raise ValueError(
                f"cash: {self.agents:,} agents with {self.cash:,.10g} each (a mean of {self.cash_in_ticks:,.10g} ticks) can overflow "
                f"32-bit accounts: the mean may be {self.most_cash // ROOM_FOR_CASH:,} ticks. Use fewer agents, less cash, or a coarser "
                "tick (and a price of as many fewer ticks)"
            )
        if self.price * ROOM_FOR_PRICES > self.highest_price:
            raise ValueError(
                f"price: {self.price:,} ticks leave too little room below the highest, {self.highest_price:,} with {self.agents:,} agents; "
                f"at most {self.highest_price // ROOM_FOR_PRICES:,}. Use a coarser tick, or fewer agents"
            )
        return self


class TraitSettings(Settings):
    """How the traits of agents are distributed: the agent distribution of a simulated market.

    Noise and risk aversion are normal, cut off at 0; the discount factor is uniform. With spreads of 0 and equal discounts the agents are
    homogeneous. A share of the agents may follow fixed rules instead of the policy (fundamental, chartist and noise weights, exponential).
    """

    noise_mean: float = Field(0.02, ge=0, le=1, description="Mean of the noise with which agents see the log fundamental.")
    noise_spread: float = Field(0.010, ge=0, le=1, description="Standard deviation of that noise over agents; 0: all see equally well.")
    risk_mean: float = Field(2.0, ge=0, le=100, description="Mean of the risk aversion of agents.")
    risk_spread: float = Field(1.0, ge=0, le=100, description="Standard deviation of the risk aversion over agents.")
    discount_lowest: float = Field(0.75, ge=0, lt=1, description="Lowest discount factor of an agent, per turn of its own.")
    discount_highest: float = Field(0.999, ge=0, lt=1, description="Highest discount factor of an agent.")
    rule_share: float = Field(0.0, ge=0, le=1, description="Share of the agents that follow fixed rules instead of the policy.")
    fundamental_weight: float = Field(10.0, ge=0, le=1e3, description="Mean weight of the fundamental in a rule agent's forecast.")
    chartist_weight: float = Field(1.25, ge=0, le=1e3, description="Mean weight of past returns in a rule agent's forecast.")
    noise_weight: float = Field(1.0, ge=0, le=1e3, description="Mean weight of noise in a rule agent's forecast.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.discount_lowest > self.discount_highest:
            raise ValueError(
                f"discount_lowest: {self.discount_lowest} is above discount_highest, {self.discount_highest}; make it no higher"
            )
        if self.rule_share > 0 and self.fundamental_weight + self.chartist_weight + self.noise_weight == 0:
            raise ValueError("rule_share: rule agents need a weight; make fundamental_weight, chartist_weight or noise_weight positive")
        return self


class PaperReward(Settings):
    """The reward of arXiv 2511.05207: the level of a mean–variance utility, less penalties.

    r = level · (2/π) · atan(scale · U) − short · 1[shares < 0] − debt · 1[cash < 0] − illiquidity − mispricing, with
    U = W (1 + f μ) − ½ α |f| V W. After some 40 million ticks of learning it dries the market up (0.002 trades a tick).
    """

    scale: float = Field(6e-5, gt=0, le=1, description="What the utility, in money, is multiplied by.")
    level: float = Field(1.0, ge=0, le=1e3, description="Weight of the level of the utility.")
    short: float = Field(0.1, ge=0, le=1e3, description="Penalty of negative shares, which solvent agents never have.")
    debt: float = Field(0.1, ge=0, le=1e3, description="Penalty of negative cash, which solvent agents never have.")
    illiquidity: float = Field(0.005, ge=0, le=1e3, description="Weight of the penalty of holding much where the book is thin.")
    mispricing: float = Field(0.2, ge=0, le=1e3, description="Weight of the integrated mispricing since it last changed its sign.")


class LivingReward(Settings):
    """A reward under which the market stays alive: gains of trades against the fundamental, less risk, plus a taste for trends.

    r = gain · 1000 G / W − risk · 500 α f² V + trend · 1000 f μ, where G is what the trades of an agent, from its turn to just before its
    next one, gained against the fundamental. Without the taste for trends the market dries up.
    """

    gain: float = Field(0.2, ge=0, le=1e3, description="Weight of what an agent's trades gain against the fundamental.")
    risk: float = Field(0.2, ge=0, le=1e3, description="Weight of the risk that an agent holds.")
    trend: float = Field(0.03, ge=0, le=1e3, description="Weight of the taste for trends: the return of late of what is held.")


class LearningSettings(Settings):
    """Independent PPO (arXiv 1707.06347) with one policy shared by all agents, each of which discounts by its own factor."""

    markets: int = Field(32, ge=1, le=65_536, description="Markets that are simulated at a time, of which one update is made.")
    parts: int = Field(
        2,
        ge=1,
        le=1024,
        description="Equal parts that the markets are computed in: devices share them out, and the results do not depend on how many "
        "devices there are. On one GPU 1 is fastest.",
    )
    hidden: int = Field(64, ge=1, le=4096, description="Units of each of the two hidden layers of actor and critic.")
    spread: float = Field(0.36787944, ge=1e-3, le=10, description="Standard deviation of actions before they are squashed.")
    learning_rate: float = Field(5e-4, gt=0, le=1, description="Step size of the optimiser, Adam.")
    clip: float = Field(0.2, gt=0, le=10, description="How far the ratio of probabilities may leave 1.")
    trace: float = Field(0.9, ge=0, le=1, description="The λ of generalised advantage estimation.")
    discount_cap: float = Field(0.995, ge=0, lt=1, description="Highest discount factor that advantages are computed with.")
    epochs: int = Field(2, ge=1, le=100, description="Times that each simulated tick is learned from.")
    minibatches: int = Field(8, ge=1, le=1024, description="Steps of the optimiser an epoch.")
    value_weight: float = Field(0.5, ge=0, le=100, description="Weight of the critic's squared error.")
    action_prior: float = Field(1e-4, ge=0, le=100, description="Weight that keeps mean actions spread like a standard normal.")
    gradient_norm: float = Field(0.5, gt=0, le=1e6, description="Norm at which gradients are cut off, actor and critic apart.")

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.markets % (self.parts * self.minibatches):
            raise ValueError(
                f"markets: {self.markets} cannot be shared out equally over {self.parts} parts × {self.minibatches} minibatches; make it a "
                f"multiple of {self.parts * self.minibatches}"
            )
        return self


class SimulationSettings(Settings):
    """A simulated market whole: the exchange, the agents, their reward and how they learn."""

    market: MarketSettings = Field(default_factory=MarketSettings, description="The exchange on which agents trade.")
    traits: TraitSettings = Field(default_factory=TraitSettings, description="How the traits of agents are distributed.")
    reward: Literal["living", "paper"] = Field("living", description="What agents are rewarded for, by the name of the section below.")
    living: LivingReward = Field(default_factory=LivingReward, description="Weights of the reward that is called `living`.")
    paper: PaperReward = Field(default_factory=PaperReward, description="Weights of the reward that is called `paper`.")
    learning: LearningSettings = Field(default_factory=LearningSettings, description="How agents learn from what happened to them.")

    @property
    def rewarded(self) -> LivingReward | PaperReward:
        """The settings of the reward that is used."""
        return self.living if self.reward == "living" else self.paper
