"What runs experiments: the store of results, checkpoints, queues, searches."
