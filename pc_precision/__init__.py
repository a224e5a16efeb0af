"""Predictive coding networks with precision schedules, forward updates and BatchNorm
Freezing, in JAX.

Here are the science and what trains an experiment; `pc.runs` runs many, `pc.paper` is
what the paper's notebooks share.
What one seldom needs stays in its module: `pc.layers.Readout`, `pc.data.normalise`,
`pc.inference.relax_dense`.
"""

from .data import Dataset, dataset, load
from .energy import Loss, Output, energy
from .experiment import ALGORITHMS, Experiment, Named
from .inference import Settled, cone, dense, error_coordinates, relax
from .layers import (
    Block, Dense, Layer, Network, Residual, feedforward, mlp, mupc, predictions, vgg)
from .learning import Algorithm, Lesson, forward, learn, pc, weight_gradient
from .precision import Constant, Decaying, Spiking
from .prepare import prepare
from .resnet import resnet
from .runs.results import results
from .runs.search import search
from .runs.tables import summarise
from .training import evaluate, train
from . import paper, runs

__version__ = "0.1.0"
__all__ = [
    "ALGORITHMS", "Algorithm", "Block", "Constant", "Dataset", "Decaying", "Dense",
    "Experiment", "Layer", "Lesson", "Loss", "Named", "Network", "Output", "Residual",
    "Settled", "Spiking", "cone", "dataset", "dense", "energy", "error_coordinates",
    "evaluate", "feedforward", "forward", "learn", "load", "mlp", "mupc", "paper", "pc",
    "predictions", "prepare", "relax", "resnet", "results", "runs", "search",
    "summarise", "train", "vgg", "weight_gradient"]
