"""What a configuration names as `package.module:name`, imported."""

from __future__ import annotations

import importlib
from typing import Any

from massjax.errors import ConfigError, did_you_mean


def load_named(what: str, name: str) -> Any:
    """The object of that name.

    Args:
        what: the setting and its value, for messages.
        name: `package.module:name`.

    Raises:
        ConfigError: the module cannot be imported, or has no such name.
    """
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{what}: module {module_name!r} cannot be imported ({reason}); is it on PYTHONPATH?") from error
    found = getattr(module, attribute, None)
    if found is None:
        raise ConfigError(f"{what}: {module_name} has no {attribute!r}{did_you_mean(attribute, dir(module))}")
    return found
