import tempfile
import pc_precision as pc

exp = pc.Experiment(model="mlp-32-32", limit=128, batch_size=16, epochs=1)
with tempfile.TemporaryDirectory() as folder:
    store = pc.runs.Store(folder)
    pc.results([exp], store, progress=False)
    print(store.path(exp).name)
    print(len(store.files()), "file, the run is", store.get(exp)["outcome"])
    print(store.pack(f"{folder}/home.zip"), "result packed")

# prints
# digits_mlp-32-32_S+F_none_s0_0ce80dc18f83460d.json
# 1 file, the run is finished
# 1 result packed
