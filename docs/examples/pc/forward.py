import jax
import optax
import pc_precision as pc

info, train, _, _ = pc.load("digits", limit=64)
x = pc.data.normalise(train.images, info.mean, info.std)
net, y = pc.mlp([32, 32]), jax.nn.one_hot(train.labels, info.classes)
params, stats = net.init(jax.random.key(0), x)
settled = pc.relax(net, params, stats, x, y, pc.Spiking(0.1)(T=3, L=3), x_step=0.1)
grads, _ = pc.weight_gradient(net, params, stats, x, settled, pc.forward)
loss = lambda p: pc.total_energy((y - pc.feedforward(net, p, stats, x)[0][-1],))
for one, bp in zip(grads, jax.grad(loss)(params)):  # cosine with BP
    print(f"{optax.cosine_similarity(one['kernel'].ravel(), bp['kernel'].ravel()):.3f}")

# prints
# 1.000
# 1.000
# 1.000
