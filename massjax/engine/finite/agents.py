"""Finitely many agents of each archetype: each watches a few stocks and picks the best of them; the shares picked become scores."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key, UInt32

from massjax.engine.finite.picks import largest, plackett_luce_keys
from massjax.engine.finite.random_bits import threefry, uniform
from massjax.engine.finite.watchlists import WATCHLISTS, Groups, Quotas, Watchlists, group_stocks, quotas, watch
from massjax.engine.inputs import (
    AnyArray,
    as_array,
    check_choice,
    check_key,
    check_member,
    check_probabilities,
    check_scores,
    in_float32,
)
from massjax.engine.ranks import rank_sums
from massjax.errors import ConfigError, DataError
from massjax.labels import check_labels
from massjax.lookalikes import check_whole

BLOCK = 32
"""Agents of one archetype on one date that are drawn as one block; fewer take as long as this many."""
CHUNK_NUMBERS = {"cpu": 1 << 17}
"""Random numbers held at a time, by platform: what a core's cache holds, or what fills an accelerator."""
CHUNK_NUMBERS_ELSEWHERE = 1 << 24
"""Random numbers held at a time on platforms without an entry in `CHUNK_NUMBERS`."""
LEAST_TEMPERATURE = 1e-6
"""Lowest temperature above 0: scores are divided by it in float32."""


@in_float32
def sample_agents(
    probabilities_or_scores: Float[ArrayLike, "K N D *C"],
    member: Bool[ArrayLike, "N D"],
    agents_per_archetype: int | Int[ArrayLike, " K"],
    *,
    watchlist: int,
    picks: int,
    watchlists: Watchlists = "random",
    groups: Int[ArrayLike, " N"] | None = None,
    temperature: float,
    key: Key[Array, ""],
) -> Float[Array, "K N D"]:
    r"""Scores of finitely many agents: the share of the agents attending to a stock that picked it.

    On each date every agent draws a watch list of members with a score, and picks its best `picks` of them by Gumbel-top-k (Kool, van Hoof
    and Welling 2019, arXiv 1903.06059), that is by a Plackett-Luce choice with strengths `exp(score / temperature)`. As agents grow the
    score of a stock that an agent picks with chance p, if it attends to it, converges to p with variance

    $$ p (1 - p) \; \mathrm E[1 / \text{attending agents}] \approx p (1 - p) \frac{\text{members}}{\text{watchlist} \cdot \text{agents}} $$

    MASS (arXiv 2505.10278) has 32 agents of each of 16 archetypes, watch lists of 20 and 5 picks.

    What an agent draws depends on the key, its archetype, the date and its number only: more agents are the same agents and others.
    Agents are drawn in chunks: memory does not grow with their number, nor does a different number compile anew.

    Args:
        probabilities_or_scores: [K, N, D] scores in [0, 1], or [K, N, D, C] choice probabilities, lowest choice first, of which the
            expected choice scaled to [0, 1] is the score; NaN where missing.
        member: True where the stock is in the universe.
        agents_per_archetype: one number for all archetypes, or [K].
        watchlist: stocks an agent attends to; all that there are where fewer.
        picks: stocks an agent picks, at most `watchlist`; all that it attends to where these are fewer.
        watchlists: how watch lists are drawn: `random`, or balanced over the `groups`, one stock of each group in turn, which are
            industries (`industry`) or size classes (`size`).
        groups: [N] group of each stock, whole numbers from 0; for `industry` and `size` only.
        temperature: 0 picks the highest scores (ties by lot); larger is more random.
        key: a `jax.random.key`; the same key draws the same agents.

    Returns:
        [K, N, D] in [0, 1]; NaN where no agent attended.

    Raises:
        DataError: arrays that do not fit together, or groups missing or negative.
        ConfigError: an unknown `watchlists`, groups that it does not look at, or numbers out of range.

    Example:
        A thousand agents that look at two of three stocks and pick the better one, nearly always:

        >>> import jax, numpy as np, massjax as mj
        >>> scores, member = np.array([[[0.1], [0.5], [0.9]]]), np.ones((3, 1), bool)
        >>> shares = mj.sample_agents(scores, member, 1000, watchlist=2, picks=1, temperature=0.0, key=jax.random.key(0))
        >>> shares[0, :, 0].round(1).tolist()
        [0.0, 0.5, 1.0]
    """
    drawn = draw_agents(
        probabilities_or_scores,
        member,
        0,
        agents_per_archetype,
        watchlist=watchlist,
        picks=picks,
        watchlists=watchlists,
        groups=groups,
        temperature=temperature,
        key=key,
    )
    return drawn.shares()


