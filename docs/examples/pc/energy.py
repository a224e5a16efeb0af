import jax.numpy as jnp
import pc_precision as pc

errors = (jnp.ones((2, 4)), jnp.ones((2, 3)))            # two samples, two layers
print(pc.energy(errors))
print("a small covariance weighs:", pc.energy(errors, covariance=jnp.array([0.1, 1.0])))

# prints
# 3.5
# a small covariance weighs: 21.5
