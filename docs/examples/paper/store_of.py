from pathlib import Path
import pc_precision as pc

print(pc.paper.store_of("table1", "results") == Path("results"))
timed = pc.paper.store_of("table6", "results")           # seconds of each device apart
print(timed.parent == Path("results"), len(timed.parts))

# prints
# True
# True 2
