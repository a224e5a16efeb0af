import jax
import pc_precision as pc

def halved(solver):
    inner = pc.cone(solver, growing=False)
    step = lambda net, p, x, s, row: inner.step(net, p, x, s, (row[0], row[1] / 2))
    return pc.Inference(inner.init, step, inner.read)

net, key = pc.mlp([8, 8], 3), jax.random.key(0)
x, y = jax.random.normal(key, (4, 5)), jax.nn.one_hot(jax.numpy.arange(4) % 3, 3)
params, stats = net.init(key, x)
settled = pc.relax(net, params, stats, x, y, pc.Constant()(4, 3), inference=halved)
print(type(settled).__name__, settled.energies.shape)

# prints
# Settled (5, 3)
