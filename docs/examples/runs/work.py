import tempfile
import pc_precision as pc

small = dict(model="mlp-32-32", limit=128, batch_size=16, epochs=2)
runs = [pc.Experiment(algorithm=name, **small) for name in ("BP", "S+F")]
with tempfile.TemporaryDirectory() as store:
    pc.runs.work(runs, store)           # the most informative runs first
    again = pc.runs.work(runs, store)
print("the second time:", again)

# prints
# digits mlp-32-32 S+F seed 0
#   finished
# digits mlp-32-32 BP seed 0
#   finished
# the second time: 0 done, 0 to do
