"What runs experiments: the store of results, checkpoints, queues, searches."

from .cluster import Cluster, search_on
from .queue import Job, Left, Limit, start, work
from .results import kept, metrics
from .search import importances, read_best, read_trials, space, written
from .store import Merged, Store
from .tables import incomplete

__all__ = [
    "Cluster", "Job", "Left", "Limit", "Merged", "Store", "importances", "incomplete", "kept", "metrics", "read_best",
    "read_trials", "search_on", "space", "start", "work", "written"]
