import tempfile
import pc_precision as pc

small = dict(model="mlp-32-32", limit=128, epochs=2)
runs = [pc.Experiment(batch_size=size, **small) for size in (16, 500)]
with tempfile.TemporaryDirectory() as store:
    left = pc.runs.work(runs, store, say=lambda line: None)
print(left)
for exp, sentence in left.failed.items():
    print(f"batch_size {exp.batch_size}:", sentence.partition(": ")[0])

# prints
# 1 done, 0 to do, 1 failed
# batch_size 500: 128 training images do not fill one batch of 500
