"""Predictive coding networks with precision schedules, forward updates and BatchNorm
Freezing, in JAX.

Here are the science and what trains an experiment; `pc.runs` runs many, `pc.paper` is
what the paper's notebooks share.
What one seldom needs stays in its module: `pc.networks.Readout`, `pc.data.normalise`,
`pc.light_cone.relax_dense`.
"""

from .algorithms import ALGORITHMS, Named
from .data import Dataset, DatasetInfo, Split, dataset, load
from .energy import Constant, Decaying, Loss, Output, Spiking, total_energy
from .experiment import Experiment
from .inference import Inference, Settled, dense_inference
from .layers import Layer, Network, feedforward, predictions
from .learning import (
    Algorithm, Learned, Lesson, forward, learn, pc, weight_gradient)
from .light_cone import cone, relax
from .methods import error_coordinates
from .networks import Block, Dense, mlp, mupc, resnet, vgg
from .preparation import prepare
from .runs.results import results
from .runs.search import search
from .runs.tables import summarise
from .training import Epoch, State, train
from . import paper, runs

__version__ = "0.1.0"
__all__ = [
    "ALGORITHMS", "Algorithm", "Block", "Constant", "Dataset", "DatasetInfo",
    "Decaying", "Dense", "Epoch", "Experiment", "Inference", "Layer", "Learned",
    "Lesson", "Loss", "Named", "Network", "Output", "Settled", "Spiking", "Split",
    "State", "cone", "dataset", "dense_inference", "error_coordinates", "feedforward",
    "forward", "learn", "load", "mlp", "mupc", "paper", "pc", "predictions", "prepare",
    "relax", "resnet", "results", "runs", "search", "summarise", "total_energy",
    "train", "vgg", "weight_gradient"]
