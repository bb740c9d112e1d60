module eureka-registry/compat/kubernetes/client

go 1.24
