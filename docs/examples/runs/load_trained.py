import tempfile
import pc_precision as pc

exp = pc.Experiment(model="mlp-32-32", limit=128, batch_size=16, epochs=2)
with tempfile.TemporaryDirectory() as store:
    pc.results([exp], store, keep=True, progress=False)
    net, params, stats = pc.runs.load_trained(exp, store)
print(len(net), "layers:", [layer["kernel"].shape for layer in params])

# prints
# 3 layers: [(1024, 32), (32, 32), (32, 10)]
