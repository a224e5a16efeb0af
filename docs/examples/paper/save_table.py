import tempfile
from pathlib import Path
import pc_precision as pc

table = pc.paper.space_table(models=["vgg5"]).tail(2)
with tempfile.TemporaryDirectory() as folder:
    pc.paper.save_table(table, folder, "space", caption="What is searched.")
    print(sorted(path.name for path in Path(folder).iterdir()))
    print(Path(folder, "space.md").read_text().strip())

# prints
# ['space.csv', 'space.md']
# What is searched.
#
# | parameter | predictive coding | BP | searched by |
# | --- | --- | --- | --- |
# | weight_decay | (1e-05, 0.01) | (1e-05, 0.01) | all |
# | T (VGG5) | [5, 6, 7, 8] | - | all but BP |
