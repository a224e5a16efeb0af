import tempfile
import pc_precision as pc

base = pc.Experiment(model="mlp-16", algorithm="PC", limit=64, batch_size=32, epochs=1)
space = pc.runs.space(base, T=[2], activation=["gelu"])
plan = pc.runs.Search(base, trials=3, space=space)
with tempfile.TemporaryDirectory() as folder:
    pc.search(plan, folder, progress=False)
    best = pc.runs.read_best(f"{folder}/{plan.name}.json")
print(best["trials"], best["sampler"]["name"])
print(f"x_step {best['experiment']['x_step']:.1f}: {best['objective']:.1f} right")

# prints
# {'finished': 3, 'pruned': 0, 'failed': 0, 'diverged': 0} TPE
# x_step 0.8: 0.2 right
