// Not a program: the versions of the modules that carry the definitions of custom resources, and their digests beside it.
module indowater/crds

go 1.26.0

require (
	github.com/kedacore/keda/v2 v2.21.0
	// The community operator's last module; its successor serves the same definition and is no module there.
	github.com/mongodb/mongodb-kubernetes-operator v0.9.0
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.6.3
)
