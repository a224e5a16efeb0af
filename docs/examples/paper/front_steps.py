import pc_precision as pc

print("the error of layers 1 to 5 at step", pc.paper.front_steps(5))
print("the activities move at step", pc.paper.front_steps(5, "activity"))

# prints
# the error of layers 1 to 5 at step [4. 3. 2. 1. 0.]
# the activities move at step [ 3.  2.  1.  0. nan]
