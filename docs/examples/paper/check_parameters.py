import pc_precision as pc

before = ["pc"]                         # names of the notebook before its parameters
names = {"pc": pc, "__annotations__": {"seeds": list}, "seeds": [0], "sedes": [1, 2]}
try:
    pc.paper.check_parameters(names, before)
except ValueError as error:
    print(error)

# prints
# unknown parameter 'sedes': did you mean 'seeds'? Allowed: seeds
