import jax
import optax
import pc_precision as pc

net, x = pc.mlp([8, 8], 2), jax.numpy.array([[1.0, -1.0, 0.5]])
params, stats = net.init(jax.random.key(0), x)
y, table = jax.numpy.array([[1.0, 0.0]]), pc.Constant()(T=20, L=3)
# the light cone refuses decay
decay = lambda solver: pc.dense_inference(optax.adamw(0.01))
settled = pc.relax(net, params, stats, x, y, table, inference=decay)
print("energy:", [f"{energy:.2f}" for energy in settled.energies.sum(1)[::10]])

# prints
# energy: ['0.48', '0.33', '0.28']
