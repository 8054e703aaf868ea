"""Masked texts: what names a company, a person or a time is replaced by neutral words, and what is a word of its own stays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from massjax.agents import PromptTemplate, facts_of, masker_of, prompts_of
from massjax.agents.archetype import Archetype
from massjax.agents.known_names import company_forms, person_forms, ticker_forms
from massjax.agents.quoting import one_line
from massjax.agents.settings import AgentsSettings
from massjax.market import Feature, Panel

NAMES = {
    "AAPL": "Apple Inc.",
    "BRK.B": "Berkshire Hathaway Inc.",
    "JNJ": "Johnson & Johnson",
    "TGT": "Target Corporation",
    "GPS": "The Gap, Inc.",
    "V": "Visa Inc.",
    "F": "Ford Motor Company",
    "600519.SH": "贵州茅台酒股份有限公司",
    "GOOG": "Alphabet Inc. Class C",
    "GOOGL": "Alphabet Inc. Class A",
    "AIG": "American International Group, Inc.",
    "SO": "The Southern Company",
    "XOM": "Exxon Mobil",
    "KO": "The Coca-Cola Company",
    "PG": "Procter & Gamble",
}


def panel(names: Mapping[str, str] = NAMES, texts: pl.DataFrame | None = None, **features: Feature) -> Panel:
    dates = np.array(["2020-01-01"], dtype="datetime64[D]")
    return Panel(
        dates,
        tuple(names),
        np.ones((len(names), 1), dtype=bool),
        features,
        texts=texts,
        names=names,
        aliases={"GOOG": ("Google",), "GOOGL": ("Google",), "600519.SH": ("贵州茅台",)},
        people={"AAPL": ("Tim Cook", "Luca Maestri"), "600519.SH": ("丁雄军",)},
    )


def masked(text: str, stock: str | None) -> str:
    return masker_of(panel(), [text]).mask(text, stock)


@pytest.mark.parametrize(
    ("stock", "text", "expected"),
    [
        ("AAPL", "Apple's (NASDAQ: AAPL) plan, says Tim Cook", "the company's (the company) plan, says a person"),
        (
            "AAPL",
            "$AAPL $TSLA AAPL.O (AAPL) #AAPL APPLE apple.com",
            "the company another company the company (the company) #the company the company the company",
        ),
        (
            "AAPL",
            "Cook and Mr. Maestri met Alphabet; applesauce, Pineapple, an apple",
            "a person and Mr. a person met another company; applesauce, Pineapple, an apple",
        ),
        ("JNJ", "J&J, JOHNSON & JOHNSON, Johnson and Johnson", "the company, the company, the company"),
        (
            "TGT",
            "Target beats Visa, Gap and Ford (NYSE: F)",
            "the company beats another company, another company and another company (another company)",
        ),
        ("TGT", "the price target of a visa to ford a gap", "the price target of a visa to ford a gap"),
        ("BRK.B", "BRK.B BRK-B BRK/B Berkshire", "the company the company the company the company"),
        ("GOOG", "Google, Alphabet and GOOGL", "the company, the company and another company"),
        (
            "KO",
            "ExxonMobil, Exxon, EXXON MOBIL; Coca Cola, COCA-COLA; P&G",
            "another company, another company, another company; the company, the company; another company",
        ),
        (
            "KO",
            "American workers of AIG in Southern California; Southern Company",
            "American workers of another company in Southern California; another company",
        ),
        ("600519.SH", "贵州茅台发布公告，丁雄军出席；茅台600519上涨", "the company 发布公告，a person 出席；the company  the company 上涨"),
        ("AAPL", "$ aapl and $googl, made $ in berkshire hathaway", "the company and another company, made $ in another company"),
        ("AAPL", "TIM COOK and tim cook; a cook", "a person and a person; a cook"),
        (None, "growth of Apple", "growth of a company"),
        ("AAPL", "see https://www.apple.com/2021/03/05 now", "see a link now"),
    ],
)
def test_names(stock: str | None, text: str, expected: str) -> None:
    assert masked(text, stock) == expected


@pytest.mark.parametrize(
    "date",
    [
        "March 5, 2021",
        "March 5",
        "Mar. 5th",
        "5 March 2021",
        "5th of March",
        "MARCH 5",
        "Mar-21",
        "March 2021",
        "Dec '21",
        "2021-03-05",
        "2021/3/5",
        "2021.03.05",
        "5/3/2021",
        "05.03.21",
        "20210305",
        "2021-03",
        "2021-03-05T10:00:00-05:00",
        "2021-03-05 16:00",
        "2021年3月5日",
        "3月5日",
        "二〇二一年",
        "二〇二一年三月五日",
        "2021年",
        "2021年3月",
        "August",
    ],
)
def test_dates(date: str) -> None:
    assert masked(f"seen on {date}, it rose", "AAPL") == "seen on a date, it rose"
    assert masked(date, "AAPL") == "a date"


@pytest.mark.parametrize(
    "year",
    [
        "2021",
        "FY21",
        "FY2021",
        "FY 2021",
        "Q3 2021",
        "Q3'21",
        "3Q21",
        "3Q2021",
        "1H21",
        "2021E",
        "2021-22",
        "2021/22",
        "1990s",
        "'21",
        "’21",
        "'90s",
        "CY2021",
        "twenty twenty-one",
        "Nineteen ninety-nine",
        "two thousand and eight",
    ],
)
def test_years(year: str) -> None:
    assert masked(f"profit of {year} rose.", "AAPL") == "profit of a year rose."


@pytest.mark.parametrize(
    "text",
    [
        "fell 12.5% to $2021 of 2,021 points",
        "Russell 2000 and S&P 500",
        "hired 2000 workers",
        "it may rise, and march on",
        "iPhone 12, 50-day average",
        "10 percent",
        "return over the last 12 months",
        "52-week high",
        "up 3.14 in a second quarter",
        "May we ask",
        "code 12345678",
        "two thousand and eight workers",
        "twenty nine of nineteen shops",
    ],
)
def test_what_tells_nothing_stays(text: str) -> None:
    assert masked(text, "AAPL") == text


def test_what_is_escaped_for_html_is_masked_too() -> None:
    assert masked(one_line("AT&amp;T, J&amp;J and McDonald&#39;s"), "JNJ") == "AT&T, the company and McDonald's"
    assert one_line("a &lt;|im_end|&gt; &quot;b&quot;&nbsp;c") == "a < |im_end| > 'b' c"


def test_forms_of_names() -> None:
    assert {"McDonald's", "McDonald’s", "McDonalds"} <= company_forms("McDonald's Corporation")
    assert {"Lowe's", "Lowe’s", "Lowes"} <= company_forms("Lowe’s Companies, Inc.")
    assert {"Apple Inc.", "Apple", "APPLE", "apple.com"} <= company_forms("Apple Inc.")
    assert "American" not in company_forms("American International Group, Inc.")
    assert "Southern" not in company_forms("The Southern Company")
    assert "Bank" not in company_forms("Bank of America")
    assert {"Apple", "APPLE", "Apple Inc", "APPLE INC"} <= company_forms("APPLE INC") & company_forms("apple inc") | {"APPLE INC"}
    assert {"NVIDIA", "Nvidia"} <= company_forms("NVIDIA Corporation")
    assert {"Amazon", "Amazon.com", "AMAZON"} <= company_forms("Amazon.com, Inc.")
    assert {"Nestlé", "Nestle", "NESTLE"} <= company_forms("Nestlé S.A.")
    assert {"Walt Disney", "Disney"} <= company_forms("The Walt Disney Company")
    assert company_forms("") == company_forms("A") == set()
    assert {"Lilly", "Eli Lilly and Co"} <= company_forms("Eli Lilly & Co")
    assert person_forms("Warren E. Buffett Jr.") == {"Warren E. Buffett Jr.", "Warren E. Buffett", "Warren Buffett", "Buffett"}
    assert ticker_forms("F").isdisjoint({"F"})
    assert ticker_forms("IT").isdisjoint({"IT"})
    assert {"600519.SH", "600519", "600519.SS"} <= ticker_forms("600519.SH")
    assert ticker_forms("7").isdisjoint({"7"})


PIECES = ["Apple", "AAPL", "Tim Cook", "March 5, 2021", "2021", "贵州茅台", "rose", "x", "(NYSE: F)", "、", "-"]


@settings(max_examples=100)
@given(
    st.lists(
        st.sampled_from(["Apple", "AAPL", "Tim Cook", "March 5, 2021", "2021", "贵州茅台", "rose", "x", "(NYSE: F)", "、", "-"]), max_size=8
    )
)
def test_nothing_is_left_and_masking_again_changes_nothing(words: list[str]) -> None:
    masker = masker_of(panel(), words)
    once = masker.mask(" ".join(words), "AAPL")
    assert masker.left(once) == ("", "")
    assert masker.mask(once, "AAPL") == once


def test_prompts_show_masked_texts_and_labels_only_under_the_mask() -> None:
    news = pl.DataFrame(
        {"date": [np.datetime64("2020-01-01").item()], "stock": ["AAPL"], "modality": ["news"], "text": ["Apple beat in Q3 2021"]}
    )
    values = np.arange(len(NAMES), dtype=float)[:, None]
    seen = panel(texts=news, gap=Feature("gap", "price", values, "return since 2008 over Apple", "number", ("low", "high")))
    reader = Archetype(name="reader", modalities=("price", "news"))

    def user(*, mask: bool) -> str:
        facts = facts_of(seen, AgentsSettings(archetypes=(reader,), mask=mask))
        found = prompts_of(reader, facts, seen.member, PromptTemplate(), ("1", "2"))
        return found.prompts[found.index[0, 0]].user

    assert '"the company beat in a year"' in user(mask=True)
    assert "- return since a year over a company: low" in user(mask=True)
    assert '"Apple beat in Q3 2021"' in user(mask=False)
    assert "- return since 2008 over Apple: low" in user(mask=False)
