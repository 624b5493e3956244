package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

const controlHelp = `stop-apiserver                  kill the API server
start-apiserver                 start it again, return when it is ready
kill-pod NS NAME [CONTAINER]    SIGKILL the main process of a pod (flink-main-container or the first one)
freeze-node                     the node takes no notice of the API server and reports nothing
thaw-node                       it catches up
pods                            list the pods on the node`

// serveControl answers the commands of `weir-cluster ctl`.
func (n *nodeRunner) serveControl() error {
	if err := os.Chdir(n.dir); err != nil { // socket paths must be short
		return err
	}
	l, err := net.Listen("unix", "ctl.sock")
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				line, err := bufio.NewReader(conn).ReadString('\n')
				if err == nil {
					err = n.control(conn, strings.Fields(line))
				}
				if err != nil {
					fmt.Fprintf(conn, "error: %v\n", err)
					return
				}
				fmt.Fprintln(conn, "ok")
			}()
		}
	}()
	return nil
}

func (n *nodeRunner) control(out io.Writer, args []string) error {
	if len(args) == 0 {
		return errors.New("no command")
	}
	ctx := context.Background()
	switch args[0] {
	case "help":
		fmt.Fprintln(out, controlHelp)
	case "stop-apiserver":
		return n.cp.stopAPIServer()
	case "start-apiserver":
		if err := n.cp.startAPIServer(ctx, n.client); err != nil {
			return err
		}
		return n.watch(ctx)
	case "kill-pod":
		if len(args) < 3 {
			return errors.New("usage: kill-pod NS NAME [CONTAINER]")
		}
		return n.killPod(args[1], args[2], args[3:]...)
	case "freeze-node":
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.frozen != nil {
			return errors.New("the node is frozen")
		}
		n.frozen = make(chan struct{})
	case "thaw-node":
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.frozen == nil {
			return errors.New("the node is not frozen")
		}
		close(n.frozen)
		n.frozen = nil
	case "pods":
		for _, p := range n.allPods() {
			fmt.Fprintf(out, "%s %s %s\n", p.ns, p.name, p.address())
		}
	default:
		return fmt.Errorf("unknown command %s (try: help)", args[0])
	}
	return nil
}

func (n *nodeRunner) killPod(ns, name string, container ...string) error {
	p := n.findPod(ns, name)
	if p == nil {
		return fmt.Errorf("no pod %s/%s on the node", ns, name)
	}
	done := make(chan error, 1)
	p.post(func() {
		victim := p.main[0]
		for _, c := range p.all() {
			if len(container) > 0 && c.spec.Name == container[0] || len(container) == 0 && c.spec.Name == "flink-main-container" {
				victim = c
			}
		}
		if len(container) > 0 && victim.spec.Name != container[0] {
			done <- fmt.Errorf("no container %s", container[0])
			return
		}
		if victim.proc == nil {
			done <- fmt.Errorf("container %s is not running", victim.spec.Name)
			return
		}
		victim.proc.signal(syscall.SIGKILL)
		done <- nil
	})
	select {
	case err := <-done:
		return err
	case <-time.After(5 * time.Second): // the pod went, or the node is frozen
		return fmt.Errorf("pod %s/%s does not react", ns, name)
	}
}
