import tempfile
import pc_precision as pc

small = dict(model="mlp-32-32", limit=128, batch_size=16, epochs=2)
runs = [pc.Experiment(algorithm="S+F", reading=reading, **small)
        for reading in ("activity", "energy")]
with tempfile.TemporaryDirectory() as store:
    frame = pc.results(runs, store, progress=False)
print(frame["algorithm"].unique().tolist())
print(pc.paper.by_row(frame)["algorithm"].unique().tolist())

# prints
# ['S+F']
# ['S+F (activity)', 'S+F (energy)']
