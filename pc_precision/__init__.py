"Predictive coding networks with precision schedules, forward updates and BatchNorm Freezing, in JAX."

from .data import DATASETS, Dataset, DatasetInfo, Split, augment, load, normalise, prepare
from .energy import energy, errors, layer_energies
from .experiment import ALGORITHMS, Algorithm, Experiment
from .figures import save_figure
from .layers import ACTIVATIONS, Block, Dense, Layer, Network, Readout, feedforward, mlp, predictions, vgg
from .learning import backprop_loss, energy_loss, forward_update_loss, weight_gradient
from .paper import (accuracy_table, caption, check_parameters, depth_figure, flops, grid, parameter_count, published,
                    save_table, to_markdown)
from .precision import Constant, Decaying, Spiking, nudge
from .relaxation import Relaxed, relax, relax_dense
from .results import kept, read_store, results, summarise, use_compilation_cache
from .search import (Search, found_table, importances, load_best, plan_search, plot_history, plot_importances, search,
                     search_settings, space_table)
from .training import Info, State, evaluate, make_step, train

__version__ = "0.1.0"
__all__ = [
    "ACTIVATIONS", "ALGORITHMS", "Algorithm", "Block", "Constant", "DATASETS", "Dataset", "DatasetInfo", "Decaying",
    "Dense", "Experiment", "Info", "Layer", "Network", "Readout", "Relaxed", "Search", "Spiking", "Split", "State",
    "accuracy_table", "augment", "backprop_loss", "caption", "check_parameters", "depth_figure", "energy",
    "energy_loss", "errors", "evaluate", "feedforward", "flops", "forward_update_loss", "found_table", "grid",
    "importances", "kept", "layer_energies", "load", "load_best", "make_step", "mlp", "normalise", "nudge",
    "parameter_count", "plan_search", "plot_history", "plot_importances", "predictions", "prepare", "published",
    "read_store", "relax", "relax_dense", "results", "save_figure", "save_table", "search", "search_settings",
    "space_table", "summarise", "to_markdown", "train", "use_compilation_cache", "vgg", "weight_gradient"]
