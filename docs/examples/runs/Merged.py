import tempfile
import pc_precision as pc

exp = pc.Experiment(model="mlp-32-32", limit=128, batch_size=16, epochs=1)
with tempfile.TemporaryDirectory() as folder:
    pc.results([exp], f"{folder}/away", progress=False)
    home = pc.runs.Store(f"{folder}/home")
    for _ in range(2):
        merged = home.merge([f"{folder}/away"])
        print(merged.new, "new,", merged.there, "there already")

# prints
# 1 new, 0 there already
# 0 new, 1 there already
