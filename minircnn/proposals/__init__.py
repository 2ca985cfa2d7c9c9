"""Proposals: `selective_search.py` computes where something might be, `cache.py` keeps it on disk.

`given.py` takes somebody's own in their place.

Whoever needs proposals of a sample takes a function, `ProposalsOf`: the cache's `get` is one.
"""

from collections.abc import Callable

import numpy as np

from minircnn.data import Sample
from minircnn.proposals.cache import ProposalCache
from minircnn.proposals.given import GivenProposals, open_proposals
from minircnn.proposals.selective_search import ProposalSettings, proposal_recall, propose

#: Sample → its proposals (P, 4) float32, in pixels of its image.
ProposalsOf = Callable[[Sample], np.ndarray]

__all__ = [
    "GivenProposals",
    "ProposalCache",
    "ProposalSettings",
    "ProposalsOf",
    "open_proposals",
    "proposal_recall",
    "propose",
]
