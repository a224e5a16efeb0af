import jax
import optax
import pc_precision as pc

net, sgd = pc.mlp([8, 8], 3), optax.sgd(0.1)
x = jax.random.normal(jax.random.key(0), (4, 5))
params, stats = net.init(jax.random.key(1), x)
output = pc.Output(jax.nn.one_hot(jax.numpy.arange(4) % 3, 3))
method = pc.Algorithm(pc.cone(optax.sgd(0.1)), pc.Constant(), pc.pc, T=3)
learned = pc.learn(method, sgd, net, params, stats, sgd.init(params), x, output)
print(type(learned).__name__, *learned._fields)
print("error of each layer:", [f"{float(abs(e).max()):.0e}" for e in learned.errors])

# prints
# Learned params stats optimiser settled errors
# error of each layer: ['5e-03', '1e-01', '9e-01']
