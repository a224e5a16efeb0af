import tempfile
import pc_precision as pc

small = dict(limit=128, batch_size=16, epochs=2)
runs = pc.paper.grid("smoke", models="mlp-32-32", algorithms=["PC", "PC-CN"],
                     batch_norms="none", seeds=0, **small)
with tempfile.TemporaryDirectory() as store:
    frame = pc.results(runs, store, progress=False)
figure = pc.paper.nudging_figure(frame)
print(figure.get_label().partition(".")[0])
print([text.get_text() for text in figure.legends[0].get_texts()])

# prints
# Bars of test accuracy, with centre nudging (-CN) hatched
# ['PC', 'with centre nudging (-CN)']
