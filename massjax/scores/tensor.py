"""The score tensor on disk: a Zarr v3 group of arrays [date, archetype, stock], written whole, checked when it is opened.

    PLACE/zarr.json                         what the scores were made from, and the hash of their content, as attributes
    PLACE/{date,archetype,stock}            labels; dates are days since 1970-01-01, as CF has them for xarray
    PLACE/{score,mass,status}               float32, float16, uint8; on request `probability`, float16, of each choice
    PLACE/decision                          int8, where an archetype decides: 1 long, 0 neither, -1 short, -128 none
    PLACE/{modality,facts}                  hashes of what prompts showed of each modality on each date

zarr-python gives NaN for a chunk that is not there, so every chunk is written, and that all are there is checked on opening. Every chunk
has a CRC32C, which finds a flipped bit when it is read. The group's own metadata are written last: a folder without them is no tensor.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zarr
from jaxtyping import Float16, Float32, Int8, Shaped, UInt8
from zarr.codecs import Crc32cCodec, ZstdCodec

from massjax.answers import durable, objects
from massjax.errors import StoreError
from massjax.scores.made_from import MadeFrom
from massjax.scores.places import Place, store_at

FORMAT = 3
"""Of the tensor; what massjax wrote before was 1 and 2, of another kind."""
CHUNK_CELLS = 1 << 21
"""Cells of a chunk at most: 8 MB of scores."""
DATES_IN_CHUNK = 20
TYPES = {"score": "float32", "mass": "float16", "status": "uint8", "probability": "float16", "decision": "int8"}
AXES = ("date", "archetype", "stock")
_MAPPINGS = ("settings", "archetypes", "models", "parts")
_KEPT = {*_MAPPINGS, "answers", "content", "digest"}


class Cells(NamedTuple):
    """What is known of some archetypes on all dates, [T, K, N], date-major in memory.

    Attributes:
        score: expected choice in [0, 1]; NaN where there is none.
        mass: raw probability on the choices; NaN where no model answered.
        status: values of `massjax.scores.status.Status`.
        probability: of each choice, as answered; None where it is not kept.
        decision: 1 long, 0 neither, -1 short, `NO_DECISION` where there is none; None where no archetype decides.
    """

    score: Float32[np.ndarray, "T K N"]
    mass: Float16[np.ndarray, "T K N"]
    status: UInt8[np.ndarray, "T K N"]
    probability: Float16[np.ndarray, "T K N C"] | None = None
    decision: Int8[np.ndarray, "T K N"] | None = None


class TensorWriter:
    """Writes a tensor, some archetypes at a time.

    Args:
        group: an empty Zarr group.
        dates, archetypes, stocks: labels.
        choices: where probabilities are kept.
        decides: whether there is an array of decisions.
    """

    def __init__(
        self,
        group: zarr.Group,
        dates: Shaped[np.ndarray, " T"],
        archetypes: Sequence[str],
        stocks: Sequence[str],
        choices: Sequence[str] | None = None,
        *,
        decides: bool = False,
    ) -> None:
        self._group = group
        shape = (len(dates), len(archetypes), len(stocks))
        chunk = chunk_shape(shape)
        self._arrays: dict[str, zarr.Array[Any]] = {}
        for name, kind in TYPES.items():
            if name not in ("probability", "decision") or (name == "decision" and decides):
                self._arrays[name] = _create(group, name, shape, chunk, kind, AXES)
            elif name == "probability" and choices is not None:
                self._arrays[name] = _create(group, name, (*shape, len(choices)), (*chunk, len(choices)), kind, (*AXES, "choice"))
        days = dates.astype("datetime64[D]").astype(np.int64)
        _labels(group, "date", days, {"units": "days since 1970-01-01", "calendar": "proleptic_gregorian"})
        _labels(group, "archetype", np.array(archetypes, np.dtypes.StringDType()))
        _labels(group, "stock", np.array(stocks, np.dtypes.StringDType()))
        if choices is not None:
            _labels(group, "choice", np.array(choices, np.dtypes.StringDType()))
        self.archetypes_together = chunk[1]
        labels: dict[str, Any] = {
            "date": days,
            "archetype": archetypes,
            "stock": stocks,
            **({} if choices is None else {"choice": choices}),
        }
        self._hashes = {name: _label_hash(values) for name, values in labels.items()}

    def write(self, archetypes: slice, cells: Cells) -> None:
        """Write all dates and stocks of some archetypes: from a multiple of `archetypes_together` on, as many as that, or the last."""
        for name, values in cells._asdict().items():
            if values is None:
                continue
            whole = np.ascontiguousarray(values, dtype=np.dtype(TYPES[name]).newbyteorder("<"))
            self._arrays[name][:, archetypes] = whole
            self._hashes[f"{name}.{archetypes.start}"] = content_hash(whole)

    def finish(self, made_from: MadeFrom) -> str:
        """Write what the scores were made from, last of all; the hash of their content."""
        modalities = sorted(made_from.facts)
        _labels(self._group, "modality", np.array(modalities, np.dtypes.StringDType()))
        hashes = np.stack([made_from.facts[name] for name in modalities], axis=1) if modalities else np.empty((len(made_from.dates), 0))
        if modalities:
            _create(self._group, "facts", hashes.shape, hashes.shape, "uint64", ("date", "modality"))[:] = hashes
        plain = {
            "settings": made_from.settings,
            "archetypes": made_from.archetypes,
            "answers": made_from.answers,
            "models": made_from.models,
            **({"styles": made_from.styles} if made_from.styles else {}),
        }
        content = _whole_hash(self._hashes, made_from.models, made_from.styles)
        written = datetime.now(UTC).isoformat(timespec="microseconds")
        kept = {"format": FORMAT, "written": written, "digest": made_from.digest, "content": content, "parts": self._hashes, **plain}
        self._group.update_attributes({"massjax": kept})
        return content


def _create(group: zarr.Group, name: str, shape: Sequence[int], chunk: Sequence[int], kind: str, axes: Sequence[str]) -> Any:
    fill = np.nan if np.dtype(kind).kind == "f" else 0
    return group.create_array(
        name,
        shape=tuple(shape),
        chunks=tuple(max(1, size) for size in chunk),
        dtype=kind,
        dimension_names=tuple(axes),
        compressors=[ZstdCodec(level=3), Crc32cCodec()],
        fill_value=fill,
        config={"write_empty_chunks": True},
    )


def _labels(group: zarr.Group, name: str, values: np.ndarray, attributes: Mapping[str, str] | None = None) -> None:
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=(max(1, len(values)),),
        dtype=values.dtype,
        dimension_names=(name,),
        compressors=[ZstdCodec(level=3), Crc32cCodec()],
        attributes=dict(attributes or {}),
        config={"write_empty_chunks": True},
    )
    array[:] = values


def chunk_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Dates, archetypes and stocks of a chunk: a few dates, all stocks, and as many archetypes as `CHUNK_CELLS` allow.

    Example:
        >>> chunk_shape((302, 16, 20)), chunk_shape((1250, 512, 500)), chunk_shape((2500, 8, 3000))
        ((20, 16, 20), (20, 209, 500), (20, 8, 3000))
    """
    dates = max(1, min(DATES_IN_CHUNK, shape[0]))
    archetypes = max(1, min(shape[1], CHUNK_CELLS // max(1, dates * shape[2])))
    return dates, archetypes, max(1, shape[2])


def content_hash(*parts: Any) -> str:
    """BLAKE2b of the bytes of some arrays, 32 hex digits."""
    total = hashlib.blake2b(digest_size=16)
    for part in parts:
        total.update(part if isinstance(part, bytes) else memoryview(part).cast("B"))
    return total.hexdigest()


@contextmanager
def new_group(place: Place, holds: str = "score") -> Iterator[zarr.Group]:
    """An empty group that appears at a place whole: a local folder is written under another name beside it, and renamed.

    In object storage the group is written where it is to be; without its last metadata it is no tensor.

    Args:
        place: a tensor that is there gives way, unless it is sound and holds an array of the name `holds`.

    Raises:
        StoreError: it cannot be written.
    """
    if not isinstance(place, Path):
        with objects.told("write the score tensor", place):
            yield zarr.create_group(store_at(place), zarr_format=3, overwrite=True)
        return
    with durable.told("write the score tensor", place):
        durable.make_folder(place.parent)
        sweep(place.parent)
        unfinished = place.parent / durable.temporary_name()
        try:
            yield zarr.create_group(store_at(unfinished), zarr_format=3)
            _put_in_place(unfinished, place, holds)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def sweep(folder: Place) -> None:
    """Delete what processes of this machine that are gone left unfinished in a folder of tensors."""
    if isinstance(folder, Path) and folder.is_dir():
        for left in folder.iterdir():
            if durable.is_abandoned(left.name):
                shutil.rmtree(left, ignore_errors=True)


def _put_in_place(folder: Path, place: Path, holds: str) -> None:
    """Rename a folder to a place, unless another process has just put a sound tensor of the same name there; a damaged one gives way."""
    for attempt in range(2):
        try:
            folder.rename(place)
        except OSError as error:
            if attempt or error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            if is_sound(place, holds):
                return
            damaged = place.parent / durable.temporary_name()
            place.rename(damaged)
            shutil.rmtree(damaged, ignore_errors=True)
        else:
            return


def is_sound(place: Place, holds: str = "score") -> bool:
    """Whether a whole tensor is at a place, with the content that it was written with, and an array of this name."""
    try:
        group = open_group(place)
        return holds in group and not verify(group)
    except StoreError:
        return False


def open_group(place: Place) -> zarr.Group:
    """The group of a tensor that is whole.

    Raises:
        StoreError: there is none, it is of another format, or one of its chunks is missing.
    """
    advice = "run python -m massjax.precompute: it writes the tensor again from the answers, and asks nothing"
    try:
        group = zarr.open_group(store_at(place), mode="r", zarr_format=3)
        kept = group.attrs.get("massjax")
        arrays = dict(group.arrays())
        missing = {name: array.nchunks - array.nchunks_initialized for name, array in arrays.items()}
    except StoreError:
        raise
    except Exception as error:  # zarr tells of metadata that are missing or wrong by errors of many kinds
        raise StoreError(f"{place}: is no score tensor ({error}); python -m massjax.precompute writes one") from None
    if not isinstance(kept, dict) or kept.get("format") != FORMAT:
        raise StoreError(f"{place}: is no score tensor that massjax wrote; python -m massjax.precompute writes one")
    for name, count in missing.items():
        if count:
            raise StoreError(f"{place}: {count} of {arrays[name].nchunks} chunks of {name!r} are missing; {advice}")
    if not _is_laid_out(arrays) or not kept.keys() >= _KEPT or not all(isinstance(kept[name], dict) for name in _MAPPINGS):
        raise StoreError(f"{place}: its metadata are damaged; {advice}")
    return group


def _is_laid_out(arrays: Mapping[str, zarr.Array[Any]]) -> bool:
    """Whether arrays have the axes, sizes and types that a tensor's have."""
    if not {*AXES, "modality", "score", "mass", "status"} <= arrays.keys():
        return False
    sizes = {name: array.shape[0] for name, array in arrays.items() if array.ndim == 1}
    axes: dict[str, tuple[str, ...]] = {name: (*AXES, "choice") if name == "probability" else AXES for name in TYPES if name in arrays}
    if "facts" in arrays:
        axes["facts"] = ("date", "modality")
    return all(
        tuple(arrays[name].metadata.dimension_names or ()) == named  # type: ignore[union-attr]
        and arrays[name].shape == tuple(sizes.get(axis, -1) for axis in named)
        and arrays[name].dtype == TYPES.get(name, "uint64")
        for name, named in axes.items()
    )


def read(group: zarr.Group, name: str, dates: slice = slice(None)) -> np.ndarray:
    """An array, or some dates of it.

    Raises:
        StoreError: a chunk does not have the checksum that it was written with, or another tensor has taken the place of this one.
    """
    try:
        array = group[name]
        assert isinstance(array, zarr.Array)
        return np.asarray(array[dates])
    except (KeyError, FileNotFoundError):
        raise StoreError(f"{group.store_path}: was taken away meanwhile, as by precompute, which writes a new one; start again") from None
    except Exception as error:  # zarr, its codecs and stores tell of damage by errors of many kinds
        said = error if isinstance(error, ValueError | RuntimeError) else type(error).__name__
        raise StoreError(
            f"{group.store_path}: {name!r} is damaged ({said}); run python -m massjax.precompute: it writes the tensor again from "
            "the answers, and asks nothing"
        ) from None


def made_from(group: zarr.Group) -> MadeFrom:
    """What a tensor was made from."""
    kept: Any = group.attrs["massjax"]
    modalities = read(group, "modality").tolist()
    hashes = read(group, "facts").astype(np.uint64) if modalities else np.empty((0, 0), np.uint64)
    dates = read(group, "date").astype("datetime64[D]")
    facts = {name: hashes[:, place] for place, name in enumerate(modalities)}
    return MadeFrom(kept["settings"], kept["archetypes"], dates, facts, kept["answers"], kept["models"], kept.get("styles", {}))


def verify(group: zarr.Group) -> list[str]:
    """What is wrong with the content of a tensor, in words; every number is read and hashed."""
    kept: Any = group.attrs["massjax"]
    faults, parts, found = list[str](), dict(kept["parts"]), dict[str, str]()
    for name in (name for name in (*AXES, "choice") if name in group):
        found[name] = _label_hash(read(group, name))
    together = chunk_shape(tuple(len(read(group, axis)) for axis in AXES))[1]
    for name in (name for name in TYPES if name in group):
        array = group[name]
        assert isinstance(array, zarr.Array)
        for start in range(0, array.shape[1], together):
            try:
                found[f"{name}.{start}"] = content_hash(np.ascontiguousarray(array[:, start : start + together]))
            except (ValueError, RuntimeError, OSError) as error:
                faults.append(f"{name}: {error}")
                found[f"{name}.{start}"] = parts.get(f"{name}.{start}", "")
    differing = sorted(name for name in parts.keys() | found.keys() if parts.get(name) != found.get(name))
    faults += [f"{name}: its content is not what was written" for name in differing]
    if _whole_hash(parts, kept["models"], kept.get("styles", {})) != kept["content"] or made_from(group).digest != kept["digest"]:
        faults.append("zarr.json: what it says of the content, or of what that was made from, is not what was written")
    return faults


def _label_hash(labels: Sequence[Any] | np.ndarray) -> str:
    return content_hash(json.dumps([one if isinstance(one, str) else int(one) for one in labels]).encode())


def _whole_hash(parts: Mapping[str, str], models: Mapping[str, Mapping[str, str]], styles: Mapping[str, Mapping[str, str]]) -> str:
    return content_hash(json.dumps([parts, models, *([styles] if styles else [])], sort_keys=True).encode())
