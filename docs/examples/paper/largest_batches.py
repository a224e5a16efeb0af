import pc_precision as pc

# in a clone: `make devices` wrote results/devices/programs.csv
programs = pc.paper.compiled_programs()
table = pc.paper.largest_batches(programs, gigabytes=[16, 80])
print(table.loc[("cifar10", "vgg5")].head(4).round(-2))

# prints
#                                   batch in 16 GB  batch in 80 GB
# algorithm batch_norm device
# BP        none       NVIDIA H100            6200           31500
# PC        none       NVIDIA H100            4000           20300
# S+F       none       NVIDIA H100            4200           21300
# iPC       none       NVIDIA H100            5600           28600
