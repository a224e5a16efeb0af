import tempfile
import pc_precision as pc

base = pc.Experiment(model="mlp-16", algorithm="PC", limit=64, batch_size=32, epochs=1)
space = pc.runs.space(base, T=[2], activation=["gelu"])
plan = pc.runs.Search(base, trials=3, space=space)
with tempfile.TemporaryDirectory() as folder:
    trials = pc.search(plan, folder, progress=False)
    exp = pc.runs.load_best(f"{folder}/{plan.name}.json")
best = trials.loc[trials["value"].idxmax()]
print(exp.algorithm, exp.model, "with", f"{exp.x_step:.1f}", f"{best['x_step']:.1f}")

# prints
# PC mlp-16 with 0.8 0.8
