"Predictive coding networks with precision schedules, forward updates and BatchNorm Freezing, in JAX."

from .data import DATASETS, Dataset, DatasetInfo, Split, augment, load, normalise, prepare
from .energy import energy, errors, layer_energies
from .experiment import ALGORITHMS, Algorithm, Experiment
from .figures import save_figure
from .layers import ACTIVATIONS, Block, Dense, Layer, Network, Readout, feedforward, mlp, predictions, vgg
from .learning import backprop_loss, energy_loss, forward_update_loss, weight_gradient
from .paper import (accuracy_table, caption, check_parameters, costs, depth_figure, flops, freezing_figure, grid, larger_scale,
                    next_profile, nudging_figure, parameter_count, published, save_table, timing_grid, timing_table, to_markdown)
from .precision import Constant, Decaying, Spiking, nudge
from .relaxation import Relaxed, relax, relax_dense
from .results import kept, read_store, results, summarise, use_compilation_cache
from .training import Info, State, evaluate, make_step, train
from .verdicts import CLAIMS, Verdict, judge, verdict_figure, verdict_table

__version__ = "0.1.0"
__all__ = [
    "ACTIVATIONS", "ALGORITHMS", "Algorithm", "Block", "CLAIMS", "Constant", "DATASETS", "Dataset", "DatasetInfo", "Decaying",
    "Dense", "Experiment", "Info", "Layer", "Network", "Readout", "Relaxed", "Spiking", "Split", "State", "Verdict",
    "accuracy_table", "augment", "backprop_loss", "caption", "check_parameters", "costs", "depth_figure", "energy",
    "energy_loss", "errors", "evaluate", "feedforward", "flops", "forward_update_loss", "freezing_figure", "grid", "judge",
    "kept", "larger_scale", "layer_energies", "load", "make_step", "mlp", "next_profile", "normalise", "nudge", "nudging_figure",
    "parameter_count", "predictions", "prepare", "published", "read_store", "relax", "relax_dense", "results", "save_figure",
    "save_table", "summarise", "timing_grid", "timing_table", "to_markdown", "train", "use_compilation_cache", "verdict_figure",
    "verdict_table", "vgg", "weight_gradient"]
