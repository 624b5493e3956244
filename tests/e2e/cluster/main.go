// weir-cluster brings up a real Kubernetes control plane with a one-node
// stand-in for kubelet in namespaces of its own, for the end-to-end tests.
//
// This program is kept small and free of Kubernetes packages, because it is
// also the entry process of every container: weir-kube (folder kube) needs
// 0.1 s only to initialise its packages, which would distort the times that
// the tests measure.
package main

import (
	"fmt"
	"os"
	"runtime"

	"weir/cluster/spec"
)

const usage = `usage:
  weir-cluster up --dir DIR [--flink VERSION,...] [--detach]
  weir-cluster exec --dir DIR -- COMMAND [ARGUMENT...]
  weir-cluster ctl --dir DIR COMMAND [ARGUMENT...]
  weir-cluster down --dir DIR
  weir-cluster git-http --root DIR --listen ADDRESS:PORT [--user U --password P] [--tls] [--ca-out FILE] [--tls13] [--hang accept|headers|body]
`

func init() {
	// Parent-death signals and namespaces belong to threads, so main must stay
	// on the one thread that lives as long as the process.
	runtime.LockOSThread()
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	commands := map[string]func([]string) error{
		"up":        up,
		"exec":      enter,
		"ctl":       ctl,
		"down":      down,
		"git-http":  gitHTTP,
		"container": container,
		"bound":     bound,
	}
	run, ok := commands[os.Args[1]]
	if !ok {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err := run(os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, spec.LogPrefix+err.Error())
		os.Exit(1)
	}
}
