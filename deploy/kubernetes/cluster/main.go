// Command cluster is the control plane of Kubernetes in one program, for checking manifests where no cluster is: the first
// argument says which part of it this process is. One program instead of six links what they share once.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	etcd "go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	"sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
)

func main() {
	if len(os.Args) < 2 {
		refuse("name a part")
	}
	part := os.Args[1]
	// Each part reads the process's arguments as its own.
	os.Args = os.Args[1:]
	switch part {
	case "etcd":
		etcd.Main(os.Args)
	case "kube-apiserver":
		run(apiserver.NewAPIServerCommand())
	case "kube-controller-manager":
		run(manager.NewControllerManagerCommand())
	case "kube-scheduler":
		run(scheduler.NewSchedulerCommand())
	case "kwok":
		runKwok()
	case "kubectl":
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			util.CheckErr(err)
		}
	default:
		refuse("there is no part " + part)
	}
}

func run(command *cobra.Command) {
	os.Exit(cli.Run(command))
}

// runKwok is what kwok's own main does: it plays the nodes and the kubelets.
func runKwok() {
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	ctx, _ := log.InitFlags(context.Background(), flags)
	ctx, err := config.InitFlags(ctx, flags)
	if err != nil {
		refuse(err.Error())
	}
	command := kwok.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(flags)
	// The other parts' `--version` is no switch, which kwok's would have to be.
	command.Version = ""
	if err := command.ExecuteContext(ctx); err != nil {
		refuse(err.Error())
	}
}

func refuse(why string) {
	fmt.Fprintf(os.Stderr, "cluster: %s\n", why)
	os.Exit(2)
}
