"What runs experiments: the store of results, checkpoints, queues, searches."

from .cluster import Cluster, Order, search_on
from .queue import Job, Left, Limit, start, work
from .results import kept, load_trained, metrics, predict, read_store
from .search import (
    Search, importances, load_best, read_best, read_trials, space, written)
from .store import Merged, Store
from .tables import incomplete

__all__ = [
    "Cluster", "Job", "Left", "Limit", "Merged", "Order", "Search", "Store",
    "importances", "incomplete", "kept", "load_best", "load_trained", "metrics",
    "predict", "read_best", "read_store", "read_trials", "search_on", "space", "start",
    "work", "written"]
