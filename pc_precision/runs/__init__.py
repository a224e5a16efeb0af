"What runs experiments: the store of results, checkpoints, queues, searches."

from .cluster import Cluster, search_on
from .queue import Job, Left, Limit, start, work
from .results import incomplete, kept, read_runs
from .search import importances, read_best, read_trials, space, written
from .share import merge_results, pack_results

__all__ = [
    "Cluster", "Job", "Left", "Limit", "importances", "incomplete", "kept", "merge_results", "pack_results", "read_best",
    "read_runs", "read_trials", "search_on", "space", "start", "work", "written"]
