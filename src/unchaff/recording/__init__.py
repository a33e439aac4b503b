"""How each sample is learned in a user's own training: written down epoch by epoch, and read again."""
