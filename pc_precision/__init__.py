"Predictive coding networks with precision schedules, forward updates and BatchNorm Freezing, in JAX."

from .data import DATASETS, Dataset, DatasetInfo, Split, augment, load, normalise, prepare
from .energy import energy, errors, layer_energies
from .experiment import ALGORITHMS, Algorithm, Experiment
from .figures import save_figure
from .layers import ACTIVATIONS, Block, Dense, Layer, Network, Readout, feedforward, mlp, predictions, vgg
from .learning import backprop_loss, energy_loss, forward_update_loss, weight_gradient
from .paper import (accuracy_table, caption, check_parameters, costs, depth_figure, flops, freezing_figure, grid, larger_scale,
                    nudging_figure, parameter_count, published, save_table, timing_grid, timing_table,
                    to_markdown)
from .precision import Constant, Decaying, Spiking, nudge
from .relaxation import Relaxed, relax, relax_dense
from .results import kept, read_store, results, summarise, use_compilation_cache
from .search import (Search, found_table, importances, load_best, plan_search, plot_search, search, search_settings,
                     space_table)
from .training import Info, State, evaluate, make_step, train
from .verdicts import CLAIMS, Verdict, judge, verdict_figure, verdict_table

__version__ = "0.1.0"
__all__ = [
    "ACTIVATIONS", "ALGORITHMS", "Algorithm", "Block", "CLAIMS", "Constant", "DATASETS", "Dataset", "DatasetInfo",
    "Decaying", "Dense", "Experiment", "Info", "Layer", "Network", "Readout", "Relaxed", "Search", "Spiking", "Split",
    "State", "Verdict", "accuracy_table", "augment", "backprop_loss", "caption", "check_parameters", "costs",
    "depth_figure", "energy", "energy_loss", "errors", "evaluate", "feedforward", "flops", "forward_update_loss",
    "found_table", "freezing_figure", "grid", "importances", "judge", "kept", "larger_scale", "layer_energies", "load",
    "load_best", "make_step", "mlp", "normalise", "nudge", "nudging_figure", "parameter_count", "plan_search",
    "plot_search", "predictions", "prepare", "published", "read_store", "relax", "relax_dense", "results",
    "save_figure", "save_table", "search", "search_settings", "space_table", "summarise", "timing_grid", "timing_table",
    "to_markdown", "train", "use_compilation_cache", "verdict_figure", "verdict_table", "vgg", "weight_gradient"]
