import tempfile
import textwrap
import pc_precision as pc

small = dict(limit=128, batch_size=16, epochs=2)
runs = pc.paper.grid("smoke", models="mlp-32-32", algorithms="BP", batch_norms="none",
                     seeds=0, **small)
with tempfile.TemporaryDirectory() as store:
    frame = pc.results(runs, store, progress=False)
text = pc.paper.caption(frame, "Test accuracy", "smoke")
print(textwrap.fill(text.replace(frame["device"][0], "this computer"), 80))

# prints
# Test accuracy (%), profile smoke: one seed; epoch chosen by validation accuracy
# among at most 2; this computer; nobody searched the settings of any cell
# (untuned).
