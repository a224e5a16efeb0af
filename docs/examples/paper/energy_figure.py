import tempfile
import pc_precision as pc

small = dict(limit=128, batch_size=16, epochs=2)
runs = pc.paper.grid("smoke", models="mlp-32-32", algorithms=["BP", "PC"],
                     batch_norms="none", seeds=0, **small)
with tempfile.TemporaryDirectory() as store:
    frame = pc.results(runs, store, progress=False)
figure = pc.paper.energy_figure(frame)
print(figure.get_suptitle(), [ax.get_title() for ax in figure.axes[:2]])
print([ax.get_ylabel() for ax in figure.axes[:8:2]])

# prints
# MLP-32-32, digits ['BP', 'PC']
# ['energy of a layer', 'share (%)', 'loss', 'accuracy (%)']
