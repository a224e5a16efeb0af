import pc_precision as pc

# in a clone: `make devices` wrote results/devices/programs.csv
programs = pc.paper.compiled_programs()
print(programs["device"].unique().tolist(), programs["program"].unique().tolist())
print("convolutions for which cuDNN has no program:", int(programs["fell_back"].sum()))

# prints
# ['NVIDIA H100', 'TPU v5e'] ['evaluate', 'train']
# convolutions for which cuDNN has no program: 0
