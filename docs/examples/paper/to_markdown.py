import pandas as pd
import pc_precision as pc

table = pd.DataFrame({"algorithm": ["PC", "S+F"], "top1": [0.16, 0.93]})
print(pc.paper.to_markdown(table))

# prints
# | algorithm | top1 |
# | --- | --- |
# | PC | 0.16 |
# | S+F | 0.93 |
