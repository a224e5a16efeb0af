"Predictive coding networks with precision schedules, forward updates and BatchNorm Freezing, in JAX."

from .data import DATASETS, Dataset, DatasetInfo, Split, augment, load, normalise, prepare
from .energy import energy, errors, layer_energies
from .experiment import ALGORITHMS, Algorithm, Experiment
from .figures import (
    Box, acting_covariance, energy_figure, flow_chart, front_steps, imbalance, imbalance_table, save_figure, shares,
    table_map)
from .layers import ACTIVATIONS, Block, Dense, Layer, Network, Readout, feedforward, mlp, predictions, vgg
from .learning import backprop_loss, energy_loss, forward_update_loss, weight_gradient
from .paper import accuracy_table, caption, check_parameters, depth_figure, grid, published, save_table, to_markdown
from .precision import Constant, Decaying, Spiking, nudge
from .relaxation import Relaxed, relax, relax_dense
from .results import incomplete, kept, read_store, results, summarise, use_compilation_cache
from .share import merge_results, pack_results
from .training import Epoch, Info, Plan, State, evaluate, make_plan, make_step, train

__version__ = "0.1.0"
__all__ = [
    "ACTIVATIONS", "ALGORITHMS", "Algorithm", "Block", "Box", "Constant", "DATASETS", "Dataset", "DatasetInfo",
    "Decaying", "Dense", "Epoch", "Experiment", "Info", "Layer", "Network", "Plan", "Readout", "Relaxed",
    "Spiking", "Split", "State", "accuracy_table", "acting_covariance", "augment", "backprop_loss", "caption",
    "check_parameters", "depth_figure", "energy", "energy_figure", "energy_loss", "errors", "evaluate",
    "feedforward", "flow_chart", "forward_update_loss", "front_steps", "grid", "imbalance", "imbalance_table",
    "incomplete", "kept", "layer_energies", "load", "make_plan", "make_step", "merge_results", "mlp", "normalise",
    "nudge", "pack_results", "predictions", "prepare", "published", "read_store", "relax", "relax_dense",
    "results", "save_figure", "save_table", "shares", "summarise", "table_map", "to_markdown", "train",
    "use_compilation_cache", "vgg", "weight_gradient"]
