import tempfile
import pc_precision as pc

runs = [pc.Experiment(model="mlp-32-32", seed=seed, limit=128, batch_size=16, epochs=1)
        for seed in (0, 1)]
with tempfile.TemporaryDirectory() as store:
    pc.results(runs[:1], store, progress=False)
    frame = pc.runs.kept(runs, store)   # trains nothing
print("seeds that are there:", frame["seed"].unique().tolist())

# prints
# seeds that are there: [0]
