import jax
import pc_precision as pc

info, train, _, _ = pc.load("digits", limit=64)
x = pc.data.normalise(train.images, info.mean, info.std)
block = pc.Block(8, pool=True, activation="relu", batch_norm="batch")
params, stats = block.init(jax.random.key(0), x)
mu, after = block.apply(params, stats, x)
print(x.shape, "->", mu.shape)
print("parameters", sorted(params), "statistics", sorted(after))

# prints
# (64, 32, 32, 1) -> (64, 16, 16, 8)
# parameters ['bias', 'kernel', 'scale', 'shift'] statistics ['mean', 'var']
