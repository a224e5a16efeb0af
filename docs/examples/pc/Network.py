import jax
import pc_precision as pc

chain = pc.Network((pc.Block(4, pool=True), pc.Dense(16), pc.Dense(10, "identity")))
params, _ = chain.init(jax.random.key(0), jax.numpy.ones((1, 32, 32, 1)))
print([layer["kernel"].shape for layer in params])
layers = (pc.Dense(16), pc.Dense(16), pc.networks.Residual(pc.Dense(16)), pc.Dense(10))
graph = pc.Network(layers, parents=(0, 1, (2, 1), 3))    # layer 3 reads 2 and 1
print("steps until the error arrives:", chain.distance, graph.distance)

# prints
# [(3, 3, 1, 4), (1024, 16), (16, 10)]
# steps until the error arrives: (2, 1, 0) (2, 2, 1, 0)
