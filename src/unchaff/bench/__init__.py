"""One cell of an experiment: data, noise, network, method, seed -> what it gave."""
