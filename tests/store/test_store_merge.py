"""Merging: shards become one store as if one run had written it, and what does not fit is refused before anything is written."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from massjax.errors import StoreError
from massjax.store import ScoreStore, journal, merge, verify
from massjax.store.__main__ import main

from .store_writer import CHOICES, RUN_KEY, answer, archetypes, content, days, fill, key, make, stocks

merging = importlib.import_module("massjax.store.merge")
"""The module; its function has the same name."""


def small(path: Path, **axes: int) -> ScoreStore:
    return make(path, **{"dates": 20, "kinds": 4, "names": 5, **axes})


def shards(folder: Path, count: int = 3) -> list[ScoreStore]:
    """Stores of the same axes; each has a share of the units, some compacted, some journaled; some units are in none."""
    made = []
    for shard in range(count):
        store = small(folder / f"shard{shard}.zarr")
        units = store.units()[:-2][shard::count]
        fill(store, units[: len(units) // 2]).compact(partial=True)
        fill(store, units[len(units) // 2 :])
        made.append(store)
    return made


def test_shards_become_the_store_that_one_run_would_have_written(tmp_path: Path) -> None:
    parts = shards(tmp_path)
    before = [content(part) for part in parts]
    parts[0].add_run({"prompts": 3})
    parts[1].add_run({"prompts": 4})
    whole = small(tmp_path / "whole.zarr")
    fill(whole, whole.units()[:-2])
    merged = merge(tmp_path / "merged.zarr", [part.path for part in parts])
    assert (merged.copied, merged.there) == (len(whole.units()) - 2, 0)
    assert content(merged.store) == content(whole)
    assert merged.store.missing_units() == whole.units()[-2:]
    assert sorted(run["statistics"]["prompts"] for run in merged.store.runs()) == [3, 4]
    assert [content(part) for part in parts] == before
    assert verify(merged.store.path).ok
    assert verify(merged.store.path).notes == ()
    fill(merged.store).compact()
    assert content(merged.store) == content(fill(whole))
    again = merge(merged.store.path, [part.path for part in parts])
    assert (again.copied, again.there) == (0, len(whole.units()) - 2)


def labelled(path: Path, dates: np.ndarray, kinds: range, names: range) -> ScoreStore:
    axes = {"dates": dates, "stocks": stocks(len(names), names.start), "archetypes": archetypes(len(kinds), kinds.start)}
    return fill(ScoreStore.create(path, **axes, choices=CHOICES, run_key=RUN_KEY, dates_per_unit=5, panel={"names": len(names)}))


def test_stores_of_other_dates_stocks_and_archetypes_are_joined_cell_by_cell(tmp_path: Path) -> None:
    spans = {"a": (0, 10), "b": (10, 17)}
    parts = {
        (span, kinds, names): labelled(tmp_path / f"{span}{kinds.start}{names.start}", days(17)[slice(*spans[span])], kinds, names)
        for span in spans
        for kinds in (range(2), range(2, 5))
        for names in (range(4), range(4, 7))
    }
    joined = merge(tmp_path / "joined.zarr", [part.path for part in parts.values()]).store
    assert joined.scores().shape == (5, 7, 17)
    assert joined.missing_units() == []
    assert joined.provenance.panel == {"names": [4, 3]}
    for (span, kinds, names), part in parts.items():
        where = {"dates": days(17)[slice(*spans[span])], "archetypes": [f"a{k}" for k in kinds], "stocks": [f"S{n}" for n in names]}
        np.testing.assert_array_equal(joined.scores(**where), part.scores())
        np.testing.assert_array_equal(joined.probabilities(**where), part.probabilities())
        np.testing.assert_array_equal(joined.status(**where), part.status())
    assert sorted(entry.content for entry in joined.entries().values()) == sorted(
        entry.content for part in parts.values() for entry in part.entries().values()
    )
    more = labelled(tmp_path / "more", days(60)[20:25], range(5), range(7))
    with pytest.raises(StoreError, match=r"more: its unit of the dates 2020-01-21 to 2020-01-25 would lie across two blocks of 5 dates"):
        merge(joined.path, [more.path])
    assert verify(joined.path).ok


KILLED = """
import sys
from massjax.store import merge
merge(sys.argv[1], sys.argv[2:], lambda done, total: (print(done, flush=True), sys.stdin.readline()))
"""


def test_a_merge_that_is_killed_is_gone_on_with_and_nothing_is_seen_of_it_before(root: Path, tmp_path: Path) -> None:
    parts = shards(tmp_path)
    target = tmp_path / "merged.zarr"
    command = [sys.executable, "-c", KILLED, str(target), *(str(part.path) for part in parts)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    process = subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    for _ in range(2):
        done = int(process.stdout.readline())
        process.stdin.write("\n")
        process.stdin.flush()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    assert done > 0
    assert not target.exists()
    begun = tmp_path / "merged.zarr.merging"
    assert verify(begun).ok
    other = small(tmp_path / "other.zarr", names=3)
    with pytest.raises(StoreError, match=r"merged\.zarr\.merging: was begun by a merge of other stores"):
        merge(target, [other.path])
    merged = merge(target, [part.path for part in parts])
    assert merged.there >= done
    assert merged.copied + merged.there == len(merged.store.units()) - 2
    assert not begun.exists()
    whole = small(tmp_path / "whole.zarr")
    assert content(merged.store) == content(fill(whole, whole.units()[:-2]))


def test_a_merge_into_a_store_that_another_process_writes_loses_nothing(root: Path, tmp_path: Path) -> None:
    """While another holds the mutex of the target, the merge waits; of the units that both write, one is kept."""
    parts, target = shards(tmp_path), small(tmp_path / "target.zarr")
    whole = small(tmp_path / "whole.zarr")
    command = [sys.executable, "-c", KILLED, str(target.path), *(str(part.path) for part in parts)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    process = subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    merged = set(target.entries())
    wanted = [unit for unit in target.units() if unit not in merged]
    with target.root.mutex():
        process.stdin.write("\n" * 100)
        process.stdin.flush()
        time.sleep(1.0)
        assert process.poll() is None
        assert set(target.entries()) == merged, "nothing is written without the mutex"
        for unit in wanted[:3]:
            entry = fill(whole, [unit]).entries()[unit]
            arrays = journal.read_unit(whole.root, whole.layout, unit)
            assert arrays is not None
            target.root.write(journal.file(target.layout, unit), journal.encode_unit(unit, entry, arrays[1]))
    writer = [
        sys.executable,
        str(Path(__file__).with_name("store_writer.py")),
        "write",
        str(target.path),
        "0/1",
        "0",
        str(tmp_path / "log"),
    ]
    assert subprocess.run(writer, env=environment, check=False).returncode == 0
    process.stdin.close()
    assert process.wait(timeout=600) == 0
    process.stdout.close()
    target.compact()
    assert content(target) == content(fill(whole))
    assert verify(target.path).ok
    assert verify(target.path).notes == ()


def test_what_happens_to_the_target_while_a_merge_begins_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, source = small(tmp_path / "target.zarr"), fill(small(tmp_path / "source.zarr", kinds=5))
    unit = source.units()[0]
    check = merging._check_units

    def then(change: Callable[[], object]) -> None:
        monkeypatch.setattr(merging, "_check_units", lambda *given: (check(*given), change()))

    then(lambda: target.extend(archetypes=[{"name": "new"}]))
    with pytest.raises(StoreError, match=r"target\.zarr: was extended by another process while the merge began; start the merge again"):
        merge(target.path, [source.path])
    assert ScoreStore.open(target.path).archetypes[-1] == "new"
    then(lambda: fill(ScoreStore.open(target.path, mode="r+"), [unit], seed=1))
    with pytest.raises(StoreError, match=r"archetype 'a0', .* was written by another process during the merge, with other answers"):
        merge(target.path, [source.path])
    assert ScoreStore.open(target.path).entries()[unit].key == key(unit, 1)
    assert verify(target.path).ok


def another(change: Callable[[dict[str, object]], None]) -> Callable[[Path], ScoreStore]:
    def create(path: Path) -> ScoreStore:
        arguments: dict[str, object] = {
            "dates": days(20),
            "stocks": stocks(5),
            "archetypes": archetypes(4),
            "choices": CHOICES,
            "run_key": RUN_KEY,
            "dates_per_unit": 5,
        }
        change(arguments)
        return ScoreStore.create(path, **arguments)  # type: ignore[arg-type]

    return create


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"run_key": {**RUN_KEY, "dtype": "float32"}}, r"dtype: .*shard0\.zarr has 'bfloat16', this store has 'float32'"),
        ({"run_key": {**RUN_KEY, "model": {"name": "none", "weights": "1"}}}, r"model\.weights: .* has '00000000', this store has '1'"),
        ({"choices": ("1", "2", "3", "4", "6")}, r"choices: .* this store has \['1', '2', '3', '4', '6'\]"),
        ({"dates_per_unit": 10}, r"dates_per_unit: .* has 5, this store has 10"),
        ({"archetypes": [{**archetypes(1)[0], "persona": "bold"}]}, r"archetype 'a0'\.persona: .* this store has 'bold'"),
    ],
    ids=["run key", "nested", "choices", "blocks", "archetype"],
)
def test_stores_of_different_things_are_not_merged(tmp_path: Path, change: dict[str, object], message: str) -> None:
    parts = shards(tmp_path, 2)
    wrong = another(lambda arguments: arguments.update(change))(tmp_path / "wrong.zarr")
    with pytest.raises(StoreError, match=message):
        merge(tmp_path / "merged.zarr", [parts[0].path, parts[1].path, wrong.path])
    assert not list(tmp_path.glob("merged*"))


def test_contradicting_answers_are_named_and_equal_ones_are_one(tmp_path: Path) -> None:
    one, other = small(tmp_path / "one.zarr"), small(tmp_path / "other.zarr")
    units = one.units()
    fill(one, units[:4])
    fill(other, units[2:6])
    assert merge(tmp_path / "equal.zarr", [one.path, other.path]).copied == 6
    fill(other, [units[3]], seed=1)
    with pytest.raises(StoreError, match=r"archetype 'a0', dates 2020-01-16 to 2020-01-20: .*other\.zarr has answers under another key"):
        merge(tmp_path / "merged.zarr", [one.path, other.path])
    third = small(tmp_path / "third.zarr")
    third.write_unit(units[2], answer(units[2], 5), key=key(units[2]))
    with pytest.raises(StoreError, match=r"2020-01-11 to 2020-01-15: .*third\.zarr has other answers to the same prompts"):
        merge(tmp_path / "merged.zarr", [one.path, third.path])
    assert not list(tmp_path.glob("merged*"))


def test_a_damaged_source_is_named_and_nothing_damaged_is_copied(tmp_path: Path) -> None:
    parts = shards(tmp_path, 2)
    chunk = next((Path(parts[1].path) / "coverage").glob("c.*"))
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(StoreError, match=r"shard1\.zarr/coverage/c\.\d"):
        merge(tmp_path / "merged.zarr", [part.path for part in parts])
    assert not (tmp_path / "merged.zarr").exists()
    assert verify(tmp_path / "merged.zarr.merging").ok


def test_the_command_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = shards(tmp_path, 2)
    assert main(["merge", str(tmp_path / "m.zarr"), *(str(part.path) for part in parts)]) == 0
    assert "m.zarr: 14 units copied, 0 were there; 2 of 16 units still to be asked" in capsys.readouterr().out
    assert main(["merge", str(tmp_path / "m.zarr"), str(tmp_path / "nowhere.zarr")]) == 2
    assert "there is no score store here" in capsys.readouterr().err


def test_stores_that_grew_in_steps_keep_their_units(tmp_path: Path) -> None:
    grown = fill(small(tmp_path / "grown.zarr", dates=7))
    grown.extend(dates=days(3, "2020-01-08"), stocks=stocks(2, 5))
    fill(grown)
    merged = merge(tmp_path / "merged.zarr", [grown.path]).store
    assert merged.units() == grown.units()
    assert content(merged) == content(grown)
