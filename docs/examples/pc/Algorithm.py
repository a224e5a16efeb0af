import jax
import optax
import pc_precision as pc

info, train, _, _ = pc.load("digits", limit=64)
x = pc.data.normalise(train.images, info.mean, info.std)
y = pc.Output(jax.nn.one_hot(train.labels, info.classes))
net, adam, adamw = pc.mlp([32, 32]), optax.adam(0.01), optax.adamw(1e-3)
params, stats = net.init(jax.random.key(0), x)
mine = pc.Algorithm(pc.error_coordinates(adam), pc.Constant(), pc.forward, T=5)
learned = pc.learn(mine, adamw, net, params, stats, adamw.init(params), x, y)
for number, energy in enumerate(learned.settled.energies[-1], 1):
    print(f"energy of layer {number}: {energy:.3f}")

# prints
# energy of layer 1: 0.016
# energy of layer 2: 0.032
# energy of layer 3: 0.433
