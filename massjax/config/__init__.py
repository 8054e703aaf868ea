"""Typed, validated settings, read from YAML and overridable on the command line."""

from massjax.agents.archetype import Archetype
from massjax.agents.settings import AgentsSettings, Draw, FiniteSettings, Grid, ProtocolSettings, Role, RoleChange, Stage
from massjax.agents.style import StyleSettings
