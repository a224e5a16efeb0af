import tempfile
import pc_precision as pc

base = pc.Experiment(model="mlp-16", algorithm="PC", limit=64, batch_size=32, epochs=1)
space = pc.runs.space(base, T=[2], activation=["gelu"])
plan = pc.runs.Search(base, trials=3, space=space)
with tempfile.TemporaryDirectory() as folder:
    pc.search(plan, folder, progress=False)
    trials = pc.runs.read_trials(f"{folder}/{plan.name}.csv")
print(len(trials), "trials:", trials.columns[:4].tolist(), "...")
print(f"momentum: {trials['momentum'].tolist()}")

# prints
# 3 trials: ['number', 'state', 'value', 'activation'] ...
# momentum: [0.2, 1.0, 1.0]
