import pc_precision as pc

# in a clone: `make devices` wrote results/devices/programs.csv
programs = pc.paper.compiled_programs()
table = pc.paper.by_device(programs, "memory_mb")
print(table.loc["cifar10"].head(4).round(-2))

# prints
# device                      NVIDIA H100  TPU v5e
# model algorithm batch_norm
# vgg5  BP        none              600.0   1100.0
#       PC        none              700.0   1100.0
#       S+F       none              700.0   1200.0
#       iPC       none              600.0   1200.0
