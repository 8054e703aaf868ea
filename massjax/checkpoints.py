"""Checkpoints of learning: written whole by orbax, read back bit by bit, so that what was stopped goes on as if it never had been."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax

from massjax.errors import ConfigError, DataError
from massjax.simulator.learn import LearningState


def save_checkpoint(folder: Path, state: LearningState) -> None:
    """Write the state as the checkpoint of its number of updates, under another name first, and remove those before it.

    Args:
        folder: of the checkpoints of one run; made if it is not there.

    Raises:
        ConfigError: orbax is not installed.
    """
    with _manager(folder) as manager:
        args = _orbax().args
        plain = _plain(state)
        manager.save(int(state.updates), args=args.Composite(state=args.StandardSave(plain), shapes=args.JsonSave(_shapes(plain))))


def latest_checkpoint(folder: Path) -> int | None:
    """Updates of the latest whole checkpoint of a folder; None where there is none.

    Raises:
        ConfigError: orbax is not installed.
    """
    if not folder.is_dir():
        return None
    with _manager(folder) as manager:
        return manager.latest_step()


def load_checkpoint(folder: Path, like: LearningState) -> LearningState:
    """The state of the latest whole checkpoint of a folder.

    Args:
        like: a state of the same settings, of which the shapes are taken: `learn.init` makes one.

    Raises:
        ConfigError: orbax is not installed.
        DataError: there is no checkpoint, or it is of other settings.
    """
    plain = _plain(like)
    with _manager(folder) as manager:
        updates = manager.latest_step()
        if updates is None:
            raise DataError(f"{folder}: there is no checkpoint to go on from")
        args = _orbax().args
        shapes = manager.restore(updates, args=args.Composite(shapes=args.JsonRestore())).shapes
        if wrong := [name for name, shape in _shapes(plain).items() if shapes.get(name) != shape]:
            raise DataError(
                f"{folder}: the checkpoint after {updates:,} updates does not fit the settings: {wrong[0]} is of the shape "
                f"{shapes.get(wrong[0])}, not {_shapes(plain)[wrong[0]]}; resume with those it was made with, or use another folder"
            )
        abstract = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), plain)
        found = manager.restore(updates, args=args.Composite(state=args.StandardRestore(abstract))).state
    return found._replace(key=jax.random.wrap_key_data(found.key, impl=jax.random.key_impl(like.key)))


def _plain(state: LearningState) -> LearningState:
    """The state with its key as plain numbers."""
    return state._replace(key=jax.random.key_data(state.key))


def _shapes(plain: LearningState) -> dict[str, list[int]]:
    """The shape of each array by its place."""
    return {jax.tree_util.keystr(place): list(leaf.shape) for place, leaf in jax.tree_util.tree_leaves_with_path(plain)}


def _manager(folder: Path) -> Any:
    """The checkpoints of a folder, of which the latest alone is kept."""
    orbax = _orbax()
    return orbax.CheckpointManager(
        folder.absolute(), options=orbax.CheckpointManagerOptions(max_to_keep=1, enable_async_checkpointing=False)
    )


def _orbax() -> Any:
    """The library, which only learning that is to be resumed needs."""
    try:
        import orbax.checkpoint
    except ImportError as error:
        raise ConfigError("checkpoints need orbax: pip install 'massjax[simulate]'") from error
    return orbax.checkpoint