def draw_agents(
    probabilities_or_scores: Float[ArrayLike, "K N D *C"],
    member: Bool[ArrayLike, "N D"],
    first: int | Int[ArrayLike, " K"],
    last: int | Int[ArrayLike, " K"],
    *,
    watchlist: int,
    picks: int,
    watchlists: Watchlists = "random",
    groups: Int[ArrayLike, " N"] | None = None,
    temperature: float,
    key: Key[Array, ""],
) -> Drawn:
    """Count which stocks are watched and picked by the agents numbered `first` to `last` (exclusive) of each archetype.

    Drawn piece by piece or at once, they are the same agents: `draw_agents(.., 0, 100, ..) + draw_agents(.., 100, 250, ..)` equals
    `draw_agents(.., 0, 250, ..)`, whatever the pieces. So a population can grow without being drawn again, or be spread over processes.

    Args:
        probabilities_or_scores: [archetypes K, stocks N, dates D] scores, or choice probabilities with the choices C along a fourth axis.
        member: True where the stock is in the universe.
        first, last: numbers of the agents, one for all archetypes, or [K].
        watchlist: members that each agent attends to, all of them where there are fewer.
        picks: stocks that each agent picks from its watch list.
        watchlists: how watch lists are drawn: `random`, or balanced over `groups` by `industry` or `size`.
        groups: whole number of each stock's group, for `industry` and `size`.
        temperature: of the choice; 0 picks the top scores.
        key: a `jax.random.key`, the same for all pieces.

    Raises:
        DataError: arrays that do not fit together, or invalid values.
        ConfigError: an unknown `watchlists`, numbers out of range, or groups where they are not used.
    """
    check_choice("watchlists", watchlists, WATCHLISTS)
    check_labels(scores=probabilities_or_scores, member=member, groups=groups, agents_per_archetype=last)
    scores = check_scores(as_scores(probabilities_or_scores), may_be_empty=True)
    checked_member = check_member(member, scores)
    check_numbers(watchlist, picks, temperature)
    key = check_key(key)
    span = (_check_agents(first, scores.shape), _check_agents(last, scores.shape))
    stocks = scores.shape[1]
    if watchlists == "random" and groups is not None:
        raise ConfigError("groups are given, and watchlists='random' looks at none; set watchlists='industry' or 'size', or leave them out")
    group_of = np.zeros(stocks, np.int32) if watchlists == "random" else _check_groups(groups, watchlists, stocks)
    if 0 in scores.shape:
        return Drawn(jnp.zeros(scores.shape, jnp.int32), jnp.zeros(scores.shape, jnp.int32))
    how = _Numbers(jnp.int32(min(watchlist, stocks)), jnp.int32(min(picks, stocks)), jnp.float32(temperature))
    return _draw(scores, checked_member, *span, how, group_of, key, int(group_of.max()) + 1, _blocks(stocks))


class Drawn(NamedTuple):
    """How many agents watched and picked each stock; the counts of further agents of these archetypes can be added.

    Attributes:
        looked: agents that attended to the stock.
        picked: agents that picked it.
    """

    looked: Int[Array, "K N D"]
    picked: Int[Array, "K N D"]

    def __add__(self, other: tuple[Any, ...]) -> Drawn:
        """The counts of both sets of agents together."""
        return Drawn(self.looked + other[0], self.picked + other[1])

    def shares(self) -> Float[Array, "K N D"]:
        """The share of the attending agents that picked the stock; NaN where none attended."""
        return jnp.where(self.looked > 0, self.picked.astype(jnp.float32) / jnp.maximum(self.looked, 1).astype(jnp.float32), jnp.nan)


