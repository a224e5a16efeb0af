"""Proof that the tests see: `python tests/mutants.py [--only NAME ...] [--list]`.

Every mutant is one wrong line in a copy of the library. The tests that watch it must fail, and nothing but fail: an error while
tests are collected or a copy that is not imported counts against us. The untouched copy must pass first. Prints a line a mutant;
the exit status is 1 if one is missed. All take 10 to 30 minutes on two cores (26 measured on busy ones).
"""
from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Mutant(NamedTuple):
    """`old` becomes `new` in pc_precision/`file`; `tests`: files under tests/, each perhaps with a `-k` expression after a blank."""
    name: str
    file: str
    old: str
    new: str
    tests: str
    times: int = 1          # how often `old` must occur: a mutant that does not apply is an error, never a success


DENSE = "test_inference.py program_that"
GRAPHS = "test_inference.py solver_whether and graph"
RIVALS = "test_rivals.py"
EPC = "test_inference.py step_in_error"
PLAIN = "test_learning.py plain_loss"
WRITTEN = "test_learning.py energy_written_out_over"
IPC = "test_learning.py incremental"
MUTANTS = [
    # energy
    Mutant("errors with the other sign", "energy.py", "jax.tree.map(jnp.subtract, tuple(activities), tuple(predictions))",
           "jax.tree.map(jnp.subtract, tuple(predictions), tuple(activities))", "test_energy.py"),
    Mutant("no 1/2 in the energy", "energy.py", "sum(0.5 * jnp.sum(e * e)", "sum(jnp.sum(e * e)", "test_energy.py"),
    Mutant("energy summed over the batch", "energy.py", "jnp.sum(e * e) / e.shape[0]", "jnp.sum(e * e)", "test_energy.py"),
    Mutant("energy averaged over units", "energy.py", "jnp.sum(e * e) / e.shape[0]", "jnp.mean(e * e)", "test_energy.py"),
    Mutant("covariance multiplies", "energy.py", "layer_energies(eps) / covariance", "layer_energies(eps) * covariance", "test_energy.py"),
    # precision
    Mutant("front a step late", "energy.py", "return L - np.arange(1, L + 1)", "return L + 1 - np.arange(1, L + 1)", "test_precision.py"),
    Mutant("front from the wrong end", "energy.py", "return L - np.arange(1, L + 1)", "return np.arange(L)", "test_precision.py"),
    Mutant("distances of a graph ignored", "energy.py", "else np.asarray(L)", "else len(L) - np.arange(1, len(L) + 1)", "test_precision.py graph"),
    Mutant("spike and base swapped", "energy.py", "== 0, self.alpha, self.base)", "== 0, self.base, self.alpha)", "test_precision.py"),
    Mutant("decay not normalised", "energy.py", "growth * jnp.where(reached, 1 / growth, 0.0).sum(0)", "growth", "test_precision.py"),
    Mutant("decay normalised over layers", "energy.py", "jnp.where(reached, 1 / growth, 0.0).sum(0)",
           "jnp.where(reached, 1 / growth, 0.0).sum(1, keepdims=True)", "test_precision.py"),
    Mutant("decay counts steps before the error arrives", "energy.py", "jnp.where(reached, 1 / growth, 0.0).sum(0)", "(1 / growth).sum(0)",
           "test_precision.py"),
    Mutant("decay is finite before the error arrives", "energy.py", ".sum(0), jnp.inf)", ".sum(0), 1.0)", "test_precision.py"),
    Mutant("decay overflows", "energy.py", "LARGEST_EXPONENT = 80.0", "LARGEST_EXPONENT = 8000.0", "test_precision.py steep"),
    Mutant("infinity allowed everywhere", "checks.py", "check_positive(infinite: bool = False", "check_positive(infinite: bool = True",
           "test_precision.py infinite"),
    Mutant("one unreached layer too many", "energy.py", "if distance > T]", "if distance >= T]", "test_precision.py"),
    Mutant("nudge without sign", "energy.py", "per_sample(self.beta, e) *", "per_sample(abs(self.beta), e) *", "test_precision.py"),
    # outputs
    Mutant("the nudge ignored", "energy.py", "per_sample(self.beta, e) * (jnp.asarray(y, e.dtype) - e)", "(jnp.asarray(y, e.dtype) - e)", DENSE),
    Mutant("cross-entropy compares scores", "energy.py", '"cross_entropy", jax.nn.softmax,', '"cross_entropy", lambda mu: mu,', PLAIN),
    Mutant("cross-entropy without the targets", "energy.py", "-jnp.sum(target * jax.nn.log_softmax(mu), -1)", "-jnp.sum(jax.nn.log_softmax(mu), -1)",
           PLAIN),
    # inference
    Mutant("dense pulls with the other sign", "inference.py", "jax.grad(total, has_aux=True)(state.hidden)\n",
           "jax.grad(total, has_aux=True)(state.hidden)\n        gradient = jax.tree.map(jnp.negative, gradient)\n", DENSE),
    Mutant("cone pulls with the other sign", "light_cone.py", "jax.tree.map(jnp.subtract, own[l], back[l])",
           "jax.tree.map(jnp.add, own[l], back[l])", DENSE),
    Mutant("cone's energies not weighted", "light_cone.py", "eps = {l: scale(w, e) for l, (w, e)", "eps = {l: e for l, (w, e)", DENSE),
    Mutant("cone ignores the rates", "light_cone.py", "scale(rates[l - 1], change(l))",
           "scale(1.0, change(l))", DENSE),
    Mutant("dense ignores the weights", "inference.py", "sum(scale(w, c) for w, c in zip(weights, charges))", "sum(charges)", DENSE),
    Mutant("dense ignores the rates", "inference.py", "tuple(scale(rate, g) for rate, g in zip(rates, gradient))", "tuple(gradient)", DENSE),
    Mutant("readings swapped", "inference.py", 'if reading == "energy":', 'if reading == "activity":', "test_inference.py serves or program"),
    Mutant("precision of the layer itself", "inference.py", "precision[:, np.array(net.above) - 1]", "precision", "test_inference.py serves or rows"),
    Mutant("cone's pull at the initial activities", "light_cone.py", "add(state.products, state.dz), eps)", "state.products, eps)", DENSE),
    Mutant("cone a step late", "light_cone.py", "    if at_rest(net.fed(number, (0, *d))):", "    if at_rest(net.fed(number, (0, *state.d[:-1], 0))):", DENSE),
    Mutant("errors read before the step", "light_cone.py", "eps=jax.tree.map(jnp.subtract, state.d, dmu))", "eps=jax.tree.map(jnp.subtract, state.d, state.dmu))", DENSE),
    Mutant("Nesterov as heavy ball", "light_cone.py", "optax.sgd(x_step, momentum, nesterov)", "optax.sgd(x_step, momentum, False)", DENSE),
    Mutant("rates fixed", "light_cone.py", "optax.sgd(x_step, momentum, nesterov)", "optax.sgd(0.1, momentum, nesterov)", DENSE),
    Mutant("displacements rounded like activities", "light_cone.py", "    return state._replace(unknowns=hidden, solver=inner, d=(*hidden, state.d[-1]))\n",
           "    hidden = jax.tree.map(lambda a, b: (a + b) - a, state.initial[:-1], hidden)\n"
           "    return state._replace(unknowns=hidden, solver=inner, d=(*hidden, state.d[-1]))\n",
           "test_inference.py keep_their_digits"),
    Mutant("follow by differences alone", "light_cone.py", "<= rounding, first_order, difference)", "<= rounding, difference, difference)",
           "test_inference.py follow"),
    Mutant("follow by first orders alone", "light_cone.py", "<= rounding, first_order, difference)", "<= rounding, first_order, first_order)",
           "test_inference.py follow"),
    Mutant("first order at the start", "light_cone.py", "a + b / 2, at, by)", "a, at, by)", "test_inference.py follow"),
    Mutant("rounding judged by the whole batch", "light_cone.py", "axis=tuple(range(1, before.ndim)), keepdims=True)", "keepdims=True)",
           "test_inference.py explodes or digits_of"),
    Mutant("two readers, one pull", "light_cone.py", "out[node] = add(out[node], g) if node in out else g", "out[node] = g", GRAPHS),
    Mutant("two readers, one delta", "light_cone.py", "deltas[node] = add(deltas[node], g) if node in deltas else g", "deltas[node] = g", PLAIN),
    Mutant("ePC does not carry errors down", "methods.py", "jax.tree.map(jnp.subtract, scale(w, e), delta)", "scale(w, e)",
           EPC),
    Mutant("ePC carries with the other sign", "methods.py", "jax.tree.map(jnp.subtract, scale(w, e), delta)",
           "jax.tree.map(jnp.add, scale(w, e), delta)", EPC),
    Mutant("ePC keeps predictions of the first pass", "methods.py", "d = (*d, add(eps[l - 1], prediction) if l", "d = (*d, eps[l - 1] if l", EPC),
    Mutant("fixed predictions pull their own errors", "methods.py", "local_gradient(net, params, x, state, state.d, row)",
           "local_gradient(net, params, x, state, state.eps[:-1] + (state.d[-1] * 2,), row)", RIVALS),
    Mutant("fixed predictions tell products", "methods.py", "._replace(products=None)", "", RIVALS, 2),
    Mutant("EP moves all layers at once", "methods.py", "g if l % 2 == odd else jnp.zeros_like(g)", "g", RIVALS),
    Mutant("EP begins with the odd layers", "methods.py", "row, 0), row, 1)", "row, 1), row, 0)", RIVALS),
    Mutant("EP pushes at the first output", "methods.py", "displacement(add(state.initial[-1], state.d[-1]))", "displacement(state.initial[-1])", RIVALS),
    Mutant("EP nudges both halves alike", "learning.py", "jnp.asarray(beta), -jnp.asarray(beta)", "jnp.asarray(beta), jnp.asarray(beta)", RIVALS),
    Mutant("PC-ALM teaches after its last addition", "methods.py", "return Dual(state, multipliers, effective(state, dual.multipliers))",
           "return Dual(state, multipliers, effective(state, multipliers))", RIVALS),
    Mutant("PC-ALM adds without alpha", "methods.py", "add(m, scale(alpha, r))", "add(m, r)", RIVALS),
    Mutant("rescaled by inputs alone", "methods.py", "(outputs ** 0.5 + (p.size // outputs) ** 0.5)", "((p.size // outputs) ** 0.5)", RIVALS),
    Mutant("small gradients vanish", "methods.py", "vector / jnp.where(largest > 0, largest, jnp.nan)", "vector", RIVALS),
    Mutant("one nudging for the whole batch", "learning.py", "lambda e: e / per_sample(beta, e)", "lambda e: e / beta[0]", RIVALS),
    Mutant("sweep stops at the output", "methods.py", "return state._replace(d=deltas, eps=deltas)", "return state", PLAIN),
    Mutant("the change of the expectation ignored", "light_cone.py", "follow(expect, mu, expect(mu), dmu)", "dmu", "test_inference.py solver_whether and graph"),
    Mutant("repeated from the first row again", "inference.py", "lambda a: a[t:], rows)", "lambda a: a[:len(a) - t], rows)", "test_inference.py solver_whether and mlp"),
    Mutant("steps written out without end", "inference.py", "while t < T and grows:", "while t < T:", "test_inference.py program_longer or deep_network_grows"),
    Mutant("the cone grows in deep networks, too", "light_cone.py", "GROWING = 16", "GROWING = 1000", "test_inference.py deep_network_grows"),
    Mutant("silence counts steps before the error", "energy.py", "np.asarray(table), since_arrival(T, L) >= 0", "np.asarray(table), since_arrival(T, L) >= -T", "test_skipping.py leaves_silence_out"),
    Mutant("silence keeps old errors", "light_cone.py", "state = clamped(net, params, x, state, row[0]) if known else state", "state = state._replace(eps=state.eps or state.d)", "test_skipping.py leaves_silence_out"),
    Mutant("the bound of skip takes every pull for one at the front", "skipping.py", "front = column(reach == 0)[:-1]", "front = column(reach >= 0)[:-1]", "test_skipping.py bound"),
    Mutant("a product of Jacobians forgets those above", "skipping.py", "product @ jacobians[l - 1] if l", "jacobians[l - 1] if l", "test_skipping.py product_norms"),
    Mutant("a traced product counts twice", "paper/costs.py", "if key not in self.known:", "if True:", "test_costs.py equal_products or formulas_count"),
    Mutant("silence leaves nothing out", "energy.py", "precision < self.tolerance * precision.max", "precision < 0 * precision.max", "test_skipping.py no_more_products"),
    Mutant("the bound forgets the Jacobian's change", "skipping.py", "2 * errors * (below(change) > 0)", "0 * errors", "test_skipping.py bound_of_two_layers"),
    Mutant("the bound forgets left-out pulls", "skipping.py", "pull_gap, pull))", "pull_gap, 0))", "test_skipping.py bound_of_two_layers"),
    Mutant("any solver in the cone", "light_cone.py", "(np.asarray(update) != 0).any()", "False", "test_inference.py refuses"),
    Mutant("dense keeps the statistics of a frozen phase", "inference.py", "stats=state.stats if freeze else after)", "stats=after)", "test_batchnorm.py"),
    Mutant("dense freezes where it should not", "inference.py", "stats=state.stats if freeze else after)", "stats=state.stats)", "test_batchnorm.py"),
    Mutant("dense starts from the statistics of the first pass", "inference.py", "initial[:-1], stats if freeze else after,", "initial[:-1], after,",
           "test_batchnorm.py"),
    # resnets
    Mutant("weights of nodes ignored", "inference.py", "own = ones if net.weights is None else", "own = ones if True else", "test_resnet.py weights_multiply"),
    Mutant("weights in one reading only", "inference.py", "return own, precision[", "return ones, precision[", "test_resnet.py weights_multiply"),
    Mutant("a convolved skip as stiff as a copy", "networks.py", "1.0 if halves else skip_weight", "skip_weight", "test_resnet.py node_by_node"),
    Mutant("no activation before a convolution", "networks.py", "ACTIVATIONS[self.activation](z), params", "z, params", "test_resnet.py plain_composition"),
    Mutant("the mean over the image a sum", "networks.py", ".mean((1, 2))", ".sum((1, 2))", "test_resnet.py plain_composition"),
    Mutant("the stride of a 1x1 convolution ignored", "networks.py", "x[:, ::stride, ::stride]", "x", "test_resnet.py window"),
    Mutant("stiffness that ignores the spike", "protocol.py", 'settings["alpha"] / settings["x_step"] if', '1 / settings["x_step"] if', "test_resnet.py by_name"),
    Mutant("a graph as deep as it has nodes", "experiment.py", "max(self.distance) + 1", "len(self.distance)", "test_resnet.py by_name"),
    # checkpoints, results, share, queue
    Mutant("a checkpoint not verified", "runs/checkpoints.py", 'if about.pop("sha256", None) != seal(arrays, about)', 'if about.pop("sha256", None) is None',
           "test_checkpoints.py damaged"),
    Mutant("words of a checkpoint not verified", "runs/checkpoints.py", "hashlib.sha256(json.dumps(sorted(about.items())).encode())", "hashlib.sha256()",
           "test_checkpoints.py damaged"),
    Mutant("the oldest checkpoints stay", "runs/checkpoints.py", "if path <= final][-2:]", "if path <= final][:2]", "test_checkpoints.py nothing_else"),
    Mutant("remains of a dead process stay", "runs/queue.py", "if folder.is_dir():", "if False:",
           "test_queue.py dying"),
    Mutant("a lock is asked for once", "runs/queue.py", "time.monotonic() - since >= patience", "True", "test_queue.py lock"),
    Mutant("the oldest checkpoint taken", "runs/checkpoints.py", "for path in reversed(checkpoints(folder)):\n        try:\n            return",
           "for path in checkpoints(folder):\n        try:\n            return", "test_checkpoints.py every_bit"),
    Mutant("resumed with another key", "runs/checkpoints.py", "key=jax.random.wrap_key_data(state.key)", "key=jax.random.key(0)",
           "test_checkpoints.py three_sessions"),
    Mutant("resumed without its records", "runs/results.py", "train(exp, data, saved.state, saved.records)", "train(exp, data, saved.state)",
           "test_checkpoints.py three_sessions"),
    Mutant("checkpoint stays after the result", "runs/results.py", "            return checkpoints.remove()\n", "            return None\n",
           "test_checkpoints.py goes"),
    Mutant("checksum of a result not verified", "runs/store.py", "run.checksum != (None if bare else checksum(content))", "False", "test_faults.py damaged_bytes"),
    Mutant("words repeated in every row", "runs/results.py", "compact(pd.DataFrame(about, columns=[*FIELD_DEFAULTS, *ABOUT]))",
           "pd.DataFrame(about, columns=[*FIELD_DEFAULTS, *ABOUT])", "test_tables.py few_bytes"),
    Mutant("the whole folder listed for a run", "runs/store.py", "if path.exists():\n            return read_run(path)", "if False:\n            return read_run(path)",
           "test_store.py look_at_the_others"),
    Mutant("other steps of Figure 6 left to the notebook", "paper/profiles.py", "distinct(found + at_steps(found,", "distinct(found + 0 * at_steps(found,",
           "test_items.py other_steps"),
    Mutant("contradictions merged", "runs/store.py", "first is not None and not same_result(first[1], run)", "False", "test_store.py two_results"),
    Mutant("second seeds before first ones", "runs/queue.py", "position_in(e.seed, seeds), position_in(e.dataset, datasets)",
           "position_in(e.dataset, datasets), position_in(e.seed, seeds)", "test_queue.py order"),
    Mutant("a key that was worked out travels", "experiment.py", "return {each.name: getattr(self, each.name) for each in fields(self)}",
           "return vars(self)", "test_experiment.py part_of_nothing"),
    Mutant("a line that changes in a file", "runs/queue.py", "sys.stderr.isatty()", "True", "test_queue.py terminal_shows"),
    Mutant("one trial too many", "runs/search.py", "if len(before) < plan.trials", "if True", "test_search.py beyond_the_last"),
    Mutant("trials are drawn as if each were the first", "runs/search.py", "self.__init__(trial.number)", "self.__init__(0)", "test_search.py fresh_sampler"),
    Mutant("Ctrl-C leaves a trial running", "runs/search.py", "        finally:\n            study.tell(trial, **ended, skip_if_finished=True)",
           "        except ValueError:\n            raise\n        else:\n            study.tell(trial, **ended, skip_if_finished=True)", "test_search.py ctrl_c"),
    Mutant("a cut table of trials read", "runs/search.py", ".sum() >= wanted", ".sum() >= 0", "test_search.py truncated"),
    Mutant("a mean over different settings", "paper/figures.py", "    if mixed(table) and not apart:\n", "    if False:\n", "test_figures.py no_common_mean"),
    Mutant("a deviation that describes no run", "paper/figures.py", "if row[\"std\"] > WIDE:", "if False:", "test_figures.py seeds_part"),
    Mutant("one seed decides", "paper/verdicts.py", "and self.n >= self.needs", "", "test_verdicts.py one_seed"),
    Mutant("a seed may lack a run", "paper/verdicts.py", "self.missing or self.lacking", "self.missing", "test_verdicts.py lacks_a_run"),
    Mutant("a lacking pair does not matter", "paper/verdicts.py", "word if decided else UNDECIDED", "word", "test_verdicts.py cannot_do_without"),
    Mutant("both readings mixed", "paper/verdicts.py", '| (frame["reading"] == reading)', "| True", "test_verdicts.py each_and_never"),
    Mutant("a layer's own error pulls in the wrong reading", "light_cone.py", 'if reading == "energy" else precision[1:]', 'if reading != "energy" else precision[1:]',
           "test_experiment.py expected_sizes"),
    Mutant("momentum forgotten in the expected sizes", "light_cone.py", "trace = gradient + momentum * trace\n", "trace = gradient\n",
           "test_experiment.py expected_sizes"),
    Mutant("3.5 seeds are 3", "paper/profiles.py", "whole(item) if kind is int else kind(item)", "kind(item)", "test_items.py other_numbers"),
    Mutant("progress counts its own runs alone", "runs/results.py", "if exp not in self.done and path.exists()}", "if False}",
           "test_results.py other_processes_do"),
    Mutant("a step of inference costs nothing", "runs/results.py", '4 + exp.settings.get("T", 0)', "4", "test_results.py effort_counts"),
    Mutant("every run compiles", "runs/results.py", "size * (1 - part))", "size)", "test_results.py programs_times"),
    Mutant("the start of the process is compilation", "runs/results.py", "(excess if only else excess[1:])", "excess", "test_results.py programs_times"),
    Mutant("a checkpoint's epochs are left", "runs/results.py", "self.count = record.number", "self.count += 1", "test_results.py goes_on"),
    Mutant("other processes do not share what is left", "runs/results.py", "processes = 1 + sum(part < 1 for part in parts.values())", "processes = 1",
           "test_results.py other_processes_do"),
    Mutant("what others have begun counts whole", "runs/results.py", "dict.fromkeys(begun, 0.5)", "dict.fromkeys(begun, 1.0)", "test_results.py other_processes_do"),
    Mutant("an installed copy before the clone's notebooks", "cli.py", '(package.parent / "nbs", package / "notebooks")',
           '(package / "notebooks", package.parent / "nbs")', "test_cli.py of_a_clone"),
    Mutant("--out looked at after training", "cli.py", 'for folder in (out, read.get("out_dir", out)):', "for folder in ():",
           "test_cli.py before_anything_trains"),
    Mutant("a slow run tells how long an epoch takes", "runs/queue.py", "min(found.get(key, math.inf)", "max(found.get(key, 0)",
           "test_costs.py measured_hours"),
    Mutant("a limit that never stops", "runs/queue.py", "return not self.room(exp)", "return False", "test_queue.py limit"),
    # learning
    Mutant("forward update predicts from the final activities", "learning.py", "Lesson(settled.initial, settled.displacements)",
           "Lesson(settled.final, settled.displacements)", "test_learning.py front_alone or finite"),
    Mutant("forward update taught by errors", "learning.py", "Lesson(settled.initial, settled.displacements)", "Lesson(settled.initial, settled.errors)",
           "test_learning.py front_alone or finite"),
    Mutant("pc predicts from the initial activities", "learning.py", "Lesson(settled.final, settled.errors, settled.products)",
           "Lesson(settled.initial, settled.errors)", "test_learning.py finite"),
    Mutant("pc taught by displacements", "learning.py", "Lesson(settled.final, settled.errors, settled.products)",
           "Lesson(settled.final, settled.displacements, settled.products)", "test_learning.py finite"),
    Mutant("gradient of a lesson not over beta", "learning.py", "size_of(x) * beta, g.dtype", "size_of(x), g.dtype", "test_learning.py finite"),
    Mutant("gradient of a lesson over the size of beta", "learning.py", "size_of(x) * beta, g.dtype", "size_of(x) * abs(beta), g.dtype", "test_learning.py finite"),
    Mutant("gradient of a loss not over beta", "learning.py", "scale(1 / settled.beta, grads)", "grads", "test_learning.py nudge"),
    Mutant("bias has no gradient", "learning.py", "-(a + b), of_linear, of_rest)", "-a, of_linear, of_rest)", "test_learning.py finite"),
    Mutant("weights learn the wrong way", "learning.py", "-(a + b), of_linear, of_rest)", "a + b, of_linear, of_rest)", "test_learning.py finite"),
    Mutant("statistics of a loss not updated", "learning.py", "predictions_and_stats(net, params, stats, x, settled.initial)[1]", "stats", "test_batchnorm.py"),
    Mutant("statistics of a lesson not updated", "learning.py", "for g, _ in out), tuple(s for _, s in out)", "for g, _ in out), stats", "test_batchnorm.py"),
    Mutant("learn returns old parameters", "learning.py", "Learned(optax.apply_updates(params, updates), after, state, settled, errors)", "Learned(params, after, state, settled, errors)",
           "test_learning.py batch_of_learn"),
    Mutant("iPC moves activities after the weights", "learning.py", "inference.step(net, params, x, activities, row)",
           "inference.step(net, optax.apply_updates(params, updates), x, activities, row)", IPC),
    Mutant("iPC does not weigh its errors", "learning.py", "tuple(scale(w, e) for w, e in zip(weights, lesson.errors))", "lesson.errors", IPC),
    Mutant("iPC decays weights that rest", "learning.py", "jnp.where((g != 0).any(), u, 0)", "u", IPC),
    Mutant("iPC forgets its optimiser", "learning.py", "step(learned.params, learned.optimiser, activities, *inputs)", "step(learned.params, state, activities, *inputs)", IPC),
    Mutant("iPC does its first step twice", "learning.py", "(0, slice(1, None)))", "(0, slice(0, None)))", IPC),
    Mutant("iPC with an inference that cannot follow", "learning.py", "if isinstance(activities, Moving):", "if False:", "test_learning.py tempo"),
    # kernels
    Mutant("convolution padded twice", "kernels.py", "[(padding, padding)] * 2", "[(padding, 1)] * 2", "test_kernels.py"),
    Mutant("convolution's derivative without the kernel", "kernels.py", "to_x(dx, kernel, padding) + to_kernel(x, dkernel, padding)",
           "to_x(dx, kernel, padding) + 0 * to_kernel(x, dkernel, padding)", "test_kernels.py"),
    Mutant("convolution's derivative without the image", "kernels.py", "to_x(dx, kernel, padding) + to_kernel(x, dkernel, padding)",
           "0 * to_x(dx, kernel, padding) + to_kernel(x, dkernel, padding)", "test_kernels.py"),
    Mutant("windows turned", "kernels.py", "for i in range(3) for j in range(3)]", "for j in range(3) for i in range(3)]", "test_kernels.py"),
    Mutant("a pair's second pixel sees what the first sees", "kernels.py", "((0, 0), (j, 1 - j), (0, 0), (0, 0))", "((0, 0), (0, 1), (0, 0), (0, 0))", "test_kernels.py"),
    Mutant("compiled for this machine whatever the target", "kernels.py", "(TARGET.value or jax.default_backend())", "jax.default_backend()",
           "test_kernels.py target_decides"),
    Mutant("a tie goes to the last pixel", "kernels.py", "jnp.where(a >= jnp.maximum(b, cd), 0", "jnp.where(a > jnp.maximum(b, cd), 0", "test_kernels.py"),
    Mutant("pool of three pixels", "kernels.py", "jnp.maximum(jnp.maximum(a, b), jnp.maximum(c, d))", "jnp.maximum(jnp.maximum(a, b), c)", "test_kernels.py"),
    # training
    Mutant("a folder that cannot be written keeps programs", "machine.py", "if error := unwritable(folder):", "if False:", "test_checks.py cannot_be_written"),
    Mutant("a sign that never turns", "learning.py", "beta=sign * beta", "beta=beta", "test_training.py nudges_the_output"),
    Mutant("resolved at every question", "experiment.py", "    @cached_property\n    def settings", "    @property\n    def settings", "test_training.py resolves_its_request_once"),
    Mutant("settings that any run shares explain one", "experiment.py", "if has_settings(settings, one.where | one.settings):", "if True:", "test_experiment.py explain"),
    Mutant("no nudge in training", "learning.py", "replace(output, beta=sign * beta)", "output", "test_training.py nudges_the_output"),
    Mutant("always squared error in training", "training.py", "Output(y, loss=plan.loss)", "Output(y)", "test_training.py"),
    Mutant("no weight decay", "training.py", "plan.optimiser(hyper.learning_rate, hyper.weight_decay)", "plan.optimiser(hyper.learning_rate, 0.0)", "test_training.py"),
    Mutant("statistics of training thrown away", "training.py", "stats=learned.stats,", "stats=state.stats,", "test_training.py statistics_of_its_learning"),
    Mutant("accuracy of the worst class", "training.py", "output.argmax(-1) == y.argmax(-1)", "output.argmin(-1) == y.argmax(-1)", "test_training.py"),
    Mutant("ties hit", "training.py", "rank = jnp.sum((output > own) | ((output == own) & earlier), -1)", "rank = jnp.sum(output > own, -1)", "test_training.py"),
    Mutant("every dispatch is the first", "training.py", "jit_steps(plan, state, data, order[part], numbers(part)))", "jit_steps(plan, state, data, order[:size], numbers(part)))",
           "test_training.py in_pieces"),
    Mutant("targets taken for labels", "training.py", "if jnp.issubdtype(labels.dtype, jnp.floating): return labels.astype(dtype)", "if False: return labels.astype(dtype)",
           "test_training.py floats_of"),
    Mutant("the largest loss selects", "training.py", 'else -metrics["loss"]', 'else metrics["loss"]', "test_training.py least_loss"),
    Mutant("the limit is forgotten", "training.py", "train = limited(data.train, selection.limit)", "train = data.train", "test_training.py limit"),
    Mutant("a run without patience stops at once", "protocol.py", "exp.epochs if exp.patience is None", "1 if exp.patience is None", "test_training.py ends_when"),
    Mutant("every protocol has the first seed", "protocol.py", "                    exp.seed, selection_of(exp))", "                    0, selection_of(exp))", "test_training.py left_open"),
    Mutant("states die", "training.py", "alive = jax.tree.map(jnp.copy, state)", "alive = state", "test_training.py alive"),
    Mutant("every optimiser is AdamW", "protocol.py", "exp.optimiser.value if own else OPTIMISERS[exp.optimiser]", 'OPTIMISERS["adamw"]',
           "test_training.py optimiser_of"),
    Mutant("sgd forgets weight decay", "algorithms.py", "optax.chain(optax.add_decayed_weights(decay), optax.sgd(rate))", "optax.sgd(rate)",
           "test_training.py sgd_descends"),
    Mutant("names of one's own are compared with their values", "algorithms.py", "value: Any = field(compare=False, repr=False)", "value: Any = field(repr=False)",
           "test_experiment.py by_name"),
    Mutant("numpy numbers have keys of their own", "experiment.py", "value.item() if isinstance(value, np.generic)", "value if isinstance(value, np.generic)",
           "test_experiment.py whatever_type"),
    Mutant("floats are divided by 255", "data.py", "whole = 255 if jnp.issubdtype(images.dtype, jnp.integer) else 1", "whole = 255", "test_training.py floats_of"),
    Mutant("the kernel's gradient out of order", "kernels.py", '"kernel": ("CHWN", "IHWO", "HWNC")', '"kernel": ("NHWC", "HWIO", "NHWC")', "test_kernels.py order_that"),
    Mutant("the input's gradient out of order", "kernels.py", '"input": ("NHWC", "HWOI", "NHWC")', '"input": ("NHWC", "HWIO", "NHWC")', "test_kernels.py order_that"),
    # layers
    Mutant("keep factors swapped", "networks.py", 'OLD_SHARE = {"batch": 0.9, "ema": 0.1}', 'OLD_SHARE = {"batch": 0.1, "ema": 0.9}', "test_batchnorm.py"),
    Mutant("batch statistics in test mode", "networks.py", 'batch if train and mode == "batch" else stats',
           'batch if mode == "batch" else stats', "test_batchnorm.py test_mode"),
    Mutant("batch mode normalises by the running statistics", "networks.py", 'batch if train and mode == "batch" else stats',
           "stats", "test_batchnorm.py closed"),
    Mutant("statistics mixed in test mode", "networks.py", "    if train:\n        axes", "    if True:\n        axes", "test_batchnorm.py test_mode"),
    Mutant("standard deviation for the variance", "networks.py", '"var": z.var(axes)', '"var": z.std(axes)', "test_batchnorm.py closed"),
    Mutant("pool dropped", "networks.py", "(max_pool2(z) if self.pool else z)", "z", "test_layers.py block_is"),
    Mutant("pool before the activation", "networks.py",
           "        z = ACTIVATIONS[self.activation](z)\n        return (max_pool2(z) if self.pool else z), stats",
           "        z = max_pool2(z) if self.pool else z\n        return ACTIVATIONS[self.activation](z), stats", "test_layers.py block_is"),
    Mutant("fan-in without the window", "networks.py", "(3, 3, x.shape[-1], self.features), 9 * x.shape[-1]",
           "(3, 3, x.shape[-1], self.features), x.shape[-1]", "test_layers.py uniform"),
    Mutant("bound twice as wide", "networks.py", "fan_in ** -0.5", "2 * fan_in ** -0.5", "test_layers.py uniform"),
    Mutant("a key for all layers", "layers.py", "jax.random.fold_in(key, number)", "key", "test_layers.py keys"),
    Mutant("predictions from the layer itself", "layers.py", "nodes = (x, *activities)\n", "nodes = (*activities, x)\n",
           "test_layers.py layer_below"),
    Mutant("last padding of VGG5", "networks.py", '"128 P 256 P 512 P 512 P", (1, 1, 1, 0)', '"128 P 256 P 512 P 512 P", (1, 1, 1, 1)',
           "test_layers.py architectures"),
    Mutant("muPC without the depth in its scale", "networks.py", "(width * (depth + 1)) ** -0.5", "width ** -0.5", "test_mupc.py any_depth"),
    Mutant("muPC's readout by the root of its width", "networks.py", "PreActivation(classes, 1 / width,", "PreActivation(classes, width ** -0.5,",
           "test_mupc.py published_equations"),
    Mutant("muPC activates its input", "networks.py", 'PreActivation(width, None, "identity", False)', "PreActivation(width, None, activation, False)",
           "test_mupc.py published_equations"),
    Mutant("muPC without skips", "networks.py", "return x + product if self.skip else product", "return product", "test_mupc.py published_equations"),
    Mutant("muPC counts the readout as hidden", "experiment.py", "return mupc(depth, width,", "return mupc(depth - 1, width,", "test_mupc.py name_tells"),
    Mutant("a muPC network is judged as one without skips", "protocol.py", ' or str(exp.model).startswith("mupc")', "", "test_mupc.py name_tells"),
    Mutant("PC in muPC networks gets the rate of others", "paper/profiles.py", 'dict(learning_rate=1e-2)) | {f"PC {model}": settings for model, settings in told.items()}',
           "dict(learning_rate=1e-2))", "test_items.py mupc_networks"),
    Mutant("a skip left out", "networks.py", "return mu + z[1], stats", "return mu, stats", "test_layers.py graph or skip"),
    Mutant("a layer has an error only when it has moved", "layers.py", "if moved & {number, *self.reads(number)}", "if number in moved",
           "test_layers.py in_a_graph"),
    Mutant("the first error from the farthest reader", "layers.py", "nearest = lambda node: min(readers(node)", "nearest = lambda node: max(readers(node)",
           "test_inference.py rows"),
    Mutant("a cycle allowed", "layers.py", "if max(nodes) >= number:", "if False:", "test_layers.py graph"),
    Mutant("an unread layer allowed", "layers.py", "    if unread:\n", "    if False:\n", "test_layers.py graph"),
    Mutant("module left in training", "layers.py", "module.train() if train else module.eval()", "module.train()", "test_layers.py plain_trees"),
]


