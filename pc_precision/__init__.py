"""Predictive coding networks with precision schedules, forward updates and BatchNorm Freezing, in JAX.

Here are the science and what trains an experiment; `pc.runs` runs many, `pc.paper` is what the paper's notebooks share.
"""

from .data import DATASETS, Dataset, dataset, load, normalise
from .devices import use_compilation_cache
from .energy import LOSSES, Loss, Output, energy
from .experiment import ALGORITHMS, Experiment, Named, Recipe
from .inference import Inference, Settled, cone, dense, error_coordinates, relax, relax_dense
from .layers import Block, Dense, Layer, Network, Readout, Residual, feedforward, mlp, mupc, predictions, vgg
from .learning import Algorithm, Lesson, forward, learn, pc, weight_gradient
from .precision import Constant, Decaying, Spiking
from .prepare import prepare
from .resnet import resnet
from .runs.results import load_trained, predict, read_store, results
from .runs.search import Search, load_best, search
from .runs.tables import summarise
from .training import evaluate, train
from . import paper, runs

__version__ = "0.1.0"
__all__ = [
    "ALGORITHMS", "Algorithm", "Block", "Constant", "DATASETS", "Dataset", "Decaying", "Dense", "Experiment", "Inference",
    "LOSSES", "Layer", "Lesson", "Loss", "Named", "Network", "Output", "Readout", "Recipe", "Residual", "Search", "Settled",
    "Spiking", "cone", "dataset", "dense", "energy", "error_coordinates", "evaluate", "feedforward", "forward", "learn",
    "load", "load_best", "load_trained", "mlp", "mupc", "normalise", "paper", "pc", "predict", "predictions", "prepare",
    "read_store", "relax", "relax_dense", "resnet", "results", "runs", "search", "summarise", "train", "use_compilation_cache",
    "vgg", "weight_gradient"]
