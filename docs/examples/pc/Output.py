import jax.numpy as jnp
import pc_precision as pc
from pc_precision.energy import LOSSES

mu, y = jnp.array([[0.2, 0.8]]), jnp.array([[1.0, 0.0]])
for beta in (1.0, 0.5, -0.5):
    print(f"{beta:4}", pc.Output(y, beta).displacement(mu))
charged = pc.Output(y, loss=LOSSES["cross_entropy"])
print("cross-entropy, of a softmax:", f"{charged.displacement(mu)[0, 0]:.2f}")

# prints
#  1.0 [[ 0.8 -0.8]]
#  0.5 [[ 0.4 -0.4]]
# -0.5 [[-0.4  0.4]]
# cross-entropy, of a softmax: 0.65