def copy(folder: Path, tests: str) -> None:
    """The library and its tests, without anything else of the checkout, to run `tests`."""
    for name in ("pc_precision", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "nbs").symlink_to(ROOT / "nbs")                # tests of what notebooks train read them
    if not tests.startswith("test_cli"):                     # the submodules are under test; the package would import all of them every time
        (folder / "pc_precision/__init__.py").write_text("")
    (folder / "conftest.py").write_text(
        "from pathlib import Path\n\nimport pc_precision\n\n"
        "assert Path(pc_precision.__file__).parent.parent == Path(__file__).parent, 'another copy is imported'\n")
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n")


def wherever_it_breaks(code: str) -> str:
    """A pattern that finds the code whatever white space stands between its words and signs."""
    indent, end = r"[ \t]*" * code.startswith(" "), r"[ \t]*\n" * code.endswith("\n")
    return indent + r"\s*".join(map(re.escape, re.findall(r"\w+|\S", code))) + end


def mutate(folder: Path, mutant: Mutant) -> None:
    path = folder / "pc_precision" / mutant.file
    text, times = re.subn(wherever_it_breaks(mutant.old), lambda _: mutant.new, path.read_text())
    if times != mutant.times:
        raise SystemExit(f"{mutant.name}: expected {mutant.times} x in {mutant.file}, found {times}: {mutant.old!r}")
    path.write_text(text)


