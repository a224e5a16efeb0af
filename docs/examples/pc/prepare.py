import tempfile
import pc_precision as pc

with tempfile.TemporaryDirectory() as folder:
    try:
        # without source it takes what lies in downloads/manual, or downloads 170 MB
        pc.prepare("cifar10", folder, source="cifar-10-python.tar.gz")
    except FileNotFoundError as error:
        print(error)

# prints
# there is no file or folder cifar-10-python.tar.gz to prepare cifar10 from
