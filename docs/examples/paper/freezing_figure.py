import textwrap
import pc_precision as pc

# in a clone: results/ holds the runs of Figure 7 at the profile smoke
runs = pc.paper.items("fig7", "smoke", models="vgg5", algorithms=["BP", "S+F"])
figure = pc.paper.freezing_figure(pc.runs.kept(runs, "results"))
print(textwrap.fill(figure.get_label(), 80))

# prints
# Bars of test accuracy by kind of BatchNorm. digits, vgg5, without BatchNorm: BP
# 94 %, S+F 95 %. digits, vgg5, BatchNorm Freezing, batch statistics: BP 96 %, S+F
# 93 %. digits, vgg5, BatchNorm, batch statistics: S+F 92 %. digits, vgg5,
# BatchNorm Freezing, running average: BP 96 %, S+F 94 %. digits, vgg5, BatchNorm,
# running average: S+F 90 %.
