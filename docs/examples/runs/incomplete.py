import tempfile
import pc_precision as pc

runs = [pc.Experiment(model="mlp-32-32", seed=seed, limit=128, batch_size=16, epochs=1)
        for seed in (0, 1, 2)]
with tempfile.TemporaryDirectory() as store:
    pc.results(runs[:2], store, progress=False)
    table = pc.runs.incomplete(runs, store)
print(table[["model", "algorithm", "there", "missing"]])

# prints
#        model algorithm   there missing
# 0  mlp-32-32       S+F  [0, 1]     [2]