def as_scores(probabilities_or_scores: Float[ArrayLike, "K N D *C"]) -> Float[AnyArray, "K N D"]:
    """Scores as they are given, or made of choice probabilities: the expected choice, scaled to [0, 1].

    Raises:
        DataError: fewer than two choices, or numbers that are no probabilities.
    """
    array = as_array("scores", probabilities_or_scores)
    if array.ndim != 4:
        return array
    values = check_probabilities(array)
    return jnp.sum(values * jnp.linspace(0.0, 1.0, values.shape[-1])[None, None, None, :], axis=-1)


class _Numbers(NamedTuple):
    """Settings of the agents as traced arrays, so that changing one does not compile anew."""

    watchlist: Int[Array, ""]
    picks: Int[Array, ""]
    temperature: Float[Array, ""]


class _Sections(NamedTuple):
    """What the agents of one archetype on one date share; such a pair is a section, S = K D of them, and stocks are ordered by group.

    Attributes:
        first, last: numbers of the agents drawn, the last exclusive.
        values: scores, 0 where missing.
        places: rank sums of the scores plus N: whole numbers in the order of the scores, equal where these are.
        quotas: how watch lists are spread over the groups.
        keys: the words that key the section's random numbers.
    """

    first: Int[Array, " S"]
    last: Int[Array, " S"]
    values: Float[Array, "S N"]
    places: UInt32[Array, "S N"]
    quotas: Quotas
    keys: UInt32[Array, "S 2"]


