import tempfile
import pc_precision as pc

base = pc.Experiment(model="mlp-16", algorithm="PC", limit=64, batch_size=32, epochs=1)
space = pc.runs.space(base, T=[2], activation=["gelu"])
plan = pc.runs.Search(base, trials=3, space=space)
with tempfile.TemporaryDirectory() as folder:
    pc.search(plan, folder, progress=False)
    found = pc.runs.load_best(f"{folder}/{plan.name}.json")
    frame = pc.results([base, found], folder, progress=False)
    table = pc.paper.found_table([plan], folder, frame)
print(table.droplevel(["dataset", "model"])[["T", "x_step", "momentum"]])

# prints
#                     T  x_step momentum
# algorithm settings
# PC        default   2  0.0235      0.3
#           found     2   0.783        1
