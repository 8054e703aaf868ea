"""The default method: a posterior over the archetypes' skills, and the mix that is best under it."""

from massjax.search.posterior.method import Posterior
from massjax.search.posterior.prepared import Prepared, prepare
from massjax.search.posterior.weights import PosteriorWeights, weights_by_date, weights_by_draw

__all__ = ["Posterior", "PosteriorWeights", "Prepared", "prepare", "weights_by_date", "weights_by_draw"]
