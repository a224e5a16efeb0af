import pc_precision as pc

schedule = pc.Constant(2.0)
print(schedule(T=4, L=3))               # a row a step, a column a layer

# prints
# [[2. 2. 2.]
#  [2. 2. 2.]
#  [2. 2. 2.]
#  [2. 2. 2.]]
