import tempfile
import pc_precision as pc

base = pc.Experiment(model="mlp-16", algorithm="PC", limit=64, batch_size=32, epochs=1)
space = pc.runs.space(base, T=[2], activation=["gelu"])
plan = pc.runs.Search(base, trials=6, space=space)
with tempfile.TemporaryDirectory() as folder:
    trials = pc.search(plan, folder, progress=False)
shares = pc.runs.importances(plan, trials)
print(sorted(shares), f"sum {sum(shares.values()):.1f}")

# prints
# ['learning_rate', 'momentum', 'weight_decay', 'x_step'] sum 1.0
