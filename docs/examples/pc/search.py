import tempfile
import pc_precision as pc

base = pc.Experiment(model="mlp-16", algorithm="PC", limit=64, batch_size=32, epochs=1)
space = pc.runs.space(base, T=[2], activation=["gelu"])
plan = pc.runs.Search(base, trials=3, space=space)
with tempfile.TemporaryDirectory() as folder:
    trials = pc.search(plan, folder, progress=False)
print(trials[["number", "state", "x_step", "momentum", "outcome"]].round(3))

# prints
#    number     state  x_step  momentum   outcome
# 0       0  COMPLETE   0.081       0.2  finished
# 1       1  COMPLETE   0.783       1.0  finished
# 2       2  COMPLETE   0.093       1.0  finished
