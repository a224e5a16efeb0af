import tempfile
import pc_precision as pc

exp = pc.Experiment(model="mlp-32-32", limit=128, batch_size=16, epochs=2)
with tempfile.TemporaryDirectory() as store:
    pc.results([exp], store, keep=True, progress=False)
    trained = pc.runs.load_trained(exp, store)
data = pc.load("digits")
found = pc.runs.metrics(*trained, data.test, data.info)
print({name: round(value, 1) for name, value in found.items()})

# prints
# {'loss': 0.4, 'top1': 0.4}
