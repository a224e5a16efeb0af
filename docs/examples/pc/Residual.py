import jax
import pc_precision as pc

info, train, _, _ = pc.load("digits", limit=64)
x = pc.data.normalise(train.images, info.mean, info.std)
layers = (pc.Dense(16), pc.Dense(16), pc.Residual(pc.Dense(16)), pc.Dense(10))
net = pc.Network(layers, parents=(0, 1, (2, 1), 3))      # layer 3 reads 2, adds 1
params, stats = net.init(jax.random.key(0), x)
activities, _ = pc.feedforward(net, params, stats, x)
mu, _ = layers[2].layer.apply(params[2], {}, activities[1])
print(bool((abs(activities[2] - (mu + activities[0])) < 1e-6).all()))

# prints
# True
