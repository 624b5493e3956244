package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
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
		if err := n.writeOwnHosts(entries); err != nil {
			log.Printf("hosts of the node: %v", err)
		}
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
	text := fmt.Sprintf("127.0.0.1 localhost\n%s %s\n", ip, p.hostname) + serviceLines(entries, p.ns)
	if text == p.hostsText {
		return nil
	}
	if err := overwrite(filepath.Join(p.runDir, "hosts"), text); err != nil {
		return err
	}
	p.hostsText = text
	return nil
}

// serviceLines has the short names of the services in one namespace, and the
// long ones of all.
func serviceLines(entries []serviceEntry, ns string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s kubernetes.default.svc kubernetes.default kubernetes.default.svc.cluster.local\n", spec.ServiceIP)
	for _, e := range entries {
		b.WriteString(e.ip)
		if e.ns == ns {
			b.WriteString(" " + e.name)
		}
		fmt.Fprintf(&b, " %[1]s.%[2]s %[1]s.%[2]s.svc %[1]s.%[2]s.svc.cluster.local\n", e.name, e.ns)
	}
	return b.String()
}

// overwrite changes a file in place, in one write and a cut: a reader never
// finds it empty.
func overwrite(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(text), 0); err != nil {
		return err
	}
	return f.Truncate(int64(len(text)))
}

// setUpNames prepares name resolution. There is no name server, and it must
// be refused at once: a server that is configured but cannot be reached costs
// ten seconds for each unknown name or address, and Flink looks up the names
// of its peers' addresses. What runs beside the pods (weir-cluster exec) gets
// the same files, by mounts that only the cluster sees.
func (n *nodeRunner) setUpNames() error {
	resolv := n.resolvConf()
	if err := os.WriteFile(resolv, []byte("# No name server here: names are in the hosts file.\noptions timeout:1 attempts:1\n"), 0o644); err != nil {
		return err
	}
	own, err := os.ReadFile("/etc/hosts")
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	n.ownHosts = strings.TrimRight(string(own), "\n") + "\n"
	if err := n.writeOwnHosts(nil); err != nil {
		return err
	}
	for to, from := range map[string]string{"/etc/hosts": n.ownHostsPath(), "/etc/resolv.conf": resolv} {
		if _, err := os.Stat(to); err != nil {
			continue // without such a file, there is none to replace
		}
		if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s: %w", to, err)
		}
	}
	return nil
}

func (n *nodeRunner) resolvConf() string   { return filepath.Join(n.dir, "run", "resolv.conf") }
func (n *nodeRunner) ownHostsPath() string { return filepath.Join(n.dir, "run", "hosts") }

func (n *nodeRunner) writeOwnHosts(entries []serviceEntry) error {
	return overwrite(n.ownHostsPath(), n.ownHosts+serviceLines(entries, ""))
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
