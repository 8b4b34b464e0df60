// The CRDs of the Gateway API, for tests: crds.py takes them from this module. It is apart from the
// module of the programs, so that another version here builds none of them anew.
module kwatt.dev/tests/cluster/gateway-api

go 1.25.0

require sigs.k8s.io/gateway-api v1.5.1 // indirect
