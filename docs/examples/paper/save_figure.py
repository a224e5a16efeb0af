import tempfile
import pc_precision as pc

figure, axes = pc.paper.page_figure()
axes[0, 0].plot([1, 2, 3], [0.1, 0.5, 0.9])
with tempfile.TemporaryDirectory() as folder:
    paths = pc.paper.save_figure(figure, folder, "accuracy")
    print([path.name for path in paths], all(path.stat().st_size for path in paths))

# prints
# ['accuracy.png', 'accuracy.svg'] True
