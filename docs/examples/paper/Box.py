import pc_precision as pc

box = pc.paper.Box(0.2, 0.3, 2.0, 0.6, "Inference", "the activities move", "orange")
print("from the middle of the right side:", box.edge("right"))
print("to the middle of the left one:    ", box.edge("left"))

# prints
# from the middle of the right side: (2.2, 0.6)
# to the middle of the left one:     (0.2, 0.6)
