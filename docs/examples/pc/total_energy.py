import jax.numpy as jnp
import pc_precision as pc

errors = (jnp.ones((2, 4)), jnp.ones((2, 3)))            # two samples, two layers
print(pc.total_energy(errors))
weighted = pc.total_energy(errors, covariance=jnp.array([0.1, 1.0]))
print("a small covariance weighs:", weighted)

# prints
# 3.5
# a small covariance weighs: 21.5
