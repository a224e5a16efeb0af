import jax
import pc_precision as pc

def bits(mu, target):
    return (jax.nn.softplus(mu) - target * mu).sum(-1)

bernoulli = pc.Loss("bernoulli", jax.nn.sigmoid, bits)
mu, y = jax.numpy.array([[-2.0, 0.0, 2.0]]), jax.numpy.array([[0.0, 1.0, 1.0]])
print("cost           ", bernoulli.cost(mu, y).round(3))
print("error          ", pc.Output(y, loss=bernoulli).displacement(mu).round(3))
print("minus the slope", -jax.grad(lambda mu: bits(mu, y).sum())(mu).round(3))

# prints
# cost            [0.947]
# error           [[-0.119  0.5    0.119]]
# minus the slope [[-0.119  0.5    0.119]]
