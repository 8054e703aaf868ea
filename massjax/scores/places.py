"""Where score tensors are: a folder, or a prefix in object storage, as zarr-python takes them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, TypeAlias

from massjax.answers.objects import ObjectPlace, object_store, told
from massjax.settings import is_url

Place: TypeAlias = Path | str
"""A path, or a URL such as s3://bucket/demo/scores."""


def store_at(place: Place) -> Any:
    """What zarr-python opens a group at.

    Raises:
        StoreError: a URL that is none, or obstore is not installed.
    """
    if not is_url(place):
        return Path(place)
    from zarr.storage import ObjectStore

    return ObjectStore(object_store(str(place)))


def inside(place: Place, *names: str) -> Place:
    """A place within another."""
    return "/".join([str(place).rstrip("/"), *names]) if is_url(place) else Path(place, *names)


def names_in(place: Place) -> list[str]:
    """The names of what is at a place, sorted; empty where there is nothing."""
    if not is_url(place):
        folder = Path(place)
        return sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []
    return ObjectPlace.open(str(place)).names()


def remove(place: Place) -> None:
    """Delete a folder and all that is in it."""
    if not is_url(place):
        shutil.rmtree(place, ignore_errors=True)
        return
    import obstore

    store = object_store(str(place))
    with told("delete", place):
        for page in obstore.list(store):
            obstore.delete(store, [one["path"] for one in page])
