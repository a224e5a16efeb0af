import tempfile
import textwrap
import pc_precision as pc

runs = [pc.Experiment(model="vgg5", algorithm=name) for name in ("BP", "S+F")]
cluster = pc.runs.Cluster(gpus=1, cores=4, address="localhost:1")
with tempfile.TemporaryDirectory() as store:
    try:
        cluster(runs, store)
    except ConnectionError as error:    # nobody listens at port 1
        print(textwrap.fill(str(error), 80))

# prints
# no Ray cluster answers at 'localhost:1': run `ray start --head` here and `ray
# start --address HOST:6379` on the other nodes, or set RAY_ADDRESS