def run(folder: Path, tests: list[str]) -> tuple[int, str]:
    """Exit status of pytest (0 passed, 1 failed) and the last lines it printed."""
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests], cwd=folder,
                          env=environment, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr)[-2000:]


def arguments(tests: str) -> list[str]:
    file, _, expression = tests.partition(" ")
    return [f"tests/{file}", *(["-k", expression] if expression else [])]


def verdict(mutant: Mutant) -> tuple[str, bool]:
    """One line, and whether the tests caught the mutant."""
    start = time.time()
    with tempfile.TemporaryDirectory() as name:
        copy(Path(name), mutant.tests)
        mutate(Path(name), mutant)
        status, output = run(Path(name), arguments(mutant.tests))
    caught = status == 1 and re.search(r"\d+ failed", output) is not None and "error" not in output.splitlines()[-1]
    word = "caught" if caught else "MISSED" if status == 0 else f"BROKEN (pytest exit {status})\n{output}\n"
    return f"{word}  {mutant.file:14} {mutant.name}  ({time.time() - start:.0f} s)", caught


def baseline(mutants: list[Mutant]) -> None:
    """Stop unless all tests that are about to be used pass on the untouched copy."""
    expressions: dict[str, set] = {}
    for mutant in mutants:
        file, _, expression = mutant.tests.partition(" ")
        expressions.setdefault(file, set()).add(expression)
    with tempfile.TemporaryDirectory() as name:
        for file, used in sorted(expressions.items()):
            copy(Path(name) / file, file)
            status, output = run(Path(name) / file, arguments(file if "" in used else f"{file} {' or '.join(sorted(used))}"))
            if status:
                raise SystemExit(f"tests/{file} must pass before anything is mutated\n{output}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="mutants whose name or file contains one of these words")
    parser.add_argument("--list", action="store_true", help="names alone")
    options = parser.parse_args()
    chosen = [m for m in MUTANTS if not options.only or any(word in f"{m.name} {m.file}" for word in options.only)]
    if not chosen:
        parser.error(f"no mutant is called {' or '.join(options.only)}; --list names them")
    if options.list:
        print("\n".join(f"{m.file:14} {m.name}" for m in chosen))
        return 0
    with tempfile.TemporaryDirectory() as name:              # all must apply, before the first minutes are spent
        for i, mutant in enumerate(chosen):
            copy(Path(name) / str(i), mutant.tests)
            mutate(Path(name) / str(i), mutant)
    start, missed = time.time(), 0
    baseline(chosen)
    print(f"the untouched copy passes ({time.time() - start:.0f} s)", flush=True)
    with ThreadPoolExecutor(2) as pool:
        for line, caught in pool.map(verdict, chosen):
            missed += not caught
            print(line, flush=True)
    print(f"{len(chosen) - missed} caught, {missed} missed, {time.time() - start:.0f} s")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