@partial(jax.jit, static_argnames=("group_count", "blocks"))
def _draw(
    scores: Float[Array, "K N D"],
    member: Bool[Array, "N D"],
    first: Int[Array, " K"],
    last: Int[Array, " K"],
    how: _Numbers,
    group_of: Int[Array, " N"],
    key: Key[Array, ""],
    group_count: int,
    blocks: int,
) -> Drawn:
    """Draw all agents, `blocks` blocks at a time across sections, and count their watch lists and picks."""
    archetypes, stocks, dates = scores.shape
    order = jnp.argsort(group_of, stable=True)
    known = jnp.where(member[None], scores, jnp.nan).transpose(0, 2, 1).reshape(archetypes * dates, stocks)[:, order]
    groups = group_stocks(group_of[order], group_count)
    sections = _Sections(
        first=jnp.repeat(first, dates),
        last=jnp.repeat(last, dates),
        values=jnp.nan_to_num(known),
        places=(rank_sums(known.T).T + stocks).astype(jnp.uint32),
        quotas=quotas(~jnp.isnan(known), groups, how.watchlist),
        keys=jax.random.bits(key, (archetypes * dates, 2), jnp.uint32),
    )
    first_block = sections.first // BLOCK
    ends = jnp.cumsum(jnp.maximum((sections.last + (BLOCK - 1)) // BLOCK - first_block, 0))

    def add_chunk(turn: Array, totals: Drawn) -> Drawn:
        block = turn * blocks + jnp.arange(blocks, dtype=jnp.int32)
        which = jnp.minimum(jnp.searchsorted(ends, block, side="right").astype(jnp.int32), len(ends) - 1)
        here = jax.tree.map(lambda leaf: leaf[which], sections)
        number = first_block[which] + block - jnp.where(which > 0, ends[which - 1], 0)
        agent = number[:, None] * BLOCK + jnp.arange(BLOCK, dtype=jnp.int32)[None, :]
        counted = (agent >= here.first[:, None]) & (agent < here.last[:, None]) & (block < ends[-1])[:, None]
        chunk = (jnp.sum((did & counted[None]).astype(jnp.int32), axis=2).T for did in _act(here, groups, agent.astype(jnp.uint32), how))
        return Drawn(*(total.at[which].add(part) for total, part in zip(totals, chunk, strict=True)))

    nobody = jnp.zeros(known.shape, jnp.int32)
    drawn = lax.fori_loop(0, (ends[-1] + (blocks - 1)) // blocks, add_chunk, Drawn(nobody, nobody))
    place = jnp.argsort(order)
    return Drawn(*(total[:, place].reshape(archetypes, dates, stocks).transpose(0, 2, 1) for total in drawn))


def _act(
    section: _Sections, groups: Groups, agent: UInt32[Array, "B A"], how: _Numbers
) -> tuple[Bool[Array, "N B A"], Bool[Array, "N B A"]]:
    """Whether each agent watches and picks each stock.

    Args:
        section: the section of each of the B blocks of agents.
        groups: the groups of the stocks.
        agent: numbers of the A agents of each block.
        how: settings of the agents.
    """
    stocks, numbers = section.values.shape[1], section.values.shape[1] + len(groups.inside)
    pairs = jnp.arange((numbers + 1) // 2, dtype=jnp.uint32)[:, None, None]
    first, second, number, pair = jnp.broadcast_arrays(section.keys[None, :, :1], section.keys[None, :, 1:], agent[None], pairs)
    chances = uniform(jnp.concatenate(threefry((first, second), (number, pair))))
    uniforms = watch(chances[:stocks], chances[stocks:numbers], section.quotas, groups)
    watched = jnp.isfinite(uniforms)
    utility = jnp.where(watched, plackett_luce_keys(section.values.T, section.places.T, uniforms, how.temperature), 0)
    return watched, largest(utility.reshape(stocks, -1), how.picks).reshape(watched.shape)


def _blocks(stocks: int) -> int:
    """Blocks of agents drawn at a time, so that their random numbers fit the memory given by `CHUNK_NUMBERS`."""
    numbers = CHUNK_NUMBERS.get(jax.default_backend(), CHUNK_NUMBERS_ELSEWHERE)
    return max(8, numbers // (BLOCK * stocks))


def check_numbers(watchlist: int, picks: int, temperature: float) -> None:
    """Refuse sizes of watch lists and picks, or temperatures, that are out of range."""
    if not check_whole("picks", picks, 1) <= check_whole("watchlist", watchlist, 1):
        raise ConfigError(f"picks={picks}, watchlist={watchlist}: expected 1 <= picks <= watchlist")
    number = isinstance(temperature, (int, float, np.number))
    if not (number and (temperature == 0 or LEAST_TEMPERATURE <= temperature < float("inf"))):
        raise ConfigError(
            f"temperature={temperature!r}: expected 0, which picks the highest scores, or a finite number of at least {LEAST_TEMPERATURE}"
        )


def _check_agents(agents: int | Int[ArrayLike, " K"], shape: tuple[int, ...]) -> Int[np.ndarray, " K"]:
    counts, archetypes = np.asarray(as_array("agents_per_archetype", agents)), shape[0]
    if counts.dtype.kind not in "iu" or counts.shape not in ((), (archetypes,)) or (counts < 0).any():
        raise ConfigError(f"agents_per_archetype={agents!r}: expected a whole number >= 0, or {archetypes} of them, one an archetype")
    many = (counts >= 2**31 - BLOCK).any()
    counts = np.broadcast_to(counts, (archetypes,)).astype(np.int64)
    if many or int((counts // BLOCK + 1).sum()) * max(shape[2], 1) >= 2**31:
        raise ConfigError(f"agents_per_archetype={agents!r}: over {shape[2]} dates that is too many to count; draw fewer dates at a time")
    return counts.astype(np.int32)


def _check_groups(groups: Int[ArrayLike, " N"] | None, watchlists: str, stocks: int) -> Int[np.ndarray, " N"]:
    """Groups numbered from 0 without gaps."""
    if groups is None:
        raise DataError(f"watchlists={watchlists!r} draws watch lists balanced over groups: give groups, one whole number a stock")
    values = np.asarray(as_array("groups", groups))
    if values.shape != (stocks,) or values.dtype.kind not in "iu" or (values < 0).any():
        raise DataError(f"groups have shape {values.shape} and dtype {values.dtype}; expected {stocks} whole numbers >= 0, one a stock")
    return np.unique(values, return_inverse=True)[1].astype(np.int32)
