import pc_precision as pc
from pc_precision.paper import Box

boxes = {"clamp": Box(0.2, 0.1, 2.0, 0.6, "Clamp", "the output is the label"),
         "infer": Box(3.2, 0.1, 2.0, 0.6, "Infer", "the activities move", "orange")}
chart = pc.paper.flow_chart(boxes, [("clamp.right", "infer.left", "then")], height=0.8)
print([text.get_text() for text in chart.axes[0].texts])

# prints
# ['Clamp', 'the output is the label', 'Infer', 'the activities move', '', 'then']
