import pc_precision as pc

for plan in pc.paper.plans("table5", "smoke", models="vgg5", trials=8):
    print(plan.name, "trials:", plan.trials)
print("Table 1 searches:", pc.paper.plans("table1", "smoke"))

# prints
# digits_vgg5_PC_none_d4517275 trials: 8
# digits_vgg5_S+F_none_6db7ac6d trials: 8
# Table 1 searches: []
