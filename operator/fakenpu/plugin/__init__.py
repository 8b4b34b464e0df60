"""A device plugin of NPUs that do not exist: the kubelet counts them, allocates them, loses them.

It speaks the kubelet's device plugin API v1beta1, so everything above it is real: the node's
allocatable, the kube-scheduler's refusals, the environment of a container that got two devices.
"""
