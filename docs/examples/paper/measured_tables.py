import tempfile
import pc_precision as pc

exp = pc.Experiment(model="mlp-32-32", limit=128, batch_size=16, epochs=1)
with tempfile.TemporaryDirectory() as store:
    pc.results([exp], store, progress=False)
    found = pc.paper.measured_tables({"mine": [exp]}, pc.runs.Store(store).runs())
for device, table in found.items():     # its name would stand here
    print(table.index.tolist(), table.columns.tolist(), (table["S+F"] < 0.1).all())

# prints
# [('mine', 'mlp-32-32'), ('mine', 'all')] ['runs', 'S+F', 'all'] True
