import jax
import optax
import pc_precision as pc

info, train, _, _ = pc.load("digits", limit=64)
x = pc.data.normalise(train.images, info.mean, info.std)
y = pc.Output(jax.nn.one_hot(train.labels, info.classes))
net, adamw = pc.mlp([32, 32]), optax.adamw(1e-3)
params, stats = net.init(jax.random.key(0), x)
s_f = pc.Algorithm(pc.cone(optax.sgd(0.1)), pc.Spiking(alpha=0.1), pc.forward, T=3)
learned = pc.learn(s_f, adamw, net, params, stats, adamw.init(params), x, y)
loss = lambda p: pc.total_energy((y.y - pc.feedforward(net, p, stats, x)[0][-1],))
print(f"loss before {loss(params):.2f}, after one batch {loss(learned.params):.2f}")

# prints
# loss before 0.59, after one batch 0.50
