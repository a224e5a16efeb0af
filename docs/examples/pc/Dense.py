import jax
import pc_precision as pc

info, train, _, _ = pc.load("digits", limit=64)
x = pc.data.normalise(train.images, info.mean, info.std)
layer = pc.Dense(32, activation="tanh")
params, stats = layer.init(jax.random.key(0), x)
mu, _ = layer.apply(params, stats, x)
print(x.shape, "->", mu.shape)
print("kernel", params["kernel"].shape, "bias", params["bias"].shape)

# prints
# (64, 32, 32, 1) -> (64, 32)
# kernel (1024, 32) bias (32,)
