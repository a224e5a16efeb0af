"Predictive coding networks with precision schedules, forward updates and BatchNorm Freezing, in JAX."

from .runs.cluster import Cluster
from .data import DATASETS, Dataset, DatasetInfo, Split, augment, load, normalise
from .devices import use_compilation_cache
from .energy import LOSSES, Loss, Output, energy, errors, layer_energies
from .experiment import ALGORITHMS, Experiment, Recipe
from .paper.figures import (
    Box, acting_covariance, energy_figure, flow_chart, front_steps, imbalance, imbalance_table, save_figure, shares,
    table_map)
from .inference import (
    Inference, Settled, cone, dense, error_coordinates, infer, relax, relax_dense, rows, sweep)
from .layers import ACTIVATIONS, Block, Dense, Layer, Network, Readout, Residual, feedforward, mlp, predictions, vgg
from .learning import (
    Algorithm, Learned, Lesson, backprop_loss, energy_loss, forward, forward_update_loss, learn, lesson_gradient, pc, weight_gradient)
from .paper.items import (
    accuracy_table, caption, check_parameters, costs, depth_figure, flops, freezing_figure, grid, larger_scale,
    next_profile, nudging_figure, parameter_count, published, save_table, timing_grid, timing_table, to_markdown)
from .precision import Constant, Decaying, Spiking, nudge
from .prepare import prepare
from .runs.results import kept, load_trained, metrics, predict, read_store, results
from .runs.search import (
    Search, found_table, importances, load_best, plan_search, plot_history, plot_importances, plot_search, search,
    search_settings, space_table)
from .runs.store import Store
from .runs.tables import incomplete, summarise
from .training import Epoch, Info, Plan, State, evaluate, make_plan, train
from .paper.verdicts import CLAIMS, Verdict, judge, verdict_figure, verdict_table

__version__ = "0.1.0"
__all__ = [
    "ACTIVATIONS", "ALGORITHMS", "Algorithm", "Block", "Box", "CLAIMS", "Cluster", "Constant", "DATASETS", "Dataset",
    "DatasetInfo", "Decaying", "Dense", "Epoch", "Experiment", "Inference", "Info", "LOSSES", "Layer", "Learned",
    "Lesson", "Loss", "Network", "Output", "Plan", "Readout", "Recipe", "Residual", "Search", "Settled", "Spiking",
    "Split", "State", "Store", "Verdict", "accuracy_table", "acting_covariance", "augment", "backprop_loss",
    "caption", "check_parameters", "cone", "costs", "dense", "depth_figure", "energy", "energy_figure", "energy_loss",
    "error_coordinates", "errors", "evaluate", "feedforward", "flops", "flow_chart", "forward", "forward_update_loss",
    "found_table", "freezing_figure", "front_steps", "grid", "imbalance", "imbalance_table", "importances",
    "incomplete", "infer", "judge", "kept", "larger_scale", "layer_energies", "learn", "lesson_gradient", "load",
    "load_best", "load_trained", "make_plan", "metrics", "mlp", "next_profile", "normalise", "nudge",
    "nudging_figure", "parameter_count", "pc", "plan_search", "plot_history", "plot_importances", "plot_search",
    "predict", "predictions", "prepare", "published", "read_store", "relax", "relax_dense", "results", "rows",
    "save_figure", "save_table", "search", "search_settings", "shares", "space_table", "summarise", "sweep",
    "table_map", "timing_grid", "timing_table", "to_markdown", "train", "use_compilation_cache", "verdict_figure",
    "verdict_table", "vgg", "weight_gradient"]
