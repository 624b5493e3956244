// weir-kube is the large program of the test cluster: etcd, kube-apiserver and
// kube-controller-manager as they are, and the node that starts them and runs
// the pods. It is only ever started by weir-cluster and by itself.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "weir-kube is started by weir-cluster")
		os.Exit(2)
	}
	os.Args = os.Args[1:]
	switch os.Args[0] {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		runCommand(apiserver.NewAPIServerCommand())
	case "kube-controller-manager":
		runCommand(kcm.NewControllerManagerCommand())
	case "node":
		node(os.Args[1:])
	default:
		fmt.Fprintln(os.Stderr, "weir-kube: unknown program "+os.Args[0])
		os.Exit(2)
	}
}

func runCommand(c *cobra.Command) { os.Exit(cli.Run(c)) }
