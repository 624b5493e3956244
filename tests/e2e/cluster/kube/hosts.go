package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"weir/cluster/spec"
)

// The hosts file of each pod takes the place of DNS. It is written in place,
// because the containers have this very file mounted.

// hostsLoop writes the files anew whenever something changed; changes that
// come together are written together.
func (n *nodeRunner) hostsLoop() {
	for range n.hostsDirty {
		n.hostsMu.Lock()
		entries := n.serviceEntries()
		for _, p := range n.allPods() {
			if err := writeHosts(p, entries); err != nil {
				log.Printf("hosts of %s/%s: %v", p.ns, p.name, err)
			}
		}
		n.hostsMu.Unlock()
	}
}

func (n *nodeRunner) hostsChanged() {
	select {
	case n.hostsDirty <- struct{}{}:
	default:
	}
}

// writeHostsNow is for a pod that is about to start.
func (n *nodeRunner) writeHostsNow(p *pod) error {
	n.hostsMu.Lock()
	defer n.hostsMu.Unlock()
	return writeHosts(p, n.serviceEntries())
}

func writeHosts(p *pod, entries []serviceEntry) error {
	ip := p.address()
	if ip == "" {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "127.0.0.1 localhost\n%s %s\n", ip, p.hostname)
	fmt.Fprintf(&b, "%s kubernetes.default.svc kubernetes.default kubernetes.default.svc.cluster.local\n", spec.ServiceIP)
	for _, e := range entries {
		fmt.Fprintf(&b, "%s", e.ip)
		if e.ns == p.ns {
			fmt.Fprintf(&b, " %s", e.name)
		}
		fmt.Fprintf(&b, " %[1]s.%[2]s %[1]s.%[2]s.svc %[1]s.%[2]s.svc.cluster.local\n", e.name, e.ns)
	}
	text := b.String()
	if text == p.hostsText {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(p.runDir, "hosts"), os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	// One write, then the cut: a reader never finds an empty file.
	if _, err := f.WriteAt([]byte(text), 0); err != nil {
		return err
	}
	if err := f.Truncate(int64(len(text))); err != nil {
		return err
	}
	p.hostsText = text
	return nil
}

type serviceEntry struct{ ns, name, ip string }

// serviceEntries lists each service with each pod it selects. Pods count from
// the moment they have an address, ready or not: that is what Flink's internal
// service (headless, with unready addresses) is for, and a TaskManager may be
// started before its JobManager is ready.
func (n *nodeRunner) serviceEntries() []serviceEntry {
	services, _ := n.services().List(labels.Everything())
	byNamespace := map[string][]*pod{}
	for _, p := range n.allPods() {
		if p.address() != "" && !p.ending.Load() {
			byNamespace[p.ns] = append(byNamespace[p.ns], p)
		}
	}
	var out []serviceEntry
	for _, s := range services {
		if len(s.Spec.Selector) == 0 || s.Spec.Type == corev1.ServiceTypeExternalName {
			continue
		}
		sel := labels.SelectorFromSet(s.Spec.Selector)
		for _, p := range byNamespace[s.Namespace] {
			if sel.Matches(labels.Set(p.labels())) {
				out = append(out, serviceEntry{s.Namespace, s.Name, p.address()})
			}
		}
	}
	return out
}
