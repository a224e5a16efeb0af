import tempfile
import pc_precision as pc

exp = pc.Experiment(model="mlp-32-32", limit=128, batch_size=16, epochs=2)
with tempfile.TemporaryDirectory() as store:
    pc.results([exp], store, keep=True, progress=False)
    trained = pc.runs.load_trained(exp, store)
info, _, _, test = pc.load("digits")
outputs = pc.runs.predict(*trained, test.images, info)
print(outputs.shape, f"{(outputs.argmax(1) == test.labels).mean():.1f} right")

# prints
# (360, 10) 0.4 right
