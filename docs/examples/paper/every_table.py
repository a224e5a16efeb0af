import pc_precision as pc

for name, runs in pc.paper.every_table("smoke").items():
    networks = dict.fromkeys(exp.model for exp in runs)
    print(f"{name:9}{len(runs):4} runs of {len(networks)} networks")

# prints
# fig2        4 runs of 1 networks
# fig4      102 runs of 3 networks
# fig5        8 runs of 2 networks
# fig6       14 runs of 3 networks
# fig7       46 runs of 2 networks
# mupc       18 runs of 3 networks
# resnet18    8 runs of 2 networks
# rivals     84 runs of 4 networks
# table1    117 runs of 4 networks
# table2      4 runs of 1 networks
# table6      9 runs of 3 networks
# verdicts  138 runs of 3 networks
