import tempfile
import pc_precision as pc

small = dict(model="mlp-32-32", limit=128, batch_size=16, epochs=2)
runs = tuple(pc.Experiment(algorithm=name, **small) for name in ("BP", "S+F"))
with tempfile.TemporaryDirectory() as store:
    left = pc.runs.start(pc.runs.Job(runs, store, time_limit="5m"))
print([exp.algorithm for exp in left.done])

# prints
# digits mlp-32-32 S+F seed 0
#   finished
# digits mlp-32-32 BP seed 0
#   finished
# the end: 2 done, 0 to do
# ['S+F', 'BP']
