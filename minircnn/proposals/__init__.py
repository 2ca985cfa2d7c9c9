"""Proposals: `selective_search.py` computes where something might be, `cache.py` keeps it on disk."""

from minircnn.proposals.cache import ProposalCache
from minircnn.proposals.selective_search import ProposalSettings, proposal_recall, propose

__all__ = ["ProposalCache", "ProposalSettings", "proposal_recall", "propose"]
