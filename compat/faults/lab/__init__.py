"""A laboratory of real replicas in network namespaces of their own."""
