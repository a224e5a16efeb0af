import pc_precision as pc

model = pc.Named("two-tanh", lambda outputs: pc.mlp([16, 16], outputs, "tanh"))
exp = pc.Experiment(model=model, algorithm="PC")
print(exp.model, "has", exp.layers, "layers")
other = pc.Experiment(model=pc.Named("two-tanh", pc.mlp([99, 99])), algorithm="PC")
print("the name alone decides the key:", exp.key == other.key)

# prints
# two-tanh has 3 layers
# the name alone decides the key: True
