from __future__ import annotations

import pytest

from massjax.errors import ConfigError
from massjax.scores.memory import check_memory, needed_memory


def test_a_run_needs_two_score_tensors_and_some_numbers_of_each_stock_and_date() -> None:
    assert needed_memory(512, 500, 1250) == 2 * 4 * 512 * 500 * 1250 + 24 * 8 * 500 * 1250
    assert needed_memory(8, 3000, 2500) == 2 * 4 * 8 * 3000 * 2500 + 24 * 8 * 3000 * 2500


def test_what_fits_exactly_is_let_through_and_one_byte_less_is_refused() -> None:
    needed = needed_memory(10, 100, 1000)
    check_memory(10, 100, 1000, needed)
    check_memory(10, 100, 1000, None)
    with pytest.raises(ConfigError, match=r"10 archetypes on 100 stocks and 1,000 dates .* take fewer archetypes \(9 fit\), fewer dates"):
        check_memory(10, 100, 1000, needed - 1)


def test_no_number_of_archetypes_is_advised_where_none_fits() -> None:
    with pytest.raises(ConfigError, match=r"are free; take fewer dates \(market.start, market.end\) or fewer stocks"):
        check_memory(1, 100, 1000, 1000)
