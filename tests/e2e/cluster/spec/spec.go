// Package spec holds what the two programs of the test cluster tell each other:
// the small one (weir-cluster: command line, process entry) and the large one
// (weir-kube: control plane and node).
package spec

// Addresses inside the cluster's network namespace. They never leave it, so
// they can be the same for every cluster on the machine.
const (
	NodeName   = "node-1"
	NodeIP     = "10.88.0.1"
	BridgeCIDR = "10.88.0.1/16"
	ServiceIP  = "10.96.0.1" // the "kubernetes" service
	APIPort    = "6443"
	APIURL     = "https://" + NodeIP + ":" + APIPort
)

// File descriptors that a started program finds open.
const (
	ReadyFD   = 3 // node: written to when the cluster is ready
	SpecFD    = 3 // container: the Container as JSON
	NetnsFD   = 4 // container: the pod's network namespace
	LogPrefix = "weir-cluster: "
)

// Container tells the entry process of a container (`weir-cluster container`)
// how to set up its file system and what to run.
type Container struct {
	Root     string   // an existing folder on which the root is put together
	Scratch  string   // folder for the writable layers, not on the file system of "/"
	Image    string   // folder of the image, empty for the plain host root
	Mounts   []Mount  // in the order in which they are made
	Hostname string   //
	Args     []string // program and arguments; the program is looked up in PATH
	Env      []string //
	Dir      string   // working directory, created if missing
	UID, GID *int64   // from the security context
}

// Mount is one bind mount into a container.
type Mount struct {
	From, To string
	ReadOnly bool
}
