import tempfile
import textwrap
import pc_precision as pc

plan = pc.runs.Search(pc.Experiment(model="vgg5", algorithm="S+F"), trials=50)
cluster = pc.runs.Cluster(gpus=1, address="localhost:1")
with tempfile.TemporaryDirectory() as folder:
    try:
        pc.runs.search_on(cluster, plan, pc.runs.Order(folder), workers=8)
    except ConnectionError as error:    # nobody listens at port 1
        print(textwrap.fill(str(error), 80))

# prints
# no Ray cluster answers at 'localhost:1': run `ray start --head` here and `ray
# start --address HOST:6379` on the other nodes, or set RAY_ADDRESS
